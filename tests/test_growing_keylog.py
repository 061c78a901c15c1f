"""A key log that is still being written while the capture is."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
import time
from pathlib import Path

from tlsdecrypt.growing_keylog import GrowingKeyLog
from tlsdecrypt.keyring import load_keys

ROOT = Path(__file__).resolve().parents[1]
CAPTURE = ROOT / "captures" / "forward-secret-tls13.pcap"
LINES = (ROOT / "keys" / "forward-secret-tls13.keylog").read_bytes()
LINE = b"CLIENT_RANDOM " + b"ab" * 32 + b" " + b"cd" * 48 + b"\n"


def test_only_whole_lines_that_are_new_are_given(tmp_path: Path) -> None:
    path = tmp_path / "keys.log"
    path.write_bytes(LINE + LINE[:50])
    growing = GrowingKeyLog(path, len(LINE))
    assert growing() == b""
    with path.open("ab") as file:
        file.write(LINE[50:] + LINE[:9])
    assert growing() == LINE
    assert growing() == b""


def test_a_file_that_began_anew_is_read_from_its_start_and_one_that_is_gone_gives_nothing(tmp_path: Path) -> None:
    path = tmp_path / "keys.log"
    path.write_bytes(LINE * 3)
    growing = GrowingKeyLog(path, len(LINE) * 3)
    path.write_bytes(LINE)
    assert growing() == LINE
    path.unlink()
    assert growing() == b""


def test_a_store_takes_what_was_appended_and_a_line_that_was_not_whole(tmp_path: Path) -> None:
    path = tmp_path / "keys.log"
    path.write_bytes(LINES[:-30])
    store = load_keys(keylogs=[path])
    assert store.is_following
    path.write_bytes(LINES)
    generation = store.generation
    store.replenish()
    assert store.generation > generation
    label, client_random, secret = LINES.splitlines()[-1].split()
    found = store.keylog_secret(label.decode(), bytes.fromhex(client_random.decode()))
    assert found is not None
    assert found[0].hex() == secret.decode()


def records(capture: bytes) -> list[bytes]:
    """The header of a pcap file, and each frame with its own."""
    pieces, offset = [capture[:24]], 24
    while offset < len(capture):
        end = offset + 16 + struct.unpack_from("<I", capture, offset + 8)[0]
        pieces.append(capture[offset:end])
        offset = end
    return pieces


def test_sessions_of_a_pipe_open_when_their_secrets_come_after_them(tmp_path: Path) -> None:
    path = tmp_path / "keys.log"
    path.touch()
    command = [sys.executable, "-m", "tlsdecrypt", "-", "--keylog", str(path), "--format", "json", "--quiet"]
    pieces = records(CAPTURE.read_bytes())
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as program:
        assert program.stdin is not None
        program.stdin.write(b"".join(pieces[:-1]))
        program.stdin.flush()
        time.sleep(1)  # all of it is read, and nothing can be opened
        path.write_bytes(LINES)
        document = json.loads(program.communicate(pieces[-1], timeout=60)[0])
    assert [each["verdict"]["code"] for each in document["connections"]] == ["decrypted"] * 3
