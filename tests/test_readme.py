"""The README tells the truth: sample output, tables, options and code are those of the program."""

from __future__ import annotations

import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from tlsdecrypt import VerdictCode

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text()
SAMPLES = re.findall(r"^```\n\$ tlsdecrypt (.+)\n((?:.*\n)+?)```$", README, re.MULTILINE)


@cache
def printed(*arguments: str) -> str:
    command = [sys.executable, "-m", "tlsdecrypt", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, stdin=subprocess.DEVNULL)
    assert done.returncode in {0, 3}, done.stderr  # 3: nothing was opened, which one sample shows
    return done.stdout


@pytest.mark.parametrize(("arguments", "sample"), SAMPLES, ids=[arguments for arguments, _ in SAMPLES])
def test_the_sample_output_is_what_the_program_prints(arguments: str, sample: str) -> None:
    lines = iter(printed(*arguments.split()).splitlines())
    for wanted in filter(None, sample.splitlines()):
        start = wanted.removesuffix(" ...")
        assert any(line.startswith(start) if start != wanted else line == wanted for line in lines), wanted


def test_the_sample_shows_what_is_opened_what_stays_closed_and_why() -> None:
    (_, text), *_ = SAMPLES
    assert all(word in text for word in ("decrypted with", "forward-secrecy", "remedy", "ErrorSendAsDenied"))


def test_the_verdicts_are_those_of_the_program() -> None:
    table = README.partition("## Verdicts")[2].partition("## ")[0]
    assert re.findall(r"^\| `([a-z-]+)`", table, re.MULTILINE) == [each.value for each in VerdictCode]


@pytest.mark.parametrize("option", sorted(set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", README))))
def test_an_option_that_the_readme_names_exists(option: str) -> None:
    assert re.search(rf"^  .*{option}\b", printed("--help"), re.MULTILINE)


def test_the_library_example_runs() -> None:
    code = re.search(r"^```python\n(.+?)^```$", README, re.MULTILINE | re.DOTALL)
    assert code
    done = subprocess.run([sys.executable, "-c", code[1]], capture_output=True, text=True, check=True, cwd=ROOT)
    assert "http/1.1 /EWS/Exchange.asmx" in done.stdout
