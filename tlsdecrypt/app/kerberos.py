"""KerberosMessage: what an AP-REQ or KRB-ERROR shows in the clear (RFC 4120 sections 5.5 and 5.9)."""

from __future__ import annotations

from typing import Any

from tlsdecrypt.value import Value

MAX_NAME = 256


class KerberosMessage(Value, frozen=True):
    """A message of Kerberos 5. `name` as in `AP-REQ`; `sname` is the service (`HTTP/mail.contoso.com`).

    `etype` and `kvno` are those of the ticket: how it is sealed, and with which version of the service's key. `error`
    is the code's own name (`KRB_AP_ERR_SKEW`), `server_time` (ISO 8601 UTC) the clock of who reports it.
    """

    name: str
    realm: str = ""
    sname: str = ""
    etype: str = ""
    kvno: int | None = None
    error: str = ""
    error_text: str = ""
    server_time: str | None = None


def describe_kerberos(message: Any) -> KerberosMessage | None:
    """The facts of a message that pyspnego unpacked, None where it is none that is known. May raise what it raises."""
    from spnego import _kerberos as kerberos  # noqa: PLC0415  takes 90 ms, and most captures hold no Kerberos

    if isinstance(message, kerberos.KrbApReq):
        ticket = message.ticket
        return KerberosMessage(
            "AP-REQ",
            realm=_text(ticket.realm),
            sname=_principal(ticket.sname),
            etype=ticket.enc_part.etype.name.replace("_", "-"),
            kvno=ticket.enc_part.kvno,
        )
    if isinstance(message, kerberos.KrbApRep):
        return KerberosMessage("AP-REP", etype=message.enc_part.etype.name.replace("_", "-"))
    if isinstance(message, kerberos.KrbError):
        labels = kerberos.KerberosErrorCode.native_labels()
        return KerberosMessage(
            "KRB-ERROR",
            realm=_text(message.realm),
            sname=_principal(message.sname),
            error=labels.get(message.error_code, str(int(message.error_code))),
            error_text=_text(message.e_text),
            server_time=f"{message.stime:%Y-%m-%dT%H:%M:%SZ}" if message.stime else None,
        )
    return None


def _text(value: bytes | None) -> str:
    text = (value or b"")[:MAX_NAME].decode("utf-8", "replace")
    return "".join(each for each in text if each.isprintable())


def _principal(name: Any) -> str:
    """`HTTP/mail.contoso.com`, of the components of a PrincipalName."""
    return "/".join(_text(each) for each in name.value)[:MAX_NAME] if name else ""
