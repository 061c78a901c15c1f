"""The rules about sessions that stay closed: each fires on its cause, and is silent on a near miss."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import recorded_tls
from packets import C, S, Scene, found, http_request, http_response, rules_of
from tls_dialogues import Identity, identity, public_identity, scene, tls

from tlsdecrypt.findings.finding import Severity

if TYPE_CHECKING:
    from packets import Say

    from tlsdecrypt.tls.secrets import SecretStore

OWA = (C(http_request("GET /owa/")), S(http_response("200 OK", [], b"hello")))
GOOD = public_identity("mail.contoso.com")
PFS = "ECDHE-RSA-AES128-GCM-SHA256"


def beside_the_opened(said: list[Say]) -> Scene:
    """A session that `GOOD` opens, and one with another server."""
    made = scene(tls(OWA, GOOD))
    made.dialogue(said, port=443, server="198.51.100.21")
    made.silence(5)
    return made


def test_not_decryptable_pfs_with_the_right_key_and_without_any() -> None:
    closed = scene(tls(OWA, GOOD, ciphers=PFS))
    assert "tls.not-decryptable-pfs" in rules_of(closed, keys=GOOD.store)
    assert "tls.not-decryptable-pfs" in rules_of(closed)
    assert "tls.pfx-key-mismatch" not in rules_of(closed, keys=identity("mail.contoso.com").store)


def test_not_decryptable_pfs_is_a_note_for_servers_that_no_given_key_is_for() -> None:
    other = public_identity("portal.fabrikam.com")
    mixed = beside_the_opened(tls(OWA, other, name="portal.fabrikam.com", ciphers=PFS))
    finding = found(mixed, "tls.not-decryptable-pfs", keys=GOOD.store)
    assert finding is not None
    assert finding.severity is Severity.INFO


@pytest.mark.parametrize("name", ["mail.contoso.com", "autodiscover.contoso.com"])
def test_not_decryptable_pfs_is_a_warning_for_all_hosts_of_the_domain_of_the_certificate(name: str) -> None:
    renewed = public_identity(name)
    mixed = beside_the_opened(tls(OWA, renewed, name=name, ciphers=PFS))
    finding = found(mixed, "tls.not-decryptable-pfs", keys=GOOD.store)
    assert finding is not None
    assert finding.severity is Severity.WARNING


@pytest.mark.parametrize(("port", "severity"), [(443, Severity.WARNING), (636, Severity.INFO), (3389, Severity.INFO)])
def test_not_decryptable_pfs_is_a_note_for_other_services_of_the_domain(port: int, severity: Severity) -> None:
    mixed = scene(tls(OWA, GOOD))
    said = tls(OWA, public_identity("dc1.contoso.com"), name="dc1.contoso.com", ciphers=PFS)
    mixed.dialogue(said, port=port, server="198.51.100.21")
    mixed.silence(5)
    finding = found(mixed, "tls.not-decryptable-pfs", keys=GOOD.store)
    assert finding is not None
    assert finding.severity is severity


def test_not_decryptable_pfs_is_silent_for_rsa_and_for_the_cloud() -> None:
    assert "tls.not-decryptable-pfs" not in rules_of(scene(tls(OWA, GOOD)), keys=GOOD.store)
    cloud = public_identity("outlook.office365.com")
    rules = rules_of(scene(tls(OWA, cloud, name="outlook.office365.com", ciphers=PFS)), keys=GOOD.store)
    assert "tls.not-decryptable-pfs" not in rules
    assert "tls.cloud-side-not-decryptable" in rules


def test_cloud_side_is_silent_for_other_hosts_and_where_it_was_opened() -> None:
    assert "tls.cloud-side-not-decryptable" not in rules_of(scene(tls(OWA, GOOD)))
    cloud = public_identity("outlook.office365.com")
    opened = scene(tls(OWA, cloud, name="outlook.office365.com"))
    assert "tls.cloud-side-not-decryptable" not in rules_of(opened, keys=cloud.store)


def test_pfx_key_mismatch_names_both_certificates() -> None:
    renewed = identity("CN=mail.contoso.com,O=Old")
    finding = found(scene(tls(OWA, GOOD)), "tls.pfx-key-mismatch", keys=renewed.store)
    assert finding is not None
    assert finding.severity is Severity.WARNING
    shown = GOOD.certificate.serial_number
    assert f"{shown:x}" in finding.summary
    assert "O=Old" in finding.summary


def test_pfx_key_mismatch_is_a_note_for_another_server_and_silent_without_keys_and_with_the_right_one() -> None:
    other = identity("owa.fabrikam.com")
    finding = found(scene(tls(OWA, GOOD)), "tls.pfx-key-mismatch", keys=other.store)
    assert finding is not None
    assert finding.severity is Severity.INFO
    assert "tls.pfx-key-mismatch" not in rules_of(scene(tls(OWA, GOOD)))
    assert "tls.pfx-key-mismatch" not in rules_of(scene(tls(OWA, GOOD)), keys=GOOD.store)


@pytest.mark.parametrize(("names", "is_meant"), [(["mail.contoso.com"], True), (["mail.fabrikam.com"], False)])
def test_pfx_key_mismatch_knows_a_renewed_certificate_by_its_alternative_names(
    names: list[str], *, is_meant: bool
) -> None:
    before = identity("owa.contoso.net", ["owa.contoso.net", *names])
    closed = scene(tls(OWA, GOOD))
    finding = found(closed, "tls.pfx-key-mismatch", keys=before.store)
    assert finding is not None
    assert finding.severity is (Severity.WARNING if is_meant else Severity.INFO)
    assert ("a certificate that was renewed" in finding.summary) is is_meant
    [conversation] = closed.analysis(keys=before.store).conversations
    assert conversation.tls is not None
    assert ("names the same host" in conversation.tls.verdict.summary) is is_meant


def _with_other_keylog(of: Identity) -> SecretStore:
    store = of.store
    store.add_keylog(b"CLIENT_RANDOM " + b"00" * 32 + b" " + b"11" * 48 + b"\n", "keys.log")
    return store


def test_a_key_log_of_other_sessions_hides_nothing_of_what_the_pfx_cannot() -> None:
    renewed = identity("CN=mail.contoso.com,O=Old")
    assert "tls.pfx-key-mismatch" in rules_of(scene(tls(OWA, GOOD)), keys=_with_other_keylog(renewed))
    closed = scene(tls(OWA, GOOD, ciphers=PFS))
    assert "tls.pfx-key-mismatch" not in rules_of(closed, keys=_with_other_keylog(renewed))
    finding = found(closed, "tls.not-decryptable-pfs", keys=_with_other_keylog(GOOD))
    assert finding is not None
    assert finding.severity is Severity.INFO
    assert "tls.not-decryptable-pfs" not in rules_of(scene(tls(OWA, GOOD)), keys=_with_other_keylog(renewed))


def _recorded(*, resumes: bool) -> list[list[Say]]:
    chosen = recorded_tls.resumed()[1 if resumes else 0 :]
    return [[(S if way else C)(data) for way, data in each.flights] for each in chosen]


def test_resumed_no_handshake_and_its_near_miss() -> None:
    store = recorded_tls.rsa_store()
    assert "tls.resumed-no-handshake" in rules_of(scene(*_recorded(resumes=True)), keys=store)
    both = scene(*_recorded(resumes=False))
    assert "tls.resumed-no-handshake" not in rules_of(both, keys=recorded_tls.rsa_store())


def test_capture_starts_mid_session_and_its_near_miss() -> None:
    whole = scene(tls(OWA, GOOD))
    late = Scene(whole.frames[9:])
    assert "tls.capture-starts-mid-session" in rules_of(late, keys=GOOD.store)
    assert "tls.capture-starts-mid-session" not in rules_of(whole, keys=GOOD.store)
