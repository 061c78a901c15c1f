from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tlsdecrypt.tls import verdict
from tlsdecrypt.tls.certificates import certificate_facts
from tlsdecrypt.tls.verdict import Verdict, VerdictCode
from tlsdecrypt.value import replace

if TYPE_CHECKING:
    from pathlib import Path

SUITE = "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"
ALL = {
    VerdictCode.DECRYPTED: verdict.decrypted("mail.pfx"),
    VerdictCode.PARTLY_DECRYPTED: verdict.partly_decrypted("mail.pfx", 3, "12 bytes were not captured"),
    VerdictCode.NO_KEY: verdict.no_key(None),
    VerdictCode.FORWARD_SECRECY: verdict.forward_secrecy(SUITE, has_key=True),
    VerdictCode.NO_SECRET: verdict.no_secret(bytes(32)),
    VerdictCode.WRONG_KEY: verdict.wrong_key("mail.pfx"),
    VerdictCode.RESUMED_PARENT_MISSING: verdict.resumed_parent_missing("ticket"),
    VerdictCode.HANDSHAKE_MISSING: verdict.handshake_missing(),
    VerdictCode.HANDSHAKE_FAILED: verdict.handshake_failed("handshake_failure", "server"),
    VerdictCode.TRUNCATED: verdict.truncated(),
    VerdictCode.UNSUPPORTED_SUITE: verdict.unsupported_suite("TLS_GOSTR341112_256_WITH_MAGMA_CTR_OMAC"),
    VerdictCode.MALFORMED: verdict.malformed("record length 70000"),
}


def test_every_code_of_the_closed_list_can_be_made() -> None:
    assert set(ALL) == set(VerdictCode)
    assert all(made.code is code for code, made in ALL.items())


@pytest.mark.parametrize("made", ALL.values(), ids=lambda made: made.code.value)
def test_a_verdict_is_one_sentence_and_one_remedy(made: Verdict) -> None:
    for text in (made.summary, made.remedy):
        assert text is None or (text and "\n" not in text and not text.endswith((".", " ")))


def test_no_key_names_the_certificate_as_windows_shows_it(key_files: Path) -> None:
    facts = certificate_facts((key_files / "rsa-certificate.der").read_bytes())
    made = verdict.no_key(facts, has_keys=True)
    assert made.remedy is not None
    for part in (facts.subject, "serial 2a", facts.sha1_thumbprint, facts.spki_sha256, "--pfx"):
        assert part in made.remedy
    assert "none of the given private keys is that of" in made.summary
    assert "no private key was given" in verdict.no_key(facts).summary


@pytest.mark.parametrize(
    ("given_from", "told"), [("2020-01-01T00:00:00Z", "renewed"), ("2090-01-01T00:00:00Z", "another time")]
)
def test_no_key_names_the_certificate_of_another_time(key_files: Path, given_from: str, told: str) -> None:
    facts = replace(certificate_facts((key_files / "rsa-certificate.der").read_bytes()), not_before="2025-03-04")
    made = verdict.no_key(facts, has_keys=True, namesake=replace(facts, not_before=given_from))
    assert f"{given_from[:10]} to" in made.summary
    assert "the server's from 2025-03-04" in made.summary
    assert told in made.summary


def test_no_key_of_an_unreadable_certificate_still_names_it() -> None:
    facts = certificate_facts(b"no certificate")
    made = verdict.no_key(facts)
    assert facts.sha1_thumbprint in made.summary
    assert made.remedy is not None
    assert "no subject" in made.remedy


def test_forward_secrecy_says_that_the_pfx_cannot_and_what_can() -> None:
    made = verdict.forward_secrecy(SUITE, has_key=True)
    assert SUITE in made.summary
    assert "no PFX" in made.summary
    assert "fits the server's certificate" in made.summary
    assert "fits the server's certificate" not in verdict.forward_secrecy(SUITE, has_key=False).summary
    assert made.remedy is not None
    assert "SSLKEYLOGFILE" in made.remedy
    assert "TLS_RSA_WITH_AES_128_GCM_SHA256" in made.remedy


def test_what_is_known_stands_in_the_sentence() -> None:
    assert "00" * 32 in ALL[VerdictCode.NO_SECRET].summary
    assert "ticket" in ALL[VerdictCode.RESUMED_PARENT_MISSING].summary
    assert "server sent the alert handshake_failure" in ALL[VerdictCode.HANDSHAKE_FAILED].summary
    assert "the connection ended" in verdict.handshake_failed().summary
    assert "3 records" in ALL[VerdictCode.PARTLY_DECRYPTED].summary
    assert "'me\\\\xff'" in verdict.no_pre_shared_key(b"me\xff").summary
    assert verdict.no_pre_shared_key(None).code is VerdictCode.NO_SECRET


def test_what_is_whole_and_opened_is_told_without_a_count_of_records() -> None:
    assert (
        "but not all of it: frames are missing" in verdict.partly_decrypted("mail.pfx", 0, "frames are missing").summary
    )


def test_a_one_way_capture_asks_for_the_other_direction_and_not_for_an_earlier_start() -> None:
    made = verdict.handshake_missing("server")
    assert "only what the server sent" in made.summary
    assert made.remedy is not None
    assert "both directions" in made.remedy


def test_where_a_private_key_would_do_the_key_log_is_not_the_only_remedy() -> None:
    made = verdict.no_secret(certificate=certificate_facts(b"no certificate"))
    assert made.remedy is not None
    assert "--pfx" in made.remedy
