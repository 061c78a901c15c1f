"""HTTP dialogues in which somebody logs in: with tokens of pyspnego, tickets made by hand, and passwords."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from packets import C, S, Scene, http_request, http_response

if TYPE_CHECKING:
    from collections.abc import Sequence

    from packets import Say

MARKER = "Tr0ub4dor-marker!"
EWS = "POST /EWS/Exchange.asmx"
HOST = "mail.contoso.com"
WINDOWS = ("WWW-Authenticate: Negotiate", "WWW-Authenticate: NTLM")
EXCHANGE = ("Server: Microsoft-IIS/8.5", "X-FEServer: CAS01", "request-id: 6a1f")


def b64(token: bytes) -> str:
    """A token as fields carry it."""
    return base64.b64encode(token).decode()


def basic(user: str = "avery@contoso.com", password: str = MARKER) -> str:
    """An Authorization field."""
    return f"Authorization: Basic {b64(f'{user}:{password}'.encode())}"


def ask(
    authorization: str = "",
    status: str = "401 Unauthorized",
    offers: Sequence[str] = WINDOWS,
    *,
    line: str = EWS,
    asked: Sequence[str] = (),
    answered: Sequence[str] = (),
    page: bytes = b"",
    host: str = HOST,
    after: float = 0.01,
) -> list[Say]:
    """One request with its Authorization field, and its answer with its challenges."""
    fields = [*([authorization] if authorization else []), *asked]
    return [C(http_request(line, fields, host=host), after), S(http_response(status, [*offers, *answered], page))]


def ntlm(
    tokens: Sequence[bytes], final: str = "401 Unauthorized", *, scheme: str = "NTLM", **more: object
) -> list[Say]:
    """The legs of a login, which ends with the status `final`."""
    said = ask(
        f"Authorization: {scheme} {b64(tokens[0])}", offers=[f"WWW-Authenticate: {scheme} {b64(tokens[1])}"], **more
    )  # type: ignore[arg-type]
    offers = WINDOWS if final.startswith("401") else ()
    return [*said, *ask(f"Authorization: {scheme} {b64(tokens[2])}", final, offers, **more)]  # type: ignore[arg-type]


def scene_of(*dialogues: Sequence[Say], **where: object) -> Scene:
    """Each dialogue on a connection of its own, one on which nobody says anything, and silence behind them."""
    made = Scene()
    made.dialogue([], client="192.0.2.99", port=8443)
    for said in dialogues:
        made.dialogue(said, **where)  # type: ignore[arg-type]
    made.silence(5)
    return made
