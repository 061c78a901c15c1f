"""What may be shown of what dissectors say: numbers, harmless texts, and no secrets."""

from __future__ import annotations

import json

import pytest

from tlsdecrypt.conversation import DissectedField, DissectedMessage, ExpertNote
from tlsdecrypt.flow import Span
from tlsdecrypt.redact import Redactor
from tlsdecrypt.report.dissection_document import dissection_document
from tlsdecrypt.report.text_dissection import dissection_lines
from tlsdecrypt.report.text_view import TextView

SECRET = "s3cret-of-somebody"


def shown(
    *fields: DissectedField, info: str = "", note: str = "", show_secrets: bool = False
) -> dict[str, list[list[str]] | str]:
    expert = (ExpertNote("warning", note),)
    message = DissectedMessage(Span(4, 6, 0, 0), "MQTT", info, ("mqtt",), fields, expert)
    (told,) = dissection_document((message,), Redactor(show_secrets=show_secrets))
    return told


def text(name: str, value: str = SECRET) -> DissectedField:
    return DissectedField(name, value, is_number=False)


@pytest.mark.parametrize(
    "name", ["mqtt.passwd", "ldap.simple", "pgsql.password", "tds.login.password", "ldap.credentials", "x.SecretKey"]
)
def test_what_is_called_a_password_is_masked_and_sought_in_the_summary(name: str) -> None:
    told = shown(text(name), info=f"login with {SECRET}", note=f"odd: {SECRET}")
    assert SECRET not in json.dumps(told)
    assert [field[0] for field in told["fields"]] == [name]


def test_digits_of_a_password_are_masked_too() -> None:
    told = shown(DissectedField("mqtt.passwd", "123456", is_number=True))
    assert "123456" not in json.dumps(told)


@pytest.mark.parametrize("name", ["telnet.data", "resp.string", "mysql.query", "amqp.method.arguments.response"])
def test_texts_of_which_nobody_knows_what_they_hold_are_left_out(name: str) -> None:
    assert shown(text(name))["fields"] == []
    assert shown(text(name), show_secrets=True)["fields"] == [[name, SECRET]]


def test_numbers_flags_and_harmless_texts_are_told() -> None:
    number = DissectedField("ldap.resultCode", "49", is_number=True)
    flag = DissectedField("mqtt.conflag.passwd", "1", is_number=True)
    length = DissectedField("mqtt.passwd_len", "13", is_number=True)
    told = shown(number, flag, length, text("ldap.errorMessage", "data 52e"), text("ldap.baseObject", "dc=contoso"))
    assert told["fields"] == [
        ["ldap.resultCode", "49"],
        ["mqtt.conflag.passwd", "1"],
        ["mqtt.passwd_len", "13"],
        ["ldap.errorMessage", "data 52e"],
        ["ldap.baseObject", "dc=contoso"],
    ]


def test_the_text_tells_what_failed_where_the_summary_does_not() -> None:
    fields = (text("pgsql.message", "no such type"), text("pgsql.code", "42704"))
    message = DissectedMessage(Span(4, 4, 0, 0), "PGSQL", "<E", ("pgsql",), fields)

    def lines(*, is_verbose: bool) -> list[str]:
        view = TextView(Redactor(), 100, is_verbose=is_verbose)
        told = dissection_lines((message,), view)
        return [" ".join(part[0] for part in each.parts) for each in told]

    assert lines(is_verbose=False) == ["PGSQL <E #4", "pgsql.message no such type"]
    assert lines(is_verbose=True) == ["PGSQL <E #4", "pgsql.message no such type", "pgsql.code 42704"]


@pytest.mark.parametrize(
    "spoken",
    [
        f"Request: PASS {SECRET}",
        f"AUTH {SECRET}",
        f"Request: HELLO 3 AUTH alex {SECRET}",
        f"CREATE USER 'a' IDENTIFIED BY '{SECRET}'",
        f"ALTER ROLE a PASSWORD '{SECRET}'",
        f"password={SECRET}",
    ],
)
def test_secrets_behind_words_of_commands_are_masked_in_summaries_and_notes(spoken: str) -> None:
    assert SECRET not in json.dumps(shown(info=spoken, note=spoken))
    assert shown(info=spoken, show_secrets=True)["info"] == spoken


@pytest.mark.parametrize("sentence", ["no secret in database", "the password expired", "bindResponse(4) success"])
def test_sentences_stay_as_they_are(sentence: str) -> None:
    assert shown(info=sentence)["info"] == sentence
