"""Names in Base64 become pseudonyms, in Base64 of the same length, and all around them stays."""

from __future__ import annotations

import base64
import json
import re
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ntlm_peers import ntlm_login
from spnego._ntlm_raw.messages import Authenticate

from tlsdecrypt.redact.ntlm_names import renamed_ntlm
from tlsdecrypt.redact.pseudonyms import Pseudonyms

NAMES = re.compile(rb"avery|contoso|srv01", re.IGNORECASE)


@pytest.fixture
def pseudonyms() -> Pseudonyms:
    made = Pseudonyms(b"salt")
    made.learn_user("CONTOSO\\avery")
    made.learn_host("srv01.contoso.com")
    return made


def b64(text: str | bytes) -> str:
    return base64.b64encode(text if isinstance(text, bytes) else text.encode()).decode()


def url64(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


CLAIMS = json.dumps({"upn": "avery@contoso.com", "host": "srv01", "inner": b64("user avery, again")})
PLACES = {
    "basic": ("Basic {}", b64("avery:secret")),
    "basic of a domain": ("Basic {}", b64("CONTOSO\\avery:secret")),
    "sasl plain": ("AUTH PLAIN {}\r\n", b64("\0avery\0secret")),
    "the user name alone": ("{}\r\n", b64("avery!")),
    "a member of json": ('{{"a":"{}"}}', b64('{"user":"avery"}')),
    "in a path": ("/objects/{}/next", b64("at srv01.contoso.com")),
    "in utf-16": ("x {} y", b64("run as CONTOSO\\avery".encode("utf-16-le"))),
    "in utf-16, big-endian": ("x {} y", b64("run as CONTOSO\\avery".encode("utf-16-be"))),
    "nested": ("x {} y", b64(f"<a>{b64('of avery')}</a>")),
    "other alphabet": ("x={}&y", url64("??>>avery ~~~")),
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("lead", ["", "z", "zz", "zzz"])
def test_a_name_in_base64_is_renamed_in_place(place: str, lead: str, pseudonyms: Pseudonyms) -> None:
    form, coded = PLACES[place]
    renamed = pseudonyms.text(form.format(lead + coded))
    start = len(form.partition("{")[0].replace("{{", "{") if "{{" not in form else '{"a":"') + len(lead)
    after = renamed[start : start + len(coded)]
    assert (renamed[:start], renamed[start + len(coded) :]) == (
        form.format(lead + coded)[:start],
        form.format(lead + coded)[start + len(coded) :],
    )
    before, decoded = (base64.b64decode(each.translate(str.maketrans("-_", "+/")) + "==") for each in (coded, after))
    assert len(decoded) == len(before)
    assert not NAMES.search(decoded.replace(b"\0", b""))


def test_the_claims_of_a_token_have_pseudonyms(pseudonyms: Pseudonyms) -> None:
    token = f"{url64('{}')}.{url64(CLAIMS)}.{url64('signed')}"
    header, claims, signature = pseudonyms.text(f"Bearer {token}").split(".")
    told = json.loads(base64.urlsafe_b64decode(claims + "=="))
    assert (header, signature) == (f"Bearer {url64('{}')}", url64("signed"))
    assert told["upn"] == pseudonyms.text("avery@contoso.com")
    assert told["host"] == pseudonyms.text("srv01")
    assert base64.b64decode(told["inner"]).decode() == pseudonyms.text("user avery, again")


def test_names_in_folded_base64_are_renamed_over_the_ends_of_lines(pseudonyms: Pseudonyms) -> None:
    text = b"nothing here " * 4 + b"avery " * 20
    for end in ("\r\n", "\n", "\r\n "):
        folded = base64.encodebytes(text).decode().replace("\n", end)
        renamed = pseudonyms.text(folded)
        assert [len(each) for each in renamed.split(end)] == [len(each) for each in folded.split(end)]
        assert base64.b64decode(renamed) == pseudonyms.text(text.decode()).encode()


def test_percent_encoded_base64_keeps_its_length(pseudonyms: Pseudonyms) -> None:
    for text in ("avery", "??>>avery", "~~~ avery ~~~ ~~~"):
        coded = quote(b64(f"{text} {text}"), safe="")
        renamed = pseudonyms.text(f"a={coded}&b")
        assert len(renamed) == len(f"a={coded}&b")
        assert coded not in renamed


def test_a_user_name_with_dots_is_known_where_it_stands_alone(pseudonyms: Pseudonyms) -> None:
    renamed = pseudonyms.text("kim.avery@contoso.com as CONTOSO\\kim.avery").split()
    assert renamed[2].partition("\\")[2] == renamed[0].partition("@")[0] != "kim.avery"


def test_an_ntlm_message_has_pseudonyms(pseudonyms: Pseudonyms) -> None:
    token = ntlm_login(b"a certificate")[2]
    before = Authenticate.unpack(token)
    for name in (before.user_name, before.domain_name, before.workstation):
        pseudonyms.learn_user(name or "")
    after = Authenticate.unpack(base64.b64decode(pseudonyms.text(b64(token))))
    assert after.user_name == pseudonyms.text(before.user_name)
    assert after.domain_name == pseudonyms.text(before.domain_name)
    assert "avery" in before.user_name
    assert "avery" not in after.user_name
    assert after.encrypted_random_session_key == before.encrypted_random_session_key


@given(st.binary(max_size=60), st.integers(1, 3))
def test_a_damaged_ntlm_message_keeps_its_length(data: bytes, kind: int) -> None:
    message = b"NTLMSSP\0" + bytes([kind, 0, 0, 0]) + data
    assert len(renamed_ntlm(message, lambda name: "x" * len(name))) == len(message)


@given(st.text(alphabet="aQ+/-_=%2Bb3D \r\n.", max_size=80))
def test_what_holds_no_name_stays(text: str) -> None:
    made = Pseudonyms(b"salt")
    made.learn_user("avery")
    assert made.text(text, 1) == text


@given(st.text(max_size=30), st.text(max_size=30))
def test_a_name_is_found_wherever_it_stands_in_base64(before: str, after: str) -> None:
    made = Pseudonyms(b"salt")
    made.learn_user("avery")
    coded = b64(f"{before} avery {after}")
    renamed = made.text(coded)
    assert len(renamed) == len(coded)
    assert b" avery " not in base64.b64decode(renamed)
