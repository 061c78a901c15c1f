"""An LDAP session by RFC 4511: a simple bind that is refused, and a search of the root. BER is written by hand."""

from __future__ import annotations

from packets import C, S, Say

PASSWORD = "correct-horse-7"

_BIND, _BIND_ANSWER, _SEARCH, _DONE, _SIMPLE = 0x60, 0x61, 0x63, 0x65, 0x80
_DN = b"cn=alex,dc=contoso,dc=com"
WHY = "80090308: LdapErr: DSID-0C09042A, AcceptSecurityContext error, data 52e"


def ber(tag: int, *contents: bytes) -> bytes:
    """Tag, length in the short form, or in the long form with one byte (X.690 section 8.1)."""
    content = b"".join(contents)
    length = bytes([len(content)]) if len(content) < 0x80 else bytes([0x81, len(content)])
    return bytes([tag]) + length + content


def message(number: int, operation: bytes) -> bytes:
    """An LDAPMessage."""
    return ber(0x30, ber(2, bytes([number])), operation)


def simple_bind(password: str = PASSWORD) -> bytes:
    """A BindRequest with version 3, a name and a password."""
    return message(1, ber(_BIND, ber(2, b"\x03"), ber(4, _DN), ber(_SIMPLE, password.encode())))


def refused() -> bytes:
    """A BindResponse with invalidCredentials (49)."""
    return message(1, ber(_BIND_ANSWER, ber(10, b"\x31"), ber(4), ber(4, WHY.encode())))


def session(password: str = PASSWORD) -> list[Say]:
    """What both sides say."""
    search = message(
        2,
        ber(
            _SEARCH,
            ber(4),
            ber(10, b"\x00"),
            ber(10, b"\x00"),
            ber(2, b"\x00"),
            ber(2, b"\x00"),
            ber(1, b"\x00"),
            ber(0x87, b"objectClass"),
            ber(0x30),
        ),
    )
    done = message(2, ber(_DONE, ber(10, b"\x01"), ber(4), ber(4)))
    return [C(simple_bind(password)), S(refused()), C(search), S(done)]
