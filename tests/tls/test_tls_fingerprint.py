"""What tells client programs apart: against the descriptions of JA3 and JA4, and against tshark."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from struct import pack

import pytest
from hypothesis import given
from hypothesis import strategies as st
from relayed_peers import DOWN, ORDERS, UP, observe

import tlsdecrypt
from tlsdecrypt.errors import ParseError
from tlsdecrypt.tls.fingerprint import MOST_NAMED, client_fingerprint
from tlsdecrypt.tls.handshake import HELLO_RETRY_REQUEST_RANDOM, parse_client_hello, parse_sslv2_client_hello
from tlsdecrypt.tls.secrets import SecretStore

CAPTURES = Path(__file__).parents[2] / "captures"

# The example of FoxIO's description of JA4: a Chrome, with GREASE.
SUITES = "0a0a 1301 1302 1303 c02b c02f c02c c030 cca9 cca8 c013 c014 009c 009d 002f 0035"
EXTENSIONS = "1a1a 0000 0017 ff01 000a 000b 0023 0010 0005 000d 0012 0033 002d 002b 001b 0015 4469"
ALGORITHMS = "0403 0804 0401 0503 0805 0501 0806 0601"
CONTENTS = {
    0x0010: "000c 02 6832 08 687474702f312e31",  # h2, http/1.1
    0x000D: f"{len(ALGORITHMS.split()) * 2:04x} {ALGORITHMS}",
    0x002B: "06 2a2a 0304 0303",  # GREASE, TLS 1.3, TLS 1.2
    0x000A: "0008 1a1a 001d 0017 0018",
    0x000B: "01 00",
}


def vector(content: bytes, length: int) -> bytes:
    return len(content).to_bytes(length, "big") + content


def hello(suites: str = SUITES, extensions: str = EXTENSIONS, contents: dict[int, str] | None = None) -> bytes:
    contents = CONTENTS if contents is None else contents
    kinds = [int(each, 16) for each in extensions.split()]
    block = b"".join(pack(">H", kind) + vector(bytes.fromhex(contents.get(kind, "")), 2) for kind in kinds)
    return b"\x03\x03" + bytes(33) + vector(bytes.fromhex(suites), 2) + b"\1\0" + vector(block, 2)


def test_ja4_is_that_of_the_description() -> None:
    found = client_fingerprint(parse_client_hello(hello()))
    assert found is not None
    assert found.ja4 == "t13d1516h2_8daaf6152771_e5627efa2ab1"


def test_ja3_lists_everything_in_the_order_sent_without_grease() -> None:
    """MD5 of `771,4865-4866-...,0-23-65281-...,29-23-24,0`, by the md5sum of coreutils."""
    found = client_fingerprint(parse_client_hello(hello()))
    assert found is not None
    suites = "4865-4866-4867-49195-49199-49196-49200-52393-52392-49171-49172-156-157-47-53"
    full = f"771,{suites},0-23-65281-10-11-35-16-5-13-18-51-45-43-27-21-17513,29-23-24,0"
    digest = subprocess.run(["md5sum"], input=full.encode(), capture_output=True, check=True).stdout.split()[0]
    assert found.ja3 == digest.decode()


@pytest.mark.parametrize(
    ("suites", "extensions", "contents", "start", "end"),
    [
        ("0035", "", {}, "t12i010000_", "_000000000000"),
        ("0035", "0010", {0x10: "0003 02 abcd"}, "t12i0101ad_", "_000000000000"),  # no letters: in hex
        ("0035", "0000 0010", {0x10: "0002 01 78"}, "t12d0102xx_", "_000000000000"),
        ("", "0017", {}, "t12i000100_000000000000_", ""),
    ],
)
def test_ja4_of_small_hellos(suites: str, extensions: str, contents: dict[int, str], start: str, end: str) -> None:
    found = client_fingerprint(parse_client_hello(hello(suites, extensions, contents)))
    assert found is not None
    assert found.ja4.startswith(start)
    assert found.ja4.endswith(end)


def test_names_are_those_of_the_registry() -> None:
    found = client_fingerprint(parse_client_hello(hello()))
    assert found is not None
    assert found.groups == ("x25519", "secp256r1", "secp384r1")
    assert found.signature_algorithms[:2] == ("ecdsa_secp256r1_sha256", "rsa_pss_rsae_sha256")
    assert found.extensions[:2] == ("server_name", "extended_master_secret")


def test_of_thousands_of_codes_some_are_named_and_all_count() -> None:
    contents = {0x0A: "4e20" + "fe01" * 9_999 + "001d"}
    extensions = "000a" + " ff77" * 9_999
    found = client_fingerprint(parse_client_hello(hello("fe02" * 20_000, extensions, contents)))
    assert found is not None
    assert [len(found.groups), len(found.extensions)] == [MOST_NAMED] * 2
    other = client_fingerprint(parse_client_hello(hello("fe02" * 19_999 + "fe03", extensions, contents)))
    assert other is not None
    assert (other.extensions, other.ja3 == found.ja3) == (found.extensions, False)


@pytest.mark.parametrize("order", ORDERS)
def test_behind_a_retry_the_fingerprint_is_that_of_the_first_hello(order: str) -> None:
    """As FoxIO's program takes one hello a stream: databases know the first ones."""
    first, second = hello(), hello(extensions=f"{EXTENSIONS} 002c")  # with a cookie
    versions, retry = bytes.fromhex("002b 0002 0304"), HELLO_RETRY_REQUEST_RANDOM
    answers = [b"\x03\x03" + random + b"\0\x13\x01\0" + vector(versions, 2) for random in (retry, bytes(32))]
    said = [(UP, 1, first), (DOWN, 2, answers[0]), (UP, 1, second), (DOWN, 2, answers[1])]
    flights = [(way, b"\x16\x03\x03" + vector(bytes((kind,)) + vector(body, 3), 2)) for way, kind, body in said]
    session = observe(flights, SecretStore(), order)[0]
    assert session.version == "TLSv1.3"
    assert session.fingerprint == client_fingerprint(parse_client_hello(first))
    assert session.fingerprint != client_fingerprint(parse_client_hello(second))


