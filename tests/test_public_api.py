"""The names that programs may rely on. A change here is a change of the contract: say it in CHANGELOG.md."""

from __future__ import annotations

import inspect
import subprocess
import sys
from importlib.resources import files

import pytest

import tlsdecrypt

PUBLIC = [
    "Analysis",
    "CaptureError",
    "Conversation",
    "Direction",
    "Endpoint",
    "Exchange",
    "InputError",
    "KeyFileError",
    "Options",
    "PasswordError",
    "Span",
    "TlsSession",
    "TlsdecryptError",
    "Verdict",
    "VerdictCode",
    "analyze",
    "load_keys",
    "stream",
]

KEYWORDS_OF_LOAD_KEYS = ["pfx", "keys", "keylogs", "psks", "ticket_keys", "folders", "password", "passwords"]

VERDICTS = {
    "decrypted",
    "partly-decrypted",
    "no-key",
    "forward-secrecy",
    "no-secret",
    "wrong-key",
    "resumed-parent-missing",
    "handshake-missing",
    "handshake-failed",
    "truncated",
    "unsupported-suite",
    "malformed",
}


def test_the_public_names_are_these_and_sorted() -> None:
    assert tlsdecrypt.__all__ == PUBLIC == sorted(PUBLIC)


@pytest.mark.parametrize("name", PUBLIC)
def test_a_public_name_is_there_and_says_what_it_is(name: str) -> None:
    assert inspect.getdoc(getattr(tlsdecrypt, name))


def test_another_name_is_not_there() -> None:
    with pytest.raises(AttributeError, match="no attribute 'decrypt'"):
        _ = tlsdecrypt.decrypt


@pytest.mark.parametrize("function", ["analyze", "stream"])
def test_captures_and_keys_come_first_and_the_rest_is_optional(function: str) -> None:
    parameters = inspect.signature(getattr(tlsdecrypt, function)).parameters
    assert list(parameters) == ["captures", "keys", "options", "progress"]
    assert [name for name, each in parameters.items() if each.default is inspect.Parameter.empty] == ["captures"]


def test_secrets_are_loaded_by_keyword_and_all_are_optional() -> None:
    parameters = inspect.signature(tlsdecrypt.load_keys).parameters
    assert list(parameters) == KEYWORDS_OF_LOAD_KEYS
    assert all(each.kind is inspect.Parameter.KEYWORD_ONLY for each in parameters.values())
    assert all(each.default is not inspect.Parameter.empty for each in parameters.values())


def test_what_is_wrong_with_an_input_is_one_kind_of_error() -> None:
    for error in (tlsdecrypt.CaptureError, tlsdecrypt.KeyFileError, tlsdecrypt.PasswordError):
        assert issubclass(error, tlsdecrypt.InputError)
        assert issubclass(error, tlsdecrypt.TlsdecryptError)


def test_the_list_of_verdicts_is_closed() -> None:
    assert {each.value for each in tlsdecrypt.VerdictCode} == VERDICTS


def test_the_package_says_that_it_is_typed() -> None:
    assert files("tlsdecrypt").joinpath("py.typed").is_file()


def test_importing_the_package_loads_no_library() -> None:
    ask = "import sys, tlsdecrypt; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    done = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True)
    assert not {"numpy", "dpkt", "cryptography", "lxml", "rich", "click"} & set(done.stdout.split())
