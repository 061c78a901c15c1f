"""Tables: what stands in a column whose name tells that it is secret is in no output."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packets import C, S, http_request, http_response
from test_redact_logins import MARKER, assert_hidden, outputs

from tlsdecrypt.redact import Redactor
from tlsdecrypt.redact.tables import secret_cells

if TYPE_CHECKING:
    from pathlib import Path

TABLES = {
    "commas": ("text/csv", f"User,Password,Mail\r\nkim,{MARKER},kim@contoso.com\r\n"),
    "last column": ("text/csv; header=present", f"user,Initial Password\nkim,{MARKER}\n"),
    "semicolons": ("application/csv", f"sep=;\r\nuser;pwd\r\nkim;{MARKER}\r\n"),
    "tabs": ("text/tab-separated-values", f"user\tclient_secret\nkim\t{MARKER}\n"),
    "bars": ("text/plain", f"user|password\nkim|{MARKER}\n"),
    "quotation marks": ("text/csv", f'"user","password"\r\n"kim, b.","{MARKER}, ""x""\r\nand more"\r\n'),
    "exported by powershell": ("text/plain", f'#TYPE System.Object\r\n"user","Password"\r\n"kim","{MARKER}"\r\n'),
    "of excel": ("application/vnd.ms-excel", f"user,password\r\nkim,{MARKER}\r\n"),
    "without a type": ("", f"user,password\r\nkim,{MARKER}\r\n"),
}


@pytest.mark.parametrize("table", TABLES)
def test_a_column_of_passwords_is_hidden(table: str) -> None:
    kind, text = TABLES[table]
    shown = Redactor().content(text.encode(), kind or None)
    assert MARKER.encode() not in shown
    assert b"kim" in shown
    assert b"and more" not in shown


def test_a_column_of_passwords_is_in_no_output(tmp_path: Path) -> None:
    answer = http_response("200 OK", ["Content-Type: text/csv"], TABLES["commas"][1].encode())
    shown = outputs([C(http_request("GET /users.csv")), S(answer)], tmp_path)
    assert_hidden(shown)
    assert b"kim@contoso.com" in shown


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("text/csv", "user,mail,password_policy\nkim,kim@contoso.com,strict one\n"),
        ("text/csv", "kim,secret things,no heading, is here\n"),
        ("text/plain", "the password, if wrong, is told\nwords, that, follow\n"),
        ("text/plain", "the password of kim is told\nelsewhere\n"),
    ],
)
def test_what_is_no_column_of_passwords_stays(kind: str, text: str) -> None:
    assert [text[start:stop] for start, stop, _ in secret_cells(text, kind)] == []
    assert Redactor().content(text.encode(), kind) == text.encode()


@given(st.text(alphabet='ab,"\r\n;', max_size=60))
def test_cells_follow_one_another_whatever_stands_there(text: str) -> None:
    whole = "user,password\n" + text
    at = len("user,password")
    for start, stop, kind in secret_cells(whole, "text/csv"):
        assert at <= start < stop <= len(whole)
        assert kind == "password"
        at = stop