def test_a_hello_in_the_format_of_ssl2_has_none() -> None:
    record = bytes.fromhex("01 0301 0003 0000 0010 000035") + bytes(16)
    assert client_fingerprint(parse_sslv2_client_hello(record)) is None


@given(st.binary(max_size=200))
def test_any_hello_that_can_be_read_has_a_fingerprint(rest: bytes) -> None:
    try:
        read = parse_client_hello(b"\x03\x03" + bytes(33) + rest)
    except ParseError:
        return
    found = client_fingerprint(read)
    assert found is not None
    assert len(found.ja3) == 32
    assert len(found.ja4) == len("t13d1516h2_8daaf6152771_e5627efa2ab1")


@pytest.mark.skipif(shutil.which("tshark") is None, reason="needs tshark")
@pytest.mark.parametrize(
    "name", ["exchange.pcapng", "nginx-http2.pcap", "gnutls-tls13.pcap", "nss-tls12-rsa.pcap", "tlslite-ssl30.pcap"]
)
def test_ja3_and_ja3s_are_those_of_tshark(name: str) -> None:
    path = CAPTURES / name
    fields = ["tls.handshake.ja3", "tls.handshake.ja3s"]
    command = ["tshark", "-r", str(path), "-Y", " or ".join(fields), "-T", "json"]
    for each in fields:
        command += ["-e", each]
    told = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    layers = [each["_source"]["layers"] for each in told]
    theirs = {field: {value for each in layers for value in each.get(field, ())} for field in fields}
    sessions = [each.tls for each in tlsdecrypt.analyze([path]).conversations if each.tls is not None]
    assert {each.fingerprint.ja3 for each in sessions if each.fingerprint} == theirs["tls.handshake.ja3"]
    assert {each.ja3s for each in sessions if each.ja3s} == theirs["tls.handshake.ja3s"]
