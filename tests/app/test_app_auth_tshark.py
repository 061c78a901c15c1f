"""tshark as a second opinion on tokens: NTLM of real clients, and a Kerberos ticket."""

from __future__ import annotations

import subprocess
from pathlib import Path

from der_writing import kerberos_token, krb_error
from login_dialogues import ask, b64, scene_of
from packets import Scene

import tlsdecrypt
from tlsdecrypt.app.auth_token import parse_security_token

ROOT = Path(__file__).resolve().parents[2]
CAPTURE, KEY = ROOT / "captures" / "logins-healthy.pcap", ROOT / "keys" / "mail.key.pem"


def by_tshark(tshark: str, capture: Path, wanted: str, *fields: str) -> list[list[str]]:
    command: list[str | Path] = [
        tshark,
        "-r",
        capture,
        "-o",
        f"tls.keys_list:any,0,data,{KEY}",
        "-Y",
        wanted,
        "-T",
        "fields",
    ]
    command += [argument for each in fields for argument in ("-e", each)]
    told = subprocess.run(command, capture_output=True, check=True, text=True, timeout=60).stdout
    return [line.split("\t") for line in told.splitlines()]


def test_ntlm_of_real_clients_is_what_tshark_says(tshark: str) -> None:
    names = ("messagetype", "auth.username", "auth.domain", "auth.hostname", "challenge.target_name")
    names += ("ntlmv2_response.channel_bindings", "ntlmv2_response.target_name")  # type: ignore[assignment]
    told = by_tshark(tshark, CAPTURE, "ntlmssp", *(f"ntlmssp.{each}" for each in names))
    analysis = tlsdecrypt.analyze([CAPTURE], keys=tlsdecrypt.load_keys(keys=[KEY]))
    mine = []
    for conversation in analysis.conversations:
        for exchange in conversation.exchanges:
            auth = exchange.annotations.get("auth", {})
            for message in (auth.get("ntlm"), auth.get("challenge")):
                if message:
                    keys = ("user", "domain", "workstation", "target", "channel_binding", "target_name")
                    mine.append([f"0x{message['type']:08x}", *(message.get(key, "") for key in keys)])
    assert mine == told
    assert len(mine) == 9


def test_a_ticket_is_what_tshark_says(tshark: str, tmp_path: Path) -> None:
    capture = tmp_path / "ticket.pcap"
    said = ask(f"Authorization: Negotiate {b64(kerberos_token('HTTP', 'mail.contoso.com'))}")
    capture.write_bytes(scene_of(said).pcap())
    fields = ("kerberos.realm", "kerberos.SNameString", "kerberos.kvno", "kerberos.etype")
    [told] = by_tshark(tshark, capture, "kerberos", *fields)
    [exchange] = [each for told in tlsdecrypt.analyze([capture]).conversations for each in told.exchanges]
    ticket = exchange.annotations["auth"]["kerberos"]
    assert told[:3] == [ticket["realm"], ticket["sname"].replace("/", ","), str(ticket["kvno"])]
    assert (ticket["etype"], told[3].partition(",")[0]) == ("aes256-cts-hmac-sha1-96", "18")


def test_an_error_of_kerberos_is_what_tshark_says(tshark: str, tmp_path: Path) -> None:
    error = krb_error(41, "CONTOSO.COM", "HTTP", "mail.contoso.com")
    scene = Scene()
    scene.udp(("198.51.100.20", 88), ("192.0.2.10", 50_000), error)
    capture = tmp_path / "error.pcap"
    capture.write_bytes(scene.pcap())
    [told] = by_tshark(tshark, capture, "kerberos", "kerberos.error_code", "kerberos.realm", "kerberos.SNameString")
    message = parse_security_token(error).kerberos
    assert message is not None
    assert (message.error, told[0]) == ("KRB_AP_ERR_MODIFIED", "41")
    assert told[1:] == [message.realm, message.sname.replace("/", ",")]
