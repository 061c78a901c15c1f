from __future__ import annotations

import errno
import gzip
import os
import subprocess
from base64 import b64encode
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tlsdecrypt import keyring
from tlsdecrypt.errors import InputError, KeyFileError, PasswordError
from tlsdecrypt.keyring import load_keys

if TYPE_CHECKING:
    from collections.abc import Callable

RANDOM = bytes(range(32))
MASTER = b"secret-marker".ljust(48, b"!")
LINE = b"CLIENT_RANDOM " + RANDOM.hex().encode() + b" " + MASTER.hex().encode() + b"\n"
PASSWORD = "password-marker"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, program: Callable[[str], str]) -> Path:
    """A plain key, an encrypted one and a PFX of one RSA key, another key, and a key log."""
    path, openssl = tmp_path_factory.mktemp("keyring"), program("openssl")
    for command in (
        "genrsa -traditional -out plain.pem 1024",
        "genrsa -traditional -out other.pem 1024",
        f"rsa -in plain.pem -aes128 -passout pass:{PASSWORD} -out encrypted.pem",
        "req -x509 -new -key plain.pem -subj /CN=mail.example.com -days 10 -out plain.crt",
        f"pkcs12 -export -in plain.crt -inkey plain.pem -passout pass:{PASSWORD} -out mail.pfx",
    ):
        subprocess.run([openssl, *command.split()], cwd=path, check=True, capture_output=True)
    (path / "keys.log").write_bytes(LINE)
    return path


def fault(**arguments: object) -> str:
    with pytest.raises(KeyFileError) as caught:
        load_keys(**arguments)
    assert isinstance(caught.value, InputError)
    assert "marker" not in str(caught.value)
    return str(caught.value)


def test_keys_of_all_kinds_meet_in_one_store(folder: Path) -> None:
    store = load_keys(
        pfx=[folder / "mail.pfx"],
        keys=[str(folder / "other.pem")],
        keylogs=[folder / "keys.log"],
        psks=["me:00ff"],
        passwords=[PASSWORD],
    )
    assert [facts.kind for facts in store.sources] == ["RSA 1024 bits", "RSA 1024 bits", "key log", "pre-shared key"]
    assert store.private_keys[0].subject == "CN=mail.example.com"
    assert store.private_keys[0].source == str(folder / "mail.pfx")
    assert store.keylog_secret("CLIENT_RANDOM", RANDOM) == (MASTER, str(folder / "keys.log"))
    assert store.psks_for(b"me")[0].key == b"\x00\xff"


def test_what_a_file_holds_counts_and_not_its_option(folder: Path) -> None:
    store = load_keys(pfx=[folder / "plain.pem"], keys=[folder / "mail.pfx"], passwords=[PASSWORD])
    assert len(store.private_keys) == 1


def test_passwords_are_tried_in_order_before_anyone_is_asked(folder: Path) -> None:
    def ask(_name: str) -> str:
        pytest.fail("asked, though a given password fits")

    store = load_keys(pfx=[folder / "mail.pfx"], passwords=["wrong", PASSWORD], password=ask)
    assert len(store.private_keys) == 1


def test_a_password_is_asked_for_by_file_name_and_then_remembered(folder: Path) -> None:
    questions = []

    def ask(name: str) -> str:
        questions.append(name)
        return PASSWORD

    store = load_keys(keys=[folder / "plain.pem", folder / "encrypted.pem"], pfx=[folder / "mail.pfx"], password=ask)
    assert questions == [str(folder / "mail.pfx")]
    assert len(store.private_keys) == 1


def test_a_missing_or_wrong_password_is_one_sentence(folder: Path) -> None:
    for arguments in (
        {},
        {"passwords": ["wrong-marker"]},
        {"password": lambda _: None},
        {"password": lambda _: "wrong-marker"},
    ):
        with pytest.raises(PasswordError) as caught:
            load_keys(pfx=[folder / "mail.pfx"], **arguments)
        given_wrong = "wrong-marker" in repr(arguments.get("passwords"))
        assert str(caught.value).startswith(f"{folder / 'mail.pfx'}: the PFX ")
        assert ("does not open with this password" in str(caught.value)) >= given_wrong
        assert "marker" not in str(caught.value)


def test_a_folder_gives_every_key_and_a_note_on_the_rest(folder: Path) -> None:
    store = load_keys(folders=[folder])
    assert len(store.private_keys) == 2
    assert store.has_keylog
    notes = " ".join(store.notes)
    for name in ("encrypted.pem", "mail.pfx", "plain.crt"):
        assert f"skipped: {folder / name}: " in notes
    assert len(store.notes) == 3
    assert len(load_keys(folders=[folder], passwords=[PASSWORD]).notes) == 1


def test_a_folder_of_too_many_files_is_read_in_part(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keyring, "MOST_FILES", 2)
    store = load_keys(folders=[folder])  # encrypted.pem and keys.log
    assert "only the first 2 of 6 files" in store.notes[0]
    assert store.private_keys == []


