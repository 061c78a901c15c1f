"""What Wireshark's dissectors said of a connection, as plain values without secrets.

Nobody knows all fields of all dissectors, so without --show-secrets only numbers, flags and texts that are known to be
harmless are shown; what is called a password is masked, and sought in the summary too.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tlsdecrypt.conversation import DissectedField, DissectedMessage
    from tlsdecrypt.redact import Redactor

_SECRET = re.compile(r"passw|passphrase|pwd|secret|credential|creds|token|\.simple\Z", re.IGNORECASE)
_FLAGS = frozenset({"0", "1", "True", "False"})  # `password is set`
_LENGTH = re.compile(r"len(?:gth)?\Z|offset\Z", re.IGNORECASE)
# The last part of the names of fields whose texts are told: what failed, who, and what was asked for.
_TOLD = frozenset(
    {
        "attributedescription", "authtype", "baseobject", "code", "col_name", "command", "database", "detail",
        "error_message", "errormessage", "exchange", "hint", "locale", "matcheddn", "mechanism", "message", "name",
        "number", "present", "protocol", "protocol_name", "queue", "routine", "routing_key", "schema", "servername",
        "severity", "sqlstate", "status", "table", "topic", "type", "user", "username", "version", "virtual_host",
    }
)  # fmt: skip
# `PASS x`, `AUTH user x`, `IDENTIFIED BY 'x'`: what follows such words in a summary.
_SPOKEN = re.compile(
    r"\b(?:(?:pass|auth)(?:\s*[:=]\s*|\s+)(?!<masked:)(?P<all>\S.*)"
    r"|(?:identified\s+by(?:\s+password)?\s+|password\s+(?=['\"]))(?!<masked:)(?P<one>'[^']*'|\"[^\"]*\"|[^\s,;]+))",
    re.IGNORECASE,
)


def dissection_document(messages: tuple[DissectedMessage, ...], redactor: Redactor) -> list[dict[str, Any]]:
    """One element a message; `frames` are the first and the last frame that carried it."""
    return [_message(each, redactor) for each in messages]


def _message(message: DissectedMessage, redactor: Redactor) -> dict[str, Any]:
    span = message.span
    fields = [[name, value] for name, value in _fields(message.fields, redactor)]  # first: secrets are learned here
    return {
        "frames": [span.first_frame, span.last_frame],
        "protocol": message.protocol,
        "info": spoken_text(message.info.strip(), redactor),
        "layers": list(message.layers),
        "fields": fields,
        "expert": [
            {"severity": each.severity, "message": spoken_text(each.message, redactor)} for each in message.expert
        ],
    }


def _fields(fields: tuple[DissectedField, ...], redactor: Redactor) -> Iterator[tuple[str, str]]:
    for each in fields:
        if redactor.show_secrets:
            yield each.name, each.value
        elif _is_secret(each):
            yield each.name, redactor.value("password", each.value)
        elif each.is_number:
            yield each.name, each.value
        elif each.name.lower().rpartition(".")[2] in _TOLD:
            yield each.name, spoken_text(each.value, redactor)


def _is_secret(field: DissectedField) -> bool:
    if _SECRET.search(field.name) is None:
        return False
    return not (field.is_number and (field.value in _FLAGS or _LENGTH.search(field.name)))


def spoken_text(text: str, redactor: Redactor) -> str:
    """Free text of a dissector, in which secrets stand behind words of commands."""
    if redactor.show_secrets:
        return text
    return _SPOKEN.sub(lambda match: _masked(match, redactor), redactor.text(text))


def _masked(match: re.Match[str], redactor: Redactor) -> str:
    secret = match["all"] or match["one"]
    return match[0].removesuffix(secret) + redactor.value("password", secret.strip("'\""))
