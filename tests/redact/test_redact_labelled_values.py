"""Secrets beside their names on pages of HTML: a marker in each place, sought in every output and in captures."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from cli_runs import run
from hypothesis import given
from hypothesis import strategies as st
from packets import C, S, http_request, http_response
from test_redact_logins import MARKER, assert_hidden, outputs

from tlsdecrypt.redact import Redactor
from tlsdecrypt.redact.labelled_values import labelled_values

if TYPE_CHECKING:
    from pathlib import Path

PAGES = {
    "a row": f"<table><tr><td>User</td><td>kim</td></tr><tr><td>Password:</td><td>{MARKER}</td></tr></table>",
    "the first row": f"<table><tr><td>Password</td><td>{MARKER}</td></tr><tr><td>User</td><td>kim</td></tr></table>",
    "a row with a heading": f"<table><tr><th scope='row'><b>Password</b></th><td class=x>{MARKER}</td></tr></table>kim",
    "a column": f"<table><tr><th>User<th>Password<tr><td>kim<td>{MARKER}</table>",
    "a column without headings": (
        f"<table><tr><td>User</td><td>Password</td></tr><tr><td>kim</td><td><code>{MARKER}</code></td></tr></table>"
    ),
    "a column among many": (
        "<TABLE><THEAD><TR><TD>Initial password</TD><TD>Mail</TD><TD>User</TD></TR></THEAD>"
        f"<TBODY><TR><TD>x</TD><TD></TD></TR><TR><TD>{MARKER}</TD><TD>a@b.example</TD><TD>kim</TD></TR></TBODY></TABLE>"
    ),
    "a table in a table": (
        f"<table><tr><td><table><tr><td>API key</td></tr><tr><td>{MARKER}</td></tr></table></td></tr></table>kim"
    ),
    "a definition": f"<dl><dt>User</dt><dd>kim</dd><dt>Password</dt>\n<dd>{MARKER}</dd></dl>",
    "bold": f"<p>Hello kim,</p><p><b>Your user:</b> kim<br><b>Initial Password:</b>&nbsp;<tt>{MARKER}</tt></p>",
    "a label": f"<label>kim, Password: </label><span>{MARKER}</span>",
    "in german": f"<table><tr><td>Kennwort</td><td>{MARKER}</td></tr></table>kim",
}


@pytest.mark.parametrize("place", PAGES)
def test_a_secret_on_a_page_is_hidden(place: str, tmp_path: Path) -> None:
    page = f"<html><body>{PAGES[place]}</body></html>".encode()
    answer = S(http_response("200 OK", ["Content-Type: text/html; charset=utf-8"], page))
    shown = outputs([C(http_request("GET /a")), answer], tmp_path)
    assert_hidden(shown)
    path = tmp_path / "a.pcapng"
    assert run(tmp_path / "scene.pcap", "-o", path).exit_code == 0
    assert_hidden(path.read_bytes())
    assert b"kim" in shown
    assert b"kim" in path.read_bytes()


def test_a_secret_on_a_page_in_json_is_hidden() -> None:
    shown = Redactor().content(json.dumps({"html": PAGES["a row"]}).encode(), "application/json")
    assert MARKER.encode() not in shown


@pytest.mark.parametrize(
    "page",
    [
        "<table><tr><th>Password</th><th>Mail</th></tr></table>",
        "<table><tr><td>Forgot password</td><td>Click here</td></tr></table>",
        "<table><tr><td>Password expires</td><td>never</td></tr></table>",
        "<td>Password</td>",
        "<b>Password:</b> it has to be changed at the next logon",
        "<label>Password:</label><input type='password'><button>Sign in</button>",
        "<dt>Password policy</dt><dd>strict</dd>",
    ],
)
def test_a_page_that_only_speaks_of_passwords_stays(page: str) -> None:
    text = f"<html>{page}</html>".encode()
    assert Redactor().content(text, "text/html") == text


@given(
    st.lists(
        st.sampled_from(["<table>", "</table>", "<tr>", "<td>", "<th a>", "</td>", "password", "x", ":", "<b>", "<dt>"])
    )
)
def test_values_follow_one_another_whatever_stands_there(pieces: list[str]) -> None:
    text = "".join(pieces)
    at = 0
    for start, stop, kind in labelled_values(text):
        assert at <= start <= stop <= len(text)
        assert kind == "password"
        at = stop