def test_files_that_are_none_have_a_sentence_each(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").write_bytes(b"")
    assert fault(keys=[tmp_path / "missing"]) == f"{tmp_path / 'missing'}: no such file"
    assert "is a folder" in fault(keys=[folder])
    assert "is a folder" in fault(keylogs=[folder])
    assert "the file is empty" in fault(keys=[tmp_path / "empty"])
    assert "no such folder" in fault(folders=[tmp_path / "missing"])
    assert "not a folder" in fault(folders=[folder / "plain.pem"])
    assert "only a certificate" in fault(pfx=[folder / "plain.crt"])
    assert "--keylog" in fault(keys=[folder / "keys.log"])
    assert "--pfx or --key" in fault(keylogs=[folder / "plain.pem"])
    assert "no file can have this name" in fault(keys=["a\0b"])


def test_a_file_that_may_not_be_read_says_so(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(Path, "open", refuse)  # root, who runs tests in containers, may read everything
    assert fault(keys=[folder / "plain.pem"]).endswith("plain.pem: cannot be read: Permission denied")


def test_a_file_that_is_too_large_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keyring, "LARGEST_KEY_FILE", 100)
    monkeypatch.setattr(keyring, "LARGEST_KEYLOG", 100)
    assert "larger than" in fault(keys=[folder / "plain.pem"])
    assert "larger than" in fault(keylogs=[folder / "keys.log"])


def test_a_key_log_in_gzip_is_read(tmp_path: Path) -> None:
    path = tmp_path / "keys.log.gz"
    path.write_bytes(gzip.compress(LINE * 3))
    assert load_keys(keylogs=[path]).sources[0].notes == ("3 secrets",)
    assert load_keys(folders=[tmp_path]).has_keylog


def test_a_gzip_key_log_that_is_cut_gives_what_stands_before_the_cut(tmp_path: Path) -> None:
    path = tmp_path / "cut.gz"
    lines = b"".join(b"CLIENT_RANDOM " + os.urandom(32).hex().encode() + LINE[78:] for _ in range(2000))
    whole = gzip.compress(LINE + lines)
    path.write_bytes(whole[: len(whole) // 2])
    store = load_keys(keylogs=[path])
    assert store.keylog_secret("CLIENT_RANDOM", RANDOM) is not None
    assert "cut off or damaged" in store.notes[0]


def test_an_empty_key_log_is_a_note_and_no_fault(tmp_path: Path) -> None:
    path = tmp_path / "keys.log"
    path.write_bytes(b"# SSL/TLS secrets log file\n")
    store = load_keys(keylogs=[path])
    assert "SSLKEYLOGFILE" in store.notes[0]
    assert store.has_keylog


def test_a_key_log_comes_through_a_pipe(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    with subprocess.Popen(["sh", "-c", f"cat > {path}"], stdin=subprocess.PIPE) as writer:
        assert writer.stdin is not None
        writer.stdin.write(LINE)
        writer.stdin.close()
        store = load_keys(keylogs=[path])
    assert store.keylog_secret("CLIENT_RANDOM", RANDOM) is not None


@pytest.mark.parametrize(
    ("text", "identity", "key"),
    [
        ("00ff", None, b"\x00\xff"),
        ("0xCAFE", None, b"\xca\xfe"),
        ("me:00ff", b"me", b"\x00\xff"),
        ("a:b:00ff", b"a:b", b"\x00\xff"),
        (":00ff", b"", b"\x00\xff"),
        ("käse:00", "käse".encode(), b"\0"),
    ],
)
def test_a_psk_has_an_identity_or_none(text: str, identity: bytes | None, key: bytes) -> None:
    (psk,) = load_keys(psks=[text]).psks_for(identity)
    assert (psk.identity, psk.key) == (identity, key)


@pytest.mark.parametrize("text", ["", "me:", "secret-marker", "me:secret-marker", "00f"])
def test_a_psk_that_is_not_hexadecimal_is_refused_without_being_shown(text: str) -> None:
    assert fault(psks=[text]).startswith("--psk: ")


def test_ticket_keys_come_from_their_option_and_from_folders(tmp_path: Path) -> None:
    (tmp_path / "nginx.key").write_bytes(bytes(range(100, 180)))
    (tmp_path / "haproxy.keys").write_bytes(b"\n".join(b64encode(bytes((number,) * 48)) for number in (1, 2)))
    for store in (load_keys(ticket_keys=sorted(tmp_path.iterdir())), load_keys(folders=[tmp_path])):
        assert store.notes == []
        assert [(facts.source, facts.kind, facts.notes) for facts in store.sources] == [
            (str(tmp_path / "haproxy.keys"), "ticket key", ("2 keys",)),
            (str(tmp_path / "nginx.key"), "ticket key", ("1 key",)),
        ]


def test_a_file_without_ticket_keys_is_one_sentence(folder: Path, tmp_path: Path) -> None:
    assert fault(ticket_keys=[folder / "plain.pem"]).startswith(
        f"{folder / 'plain.pem'}: holds no session-ticket key: "
    )
    assert fault(ticket_keys=[tmp_path / "missing"]).endswith("no such file")


def test_each_pre_shared_key_has_a_name_of_its_own() -> None:
    sources = load_keys(psks=["me:00ff", "00", "11", "you:22"]).sources
    assert [facts.source for facts in sources] == ["--psk me", "--psk", "--psk (number 2)", "--psk you"]
