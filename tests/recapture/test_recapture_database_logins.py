"""Logins of MySQL, SQL Server and AMQP: what proves them is overwritten where it stands, and tshark reads the rest."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import pytest
from carrier_dialogues import _MYSQL_GREETING as GREETING
from hypothesis import given
from hypothesis import strategies as st
from packets import C, S, Scene
from rewriting import BROKEN, by_tshark, rewritten
from test_recapture_masking import SERVER, decrypted
from tls_dialogues import tls

from tlsdecrypt.recapture import amqp_logins, mysql_logins
from tlsdecrypt.recapture.tds_logins import without_tds_passwords

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from packets import Say

MARKER = b"Tr0ub4dor-marker"
SCRAMBLE = bytes(range(0x80, 0x94))
CALM = "select 1"


def mysql(number: int, payload: bytes) -> bytes:
    """A packet of MySQL."""
    return len(payload).to_bytes(3, "little") + bytes([number]) + payload


def mysql_login(number: int, proof: bytes, capabilities: int = 0x00AFA205) -> bytes:
    """HandshakeResponse41 with the proof as its capabilities say: with a length, or with a zero behind it."""
    fixed = struct.pack("<IIB23s", capabilities, 1 << 24, 255, b"")
    proof = bytes([len(proof)]) + proof if capabilities & 0x208000 else proof + b"\0"
    return mysql(number, fixed + b"kim\0" + proof + b"mysql_native_password\0")


MYSQL_OK = mysql(2, bytes.fromhex("00000002000000"))
MYSQL_QUERY = mysql(0, b"\x03" + CALM.encode())
MYSQL = {
    "scrambled": [S(GREETING), C(mysql_login(1, SCRAMBLE))],
    "length-encoded": [S(GREETING), C(mysql_login(1, SCRAMBLE, 0x00AFA205 | 0x200000))],
    "old": [S(GREETING), C(mysql_login(1, MARKER, 0x00080201))],
    "clear, asked for": [
        S(GREETING),
        C(mysql_login(1, SCRAMBLE)),
        S(mysql(2, b"\xfemysql_clear_password\0")),
        C(mysql(3, MARKER + b"\0")),
    ],
    "sha2 in tls": [
        S(GREETING),
        C(mysql_login(1, SCRAMBLE)),
        S(mysql(2, b"\x01\x04")),
        C(mysql(3, MARKER + b"\0")),
    ],
    "another user": [
        S(GREETING),
        C(mysql_login(1, b"")),
        S(MYSQL_OK),
        C(mysql(0, b"\x11kim\0" + bytes([20]) + SCRAMBLE + b"sales\0")),
        S(mysql(1, b"\xfemysql_clear_password\0")),
        C(mysql(2, MARKER + b"\0")),
    ],
}


def obfuscated(text: str) -> bytes:
    """As LOGIN7 has passwords, [MS-TDS] section 2.2.6.4: halves of bytes swapped, and XOR with A5."""
    return bytes(((each << 4 | each >> 4) & 0xFF) ^ 0xA5 for each in text.encode("utf-16-le"))


def tds(kind: int, payload: bytes, size: int = 4096) -> bytes:
    """A message of TDS in packets of at most `size` bytes."""
    pieces = [payload[at : at + size - 8] for at in range(0, len(payload), size - 8)]
    return b"".join(
        struct.pack(">BBHHBB", kind, int(number == len(pieces)), len(piece) + 8, 0, number & 255, 0) + piece
        for number, piece in enumerate(pieces, 1)
    )


def login7(password: str = "", new: str = "", sspi: bytes = b"", token: bytes = b"") -> bytes:
    """LOGIN7 with the host, the user, the program and the database, and what proves the user."""
    wide = {36: "host", 40: "kim", 48: "app", 52: "sql", 60: "odbc", 64: "", 68: "sales", 82: ""}
    data = {each: text.encode("utf-16-le") for each, text in wide.items()}
    data |= {44: obfuscated(password), 86: obfuscated(new)}
    extension = b"\x02" + struct.pack("<I", len(token) + 1) + b"\x03" + token + b"\xff" if token else b""
    head = bytearray(94)
    struct.pack_into(
        "<IIIIIIBBBBiI", head, 0, 0, 0x74000004, 4096, 7, 100, 0, 0xE0, 3, 0, 0x10 if token else 0, 0, 1033
    )
    rest = b""
    for place in (36, 40, 44, 48, 52, 60, 64, 68, 82, 86):
        struct.pack_into("<HH", head, place, 94 + len(rest), len(data[place]) // 2)
        rest += data[place]
    struct.pack_into("<HH", head, 78, 94 + len(rest), len(sspi))
    rest += sspi
    struct.pack_into("<HH", head, 56, 94 + len(rest), 4 if token else 0)
    rest += struct.pack("<I", 94 + len(rest) + 4) + extension if token else b""
    struct.pack_into("<I", head, 0, 94 + len(rest))
    return bytes(head) + rest


def old_login(password: bytes) -> bytes:
    """A login of TDS 5.0: host, user and password in fields of 30 bytes and a length each."""

    def field(text: bytes, size: int = 30) -> bytes:
        return text.ljust(size, b"\0") + bytes([len(text)])

    remote = field(b"\0" + bytes([len(password)]) + password, 255)
    return (
        field(b"host")
        + field(b"kim")
        + field(password)
        + field(b"7")
        + bytes(16)
        + field(b"app")
        + field(b"sql")
        + remote
    )


PRELOGIN = tds(0x12, bytes.fromhex("00000b0006 0100110001 ff 100000000000 00"))
TDS_ANSWER = tds(4, bytes.fromhex("fd000000000000000000000000"))
BATCH = tds(1, CALM.encode("utf-16-le"))
NTLM = b"NTLMSSP\0\3\0\0\0" + MARKER * 3
TDS = {
    "password": [C(tds(0x10, login7(MARKER.decode())))],
    "new password": [C(tds(0x10, login7("old", MARKER.decode())))],
    "small packets": [C(tds(0x10, login7(MARKER.decode()), 100))],
    "sspi": [C(tds(0x10, login7(sspi=NTLM[:12] + bytes(20)))), S(TDS_ANSWER), C(tds(0x11, NTLM))],
    "sspi at once": [C(tds(0x10, login7(sspi=NTLM)))],
    "token": [C(tds(0x10, login7(token=MARKER * 40)))],
    "token that is asked for": [C(tds(0x10, login7())), S(TDS_ANSWER), C(tds(0x08, MARKER * 40))],
    "behind a prelogin": [C(PRELOGIN), S(TDS_ANSWER), C(tds(0x10, login7(MARKER.decode())))],
    "of sybase": [C(tds(0x02, old_login(MARKER), 512))],
}


def long(text: bytes) -> bytes:
    """A long string."""
    return struct.pack(">I", len(text)) + text


def short(text: bytes) -> bytes:
    """A short string."""
    return bytes([len(text)]) + text


def amqp_method(class_id: int, method: int, arguments: bytes) -> bytes:
    """A method of AMQP 0-9-1 on channel 0."""
    body = struct.pack(">HH", class_id, method) + arguments
    return b"\x01\0\0" + long(body) + b"\xce"


def amqp_sasl(descriptor: int, *fields: bytes) -> bytes:
    """A SASL frame of AMQP 1.0: a described list."""
    inside = b"".join(fields)
    body = bytes([0, 0x53, descriptor, 0xC0, len(inside) + 1, len(fields)]) + inside
    return struct.pack(">IBBH", len(body) + 8, 2, 1, 0) + body


PLAIN = b"\0kim\0" + MARKER
START = amqp_method(10, 10, b"\0\x09" + long(b"") + long(b"PLAIN AMQPLAIN") + long(b"en_US"))
TUNE_OK = amqp_method(10, 31, bytes.fromhex("07ff00020000003c"))
PRODUCT = short(b"product") + b"S" + long(b"kim's")
TABLE = short(b"LOGIN") + b"S" + long(b"kim") + short(b"PASSWORD") + b"S" + long(MARKER)
AMQP = {
    "0-9-1": [
        C(b"AMQP\0\0\x09\x01"),
        S(START),
        C(amqp_method(10, 11, long(PRODUCT) + short(b"PLAIN") + long(PLAIN) + short(b"en_US")) + TUNE_OK),
    ],
    "0-9, with a table": [
        C(b"AMQP\1\1\0\x09"),
        S(START),
        C(amqp_method(10, 11, long(PRODUCT) + short(b"AMQPLAIN") + long(TABLE) + short(b"en_US")) + TUNE_OK),
    ],
    "0-9-1, asked again": [
        C(b"AMQP\0\0\x09\x01"),
        S(START),
        C(amqp_method(10, 11, long(PRODUCT) + short(b"RABBIT") + long(b"kim") + short(b"en_US"))),
        S(amqp_method(10, 20, long(b"more"))),
        C(amqp_method(10, 21, long(MARKER)) + TUNE_OK),
    ],
    "1.0": [
        C(b"AMQP\x03\x01\0\0"),
        S(b"AMQP\x03\x01\0\0" + amqp_sasl(0x40, b"\xa3" + short(b"PLAIN"))),
        C(amqp_sasl(0x41, b"\xa3" + short(b"PLAIN"), b"\xa0" + short(PLAIN), b"\xa1" + short(b"kims.example"))),
    ],
    "1.0, asked again": [
        C(b"AMQP\x02\x01\0\0"),
        S(b"AMQP\x02\x01\0\0"),
        C(b"AMQP\x03\x01\0\0"),
        S(b"AMQP\x03\x01\0\0"),
        C(amqp_sasl(0x41, b"\xa3" + short(b"X"), b"\x40", b"\xa1" + short(b"kims.example"))),
        S(amqp_sasl(0x42, b"\xa0" + short(b"more"))),
        C(amqp_sasl(0x43, b"\xb0" + long(MARKER))),
    ],
}
LOGINS = [
    *((f"mysql: {name}", said) for name, said in MYSQL.items()),
    *((f"tds: {name}", said) for name, said in TDS.items()),
    *((f"amqp: {name}", said) for name, said in AMQP.items()),
]
SECRETS = (MARKER, SCRAMBLE, obfuscated(MARKER.decode()))


@pytest.mark.parametrize("is_tls", [True, False], ids=["tls", "clear"])
@pytest.mark.parametrize(("name", "said"), LOGINS, ids=[name for name, _ in LOGINS])
def test_a_login_is_overwritten(name: str, said: list[Say], tmp_path: Path, *, is_tls: bool) -> None:
    calm = {"mysql": MYSQL_QUERY, "tds": BATCH}.get(name.partition(":")[0], b"")
    said = [*said, S(TDS_ANSWER), C(calm)] if calm else said
    text = decrypted(said, tmp_path, is_tls=is_tls).read_bytes()
    assert [each for each in SECRETS if each in text] == []
    assert b"kim" in text or "kim".encode("utf-16-le") in text
    assert calm in text
    open_text = decrypted(said, tmp_path, is_tls=is_tls, show_secrets=True).read_bytes()
    assert any(each in open_text for each in SECRETS)


@pytest.mark.parametrize(
    ("said", "protocol", "shown"),
    [
        (MYSQL["scrambled"], "mysql", {"mysql.user": "kim", "mysql.passwd": "2a" * len(SCRAMBLE)}),
        (TDS["password"], "tds", {"tds.7login.username": "kim", "tds.7login.password": "*" * len(MARKER)}),
        (TDS["of sybase"], "tds", {"tds.login.username": "kim", "tds.login.password": "*" * len(MARKER)}),
        (AMQP["0-9-1"], "amqp", {"amqp.method.arguments.response": "2a" * len(PLAIN)}),
        (AMQP["1.0"], "amqp", {"amqp.sasl.mechanism": "PLAIN", "amqp.sasl.initResponse": "2a" * len(PLAIN)}),
    ],
    ids=["mysql", "tds", "sybase", "amqp", "amqp 1.0"],
)
def test_tshark_reads_a_login_that_was_overwritten(
    said: list[Say], protocol: str, shown: dict[str, str], tmp_path: Path, tshark: str
) -> None:
    assert tshark
    path = decrypted(said, tmp_path)
    chosen = ("-d", f"tcp.port==443,{protocol}")
    open_one = decrypted(said, tmp_path, show_secrets=True)
    broken = [by_tshark(each, *chosen, "-Y", BROKEN) for each in (path, open_one)]
    assert broken == [[], []] or "tds.login.username" in shown  # of that, the rest is not laid out here
    fields = [argument for each in shown for argument in ("-e", each)]
    rows = by_tshark(path, *chosen, "-Y", " && ".join(shown), "-T", "fields", *fields)
    assert [[each.replace(":", "") for each in row] for row in rows] == [list(shown.values())]


def test_the_login_of_mysql_behind_its_request_for_tls_is_overwritten(tmp_path: Path) -> None:
    asked = mysql(1, struct.pack("<IIB23s", 0x00AFAA05, 1 << 24, 255, b""))
    inside = [C(mysql_login(2, SCRAMBLE, 0x00AFAA05)), S(mysql(3, b"\x01\x04")), C(mysql(4, MARKER + b"\0"))]
    scene = Scene()
    scene.dialogue(
        [S(GREETING), C(asked), *tls([*inside, S(mysql(5, b"\0\0\0\2\0\0\0")), C(MYSQL_QUERY)], SERVER)], port=3306
    )
    (tmp_path / "a.pcap").write_bytes(scene.pcap())
    text = rewritten([tmp_path / "a.pcap"], SERVER.store)
    assert b"kim\0" in text
    assert MYSQL_QUERY in text
    assert [each for each in (MARKER, SCRAMBLE) if each in text] == []
    assert MARKER in rewritten([tmp_path / "a.pcap"], SERVER.store, show_secrets=True)


WHOLE = {
    "mysql": b"".join(each.data for each in MYSQL["clear, asked for"] if each.is_client),
    "mysql, another user": b"".join(each.data for each in MYSQL["another user"] if each.is_client),
    "tds": b"".join(each.data for each in TDS["behind a prelogin"] if each.is_client),
    "tds, a token": TDS["token"][0].data,
    "tds, small packets": tds(0x10, login7(MARKER.decode()), 20),
    "amqp": b"".join(each.data for each in AMQP["0-9-1"] if each.is_client),
    "amqp 1.0": b"".join(each.data for each in AMQP["1.0"] if each.is_client),
}


def without_proofs(find: Callable[[bytes], object], data: bytes) -> bytes:
    masked = bytearray(data)
    for begin, end in find(data):  # type: ignore[attr-defined]
        masked[begin:end] = b"*" * (end - begin)
    return bytes(masked)


def masked_by(name: str, data: bytes) -> bytes:
    if name.startswith("tds"):
        return without_tds_passwords(data)
    return without_proofs(mysql_logins.proofs if name.startswith("mysql") else amqp_logins.proofs, data)


@pytest.mark.parametrize("name", WHOLE)
def test_a_login_cut_anywhere_shows_no_part_of_what_proves_it(name: str) -> None:
    starts = [each[:4] for each in SECRETS]
    for end in range(len(WHOLE[name]) + 1):
        cut = WHOLE[name][:end]
        masked = masked_by(name, cut)
        assert len(masked) == len(cut)
        assert [each for each in starts if each in masked] == []


@given(st.sampled_from(sorted(WHOLE)), st.integers(0, 60), st.binary(max_size=120))
def test_bytes_that_only_begin_like_a_login_keep_their_length(name: str, kept: int, data: bytes) -> None:
    data = WHOLE[name][:kept] + data
    assert len(masked_by(name, data)) == len(data)
