"""How a leg of a login ended, as the annotation `auth` tells it."""

from __future__ import annotations

from typing import Any

import pytest
from app_exchanges import annotations_of
from login_dialogues import WINDOWS, b64, basic
from ntlm_peers import ntlm_login

ASK, CHALLENGE, PROVE = ntlm_login()


def _auth(authorization: str, status: str, offers: list[str]) -> dict[str, Any]:
    fields = [authorization] if authorization else []
    found: dict[str, Any] = annotations_of("POST /EWS/Exchange.asmx", fields, status=status, answer_fields=offers)[
        "auth"
    ]
    return found


@pytest.mark.parametrize(
    ("authorization", "status", "offers", "result"),
    [
        ("", "401 Unauthorized", [*WINDOWS], "challenged"),
        ("Authorization: Bearer", "401 Unauthorized", [*WINDOWS], "challenged"),
        (
            f"Authorization: NTLM {b64(ASK)}",
            "401 Unauthorized",
            [f"WWW-Authenticate: NTLM {b64(CHALLENGE)}"],
            "goes on",
        ),
        (f"Authorization: NTLM {b64(ASK)}", "401 Unauthorized", [*WINDOWS], "refused"),
        (f"Authorization: NTLM {b64(PROVE)}", "401 Unauthorized", [*WINDOWS], "refused"),
        (
            f"Authorization: NTLM {b64(PROVE)}",
            "401 Unauthorized",
            [f"WWW-Authenticate: NTLM {b64(CHALLENGE)}"],
            "refused",
        ),
        (f"Authorization: NTLM {b64(PROVE)}", "200 OK", [], "accepted"),
        (basic(), "404 Not Found", [], "accepted"),
        (basic(), "503 Service Unavailable", [], "unknown"),
    ],
)
def test_the_result_of_a_leg(authorization: str, status: str, offers: list[str], result: str) -> None:
    assert _auth(authorization, status, offers)["result"] == result


def test_the_offers_show_their_parameters_and_not_their_tokens() -> None:
    auth = _auth(
        "", "401 No", ['WWW-Authenticate: Bearer authorization_uri="https://a/b", nonce="x"', "WWW-Authenticate: NTLM"]
    )
    assert auth["offers"] == [{"scheme": "Bearer", "authorization_uri": "https://a/b"}, {"scheme": "NTLM"}]


def test_a_plain_exchange_has_no_such_annotation() -> None:
    assert "auth" not in annotations_of("POST /EWS/Exchange.asmx")
