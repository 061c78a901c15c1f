from __future__ import annotations

import ssl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tlsdecrypt.tls.keylog import LONGEST_LINE, KeyLog, KeyLogFacts, is_keylog

RANDOM = bytes(range(32))
MASTER = b"\xab" * 48
LINE = f"CLIENT_RANDOM {RANDOM.hex()} {MASTER.hex()}"

# RFC 9850 section 2: the labels of TLS 1.3 and ECH; SHA-256 secrets.
LABELS_13 = [
    "CLIENT_EARLY_TRAFFIC_SECRET",
    "EARLY_EXPORTER_SECRET",
    "CLIENT_HANDSHAKE_TRAFFIC_SECRET",
    "SERVER_HANDSHAKE_TRAFFIC_SECRET",
    "CLIENT_TRAFFIC_SECRET_0",
    "SERVER_TRAFFIC_SECRET_0",
    "CLIENT_TRAFFIC_SECRET_17",
    "EXPORTER_SECRET",
    "ECH_SECRET",
]


def read(text: bytes | str, piece: int = 0) -> tuple[KeyLog, KeyLogFacts]:
    data = text.encode() if isinstance(text, str) else text
    log = KeyLog()
    reader = log.reader("the.log")
    for start in range(0, len(data), piece or max(len(data), 1)):
        reader.feed(data[start : start + (piece or len(data))])
    return log, reader.finish()


@pytest.mark.parametrize("label", LABELS_13)
@pytest.mark.parametrize("length", [32, 48])
def test_every_label_of_tls_1_3_is_kept(label: str, length: int) -> None:
    secret = b"\x5a" * length
    log, facts = read(f"{label} {RANDOM.hex()} {secret.hex()}\n")
    assert log.secret(label, RANDOM) == (secret, "the.log")
    assert facts == ("the.log", 1, 0)


def test_labels_of_one_session_do_not_meet() -> None:
    lines = [f"{label} {RANDOM.hex()} {bytes([i] * 32).hex()}" for i, label in enumerate(LABELS_13)]
    log, facts = read("\n".join(lines))
    assert facts.secrets == len(LABELS_13)
    assert [log.secret(label, RANDOM) for label in LABELS_13] == [
        (bytes([i] * 32), "the.log") for i in range(len(LABELS_13))
    ]


@pytest.mark.parametrize(
    "text",
    [
        LINE,
        LINE + "\n",
        LINE + "\r\n",
        "# comment\r\n\r\n" + LINE + "\r\n",
        "\ufeff" + LINE,
        LINE.upper(),
        LINE.lower(),
        "  \t" + LINE.replace(" ", "   ") + "  ",
    ],
)
def test_a_line_is_read_however_it_is_written(text: str) -> None:
    log, facts = read(text)
    assert log.secret("CLIENT_RANDOM", RANDOM) == (MASTER, "the.log")
    assert facts == ("the.log", 1, 0)


