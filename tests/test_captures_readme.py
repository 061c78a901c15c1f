"""The sample captures, the test keys, their READMEs and captures/expected.json tell the same story."""

from __future__ import annotations

import gzip
import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import dpkt
import pytest

from tlsdecrypt.tls.verdict import VerdictCode

ROOT = Path(__file__).parents[1]
CAPTURES, KEYS = ROOT / "captures", ROOT / "keys"
BESIDE = {"README.md", "expected.json"}
LARGEST_CAPTURE, LARGEST_SUM = 300_000, 5_000_000
LARGEST_FRAME = 1_500 + 20  # an Ethernet header and a tag, or a Linux cooked header, before an MTU of 1,500
CASES: list[dict[str, Any]] = json.loads((CAPTURES / "expected.json").read_text())["cases"]


def rows(folder: Path) -> dict[str, list[str]]:
    """The table of a README: first cell without its backticks -> the other cells."""
    lines = re.findall(r"^\| `(.+?)` \| (.+) \|$", (folder / "README.md").read_text(), re.MULTILINE)
    return {name: rest.split(" | ") for name, rest in lines}


def capture_files() -> list[Path]:
    return sorted(path for path in CAPTURES.iterdir() if path.name not in BESIDE)


def first_cases() -> list[dict[str, Any]]:
    """The case that a capture's row in the README describes: its first."""
    found: dict[str, dict[str, Any]] = {}
    for case in CASES:
        found.setdefault(Path(case["capture"]).name, case)
    return list(found.values())


def test_each_capture_is_in_the_readme_and_each_row_has_its_capture() -> None:
    assert set(rows(CAPTURES)) == {path.name for path in capture_files()}


def test_each_capture_has_an_expectation_and_each_expectation_its_capture() -> None:
    assert {case["capture"] for case in CASES} == {f"captures/{path.name}" for path in capture_files()}


def test_each_key_file_is_in_the_readme_and_each_row_has_its_file() -> None:
    assert set(rows(KEYS)) == {path.name for path in KEYS.iterdir()} - {"README.md"}


def test_every_key_that_is_to_be_given_exists() -> None:
    assert all((ROOT / key["path"]).is_file() for case in CASES for key in case["keys"] if "path" in key)


def test_the_password_file_holds_the_password_of_the_pfx() -> None:
    passwords = {key.get("password") for case in first_cases() for key in case["keys"] if key["kind"] == "pfx"}
    assert passwords == {(KEYS / "mail.password").read_text().strip()}


@pytest.mark.parametrize("case", first_cases(), ids=lambda case: Path(case["capture"]).name)
def test_a_row_of_the_readme_says_what_is_expected(case: dict[str, Any]) -> None:
    _, given, verdicts = rows(CAPTURES)[Path(case["capture"]).name]
    for key in case["keys"]:
        assert f"`--{key['kind']} {key.get('path') or key['value']}`" in given
    counted = Counter(each["verdict"] or "no TLS" for each in case["connections"])
    assert verdicts == ", ".join(f"{count} {verdict}" for verdict, count in sorted(counted.items()))


def test_only_verdicts_of_the_closed_list_are_expected() -> None:
    verdicts = {each["verdict"] for case in CASES for each in case["connections"]} - {None}
    assert verdicts <= {code.value for code in VerdictCode}


def test_every_form_of_the_mail_key_opens_what_the_pfx_opens() -> None:
    forms = [case for case in CASES if case["capture"].endswith("client-certificate.pcap") and not case["refused"]]
    fitting = [case for case in forms if all(key["path"].startswith("keys/mail") for key in case["keys"])]
    assert len(fitting) >= 8
    assert all(case["connections"] == forms[0]["connections"] for case in fitting)


def test_a_decrypted_session_has_plaintext_and_a_closed_one_has_none() -> None:
    for case in CASES:
        for each in case["connections"]:
            length = sum(side["length"] for side in each["application_data"].values())
            assert (length > 0) is (each["verdict"] in {"decrypted", "partly-decrypted"})


def test_a_capture_that_gives_nothing_is_refused_with_every_key_that_holds_no_secret() -> None:
    assert {case["refused"] for case in CASES if case["connections"] == []} == {True}


def test_the_captures_stay_small() -> None:
    sizes = [path.stat().st_size for path in capture_files()]
    assert max(sizes) < LARGEST_CAPTURE
    assert sum(sizes) < LARGEST_SUM


WHOLE = [path for path in capture_files() if path.name != "cut.pcap"]


@pytest.mark.parametrize("path", WHOLE, ids=lambda path: path.name)
def test_no_frame_is_larger_than_ethernet_carries(path: Path) -> None:
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
        frames = [frame for _, frame in dpkt.pcap.UniversalReader(file)]
    assert frames
    assert max(map(len, frames)) <= LARGEST_FRAME
