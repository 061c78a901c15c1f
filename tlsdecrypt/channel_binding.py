"""judge_channel_bindings: whether logins are bound to the TLS channel on which they came (MS-NLMP section 2.2.2.1).

Extended Protection compares the binding in NTLM's last message with the server's own certificate. Where both are known
here, the comparison is made here: a device that opens TLS and closes it anew with another certificate breaks it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tlsdecrypt.app.auth_facts import ABSENT, CLEAR, DIFFERS, MATCHES, NOT_SEEN, put_summary
from tlsdecrypt.tls.end_point_binding import end_point_bindings

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tlsdecrypt.app.exchange import Exchange
    from tlsdecrypt.tls.certificates import CertificateFacts

_AUTHENTICATE = 3
_MAIL = frozenset({"smtp", "imap", "pop3"})


def judge_channel_bindings(exchanges: Iterable[Exchange], certificates: tuple[CertificateFacts, ...] | None) -> None:
    """Add `channel_binding` to the annotation `auth` of each HTTP exchange that ends an NTLM login.

    It holds `result`, one of the constants of `auth_facts`, `sent` (hex) where a binding was sent, and `expected` (hex)
    where the certificate was seen. `certificates` are the server's; None where the exchanges came in clear. Logins of
    mail protocols have their binding in an annotation of their own; there `channel_binding_result` is added.
    """
    for exchange in exchanges:
        if exchange.protocol in _MAIL:
            _judge_mail(exchange.annotations.get(exchange.protocol, {}), certificates)
            continue
        auth = exchange.annotations.get("auth")
        if auth is not None and auth.get("ntlm", {}).get("type") == _AUTHENTICATE:
            auth["channel_binding"] = _judge(auth["ntlm"].get("channel_binding"), certificates)
            put_summary(auth)


def _judge_mail(facts: dict[str, Any], certificates: tuple[CertificateFacts, ...] | None) -> None:
    sent = facts.get("channel_binding")
    if sent is not None:
        facts["channel_binding_result"] = _judge(sent, certificates)["result"]


def _judge(sent: str | None, certificates: tuple[CertificateFacts, ...] | None) -> dict[str, Any]:
    expected = end_point_bindings(certificates[0].der) if certificates else ()
    judged: dict[str, Any] = {"result": _result(sent, expected, is_clear=certificates is None)}
    if sent:
        judged["sent"] = sent
    if expected:
        judged["expected"] = expected[0]
    return judged


def _result(sent: str | None, expected: tuple[str, ...], *, is_clear: bool) -> str:
    if not sent:
        return ABSENT
    if is_clear:
        return CLEAR
    if not expected:
        return NOT_SEEN
    return MATCHES if sent in expected else DIFFERS