@pytest.mark.parametrize("codec", ["utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("piece", [0, 1, 7])
def test_a_log_in_utf_16_is_read(codec: str, piece: int) -> None:
    data = (LINE + "\r\n").encode(codec)
    log, facts = read(data, piece)
    assert log.secret("CLIENT_RANDOM", RANDOM) == (MASTER, "the.log")
    assert facts == ("the.log", 1, 0)
    assert is_keylog(data)


@pytest.mark.parametrize(
    "junk",
    [
        "not a line",
        "CLIENT_RANDOM zz zz",
        f"CLIENT_RANDOM {RANDOM.hex()}",
        f"CLIENT_RANDOM {RANDOM[1:].hex()} {MASTER.hex()}",
        f"CLIENT_RANDOM {RANDOM.hex()} {MASTER[1:].hex()}",
        f"CLIENT_RANDOM {RANDOM.hex()} {MASTER.hex()} more",
        f"UNKNOWN_LABEL {RANDOM.hex()} {MASTER.hex()}",
        f"CLIENT_TRAFFIC_SECRET_0 {RANDOM.hex()} {'11' * 31}",
        f"RSA {'00' * 7} {MASTER.hex()}",
        f"RSA {'00' * 8} {MASTER[1:].hex()}",
        "RSA Session-ID:00 Master-Key:00",
        "x" * (LONGEST_LINE + 1),
        "\0\xff",
    ],
)
def test_junk_is_counted_and_hurts_nothing(junk: str) -> None:
    log, facts = read(junk.encode("latin-1") + b"\n" + LINE.encode())
    assert facts == ("the.log", 1, 1)
    assert log.secret("CLIENT_RANDOM", RANDOM) is not None


def test_a_line_without_end_is_not_kept_in_memory() -> None:
    reader = KeyLog().reader("the.log")
    for _ in range(100):
        reader.feed(b"A" * 1000)
    assert len(reader._rest) <= LONGEST_LINE + 1000
    reader.feed(b"\n" + LINE.encode())
    assert reader.finish() == ("the.log", 1, 1)


def test_rsa_lines_are_found_by_what_they_name() -> None:
    text = f"RSA 0011223344556677 {MASTER.hex()}\nRSA Session-ID:{'c0' * 32} Master-Key:{'0D' * 48}\n"
    log, facts = read(text)
    assert facts == ("the.log", 2, 0)
    assert log.rsa_pre_master_secret(bytes.fromhex("0011223344556677")) == (MASTER, "the.log")
    assert log.session_master_secret(b"\xc0" * 32) == (b"\x0d" * 48, "the.log")
    assert log.session_master_secret(b"\xc1" * 32) is None


def test_a_pre_master_secret_of_a_diffie_hellman_exchange_may_have_any_length() -> None:
    log, _ = read(f"PMS_CLIENT_RANDOM {RANDOM.hex()} {'77' * 256}")
    assert log.secret("PMS_CLIENT_RANDOM", RANDOM) == (b"\x77" * 256, "the.log")
    assert log.secret("CLIENT_RANDOM", RANDOM) is None


def test_the_last_line_of_several_for_one_session_counts_and_names_its_source() -> None:
    log, _ = read(f"CLIENT_RANDOM {RANDOM.hex()} {'00' * 48}")
    reader = log.reader("second.log")
    reader.feed(LINE.encode())
    reader.finish()
    assert log.secret("CLIENT_RANDOM", RANDOM) == (MASTER, "second.log")


def test_sessions_that_share_a_bucket_are_told_apart() -> None:
    randoms = [bytes([i]) * 30 + b"zz" for i in range(200)]
    log, _ = read(
        "\n".join(f"CLIENT_RANDOM {random.hex()} {bytes([i] * 48).hex()}" for i, random in enumerate(randoms))
    )
    assert all(log.secret("CLIENT_RANDOM", random) == (bytes([i] * 48), "the.log") for i, random in enumerate(randoms))
    assert log.secret("CLIENT_RANDOM", b"\xee" * 30 + b"zz") is None
    assert log.secret("CLIENT_RANDOM", b"") is None


@given(st.lists(st.sampled_from([LINE, "junk", "", "# comment", LINE.lower()]), max_size=8), st.integers(1, 300))
def test_pieces_of_any_size_give_what_the_whole_gives(lines: list[str], piece: int) -> None:
    text = "\n".join(lines)
    assert read(text, piece)[1] == read(text)[1]


@given(st.binary(max_size=500))
def test_random_bytes_are_junk_at_most(data: bytes) -> None:
    _, facts = read(data)
    assert facts.secrets == 0


def test_openssl_writes_what_is_read_here(tmp_path, key_files) -> None:  # noqa: ANN001 - fixtures
    path = tmp_path / "keys.log"
    client, server = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
    client.set_ciphers("DEFAULT:@SECLEVEL=0")
    server.set_ciphers("DEFAULT:@SECLEVEL=0")
    server.load_cert_chain(key_files / "rsa.crt", key_files / "rsa.pem")
    client.keylog_filename = str(path)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        client.wrap_bio(to_client, to_server),
        server.wrap_bio(to_server, to_client, server_side=True),
    ]
    for _ in range(4):
        for end in ends:
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
    log, facts = read(path.read_bytes())
    assert facts.junk == 0
    assert facts.secrets >= 5
    random = bytes.fromhex(next(line for line in path.read_text().splitlines() if "TRAFFIC" in line).split()[1])
    assert log.secret("CLIENT_TRAFFIC_SECRET_0", random) is not None


def test_only_key_logs_look_like_key_logs() -> None:
    assert is_keylog(b"# SSL/TLS secrets log file\r\n" + LINE.encode())
    assert is_keylog(b"RSA 0011223344556677 00")
    assert not is_keylog(b"-----BEGIN RSA PRIVATE KEY-----\nMIIE")
    assert not is_keylog(b"")


def test_no_secret_is_in_the_representation() -> None:
    log, _ = read(LINE)
    assert MASTER.hex() not in repr(log)
    assert repr(MASTER) not in repr(log)
