"""DER written by hand (X.690), for tokens that only a Windows domain makes."""

from __future__ import annotations


def tlv(tag: int, *parts: bytes) -> bytes:
    """One element."""
    content = b"".join(parts)
    length = len(content)
    if length < 0x80:
        head = bytes([length])
    else:
        size = length.to_bytes((length.bit_length() + 7) // 8, "big")
        head = bytes([0x80 | len(size)]) + size
    return bytes([tag]) + head + content


def integer(value: int) -> bytes:
    """INTEGER."""
    return tlv(0x02, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def field(number: int, *parts: bytes) -> bytes:
    """[number] EXPLICIT."""
    return tlv(0xA0 | number, *parts)


def general_string(text: str) -> bytes:
    """GeneralString."""
    return tlv(0x1B, text.encode())


def sequence(*parts: bytes) -> bytes:
    """SEQUENCE."""
    return tlv(0x30, *parts)


def principal(*names: str) -> bytes:
    """PrincipalName, RFC 4120 section 5.2.2, of type NT-SRV-INST."""
    return sequence(field(0, integer(2)), field(1, sequence(*map(general_string, names))))


def encrypted(etype: int, kvno: int | None, cipher: bytes) -> bytes:
    """EncryptedData, RFC 4120 section 5.2.9."""
    version = field(1, integer(kvno)) if kvno is not None else b""
    return sequence(field(0, integer(etype)), version, field(2, tlv(0x04, cipher)))


def ap_req(realm: str, *sname: str, cipher: bytes = b"\x5a" * 64) -> bytes:
    """AP-REQ, RFC 4120 section 5.5.1, with an AES-256 ticket of key version 3."""
    ticket = tlv(
        0x61,
        sequence(
            field(0, integer(5)), field(1, general_string(realm)), field(2, principal(*sname)),
            field(3, encrypted(18, 3, cipher)),
        ),
    )  # fmt: skip
    return tlv(
        0x6E,
        sequence(
            field(0, integer(5)), field(1, integer(14)), field(2, tlv(0x03, b"\x00\x20\x00\x00\x00")),
            field(3, ticket), field(4, encrypted(18, None, cipher)),
        ),
    )  # fmt: skip


def krb_error(code: int, realm: str, *sname: str) -> bytes:
    """KRB-ERROR, RFC 4120 section 5.9.1."""
    return tlv(
        0x7E,
        sequence(
            field(0, integer(5)), field(1, integer(30)), field(4, tlv(0x18, b"20260101120000Z")), field(5, integer(7)),
            field(6, integer(code)), field(9, general_string(realm)), field(10, principal(*sname)),
        ),
    )  # fmt: skip


KERBEROS = tlv(0x06, bytes.fromhex("2a864886f712010202"))
MS_KERBEROS = tlv(0x06, bytes.fromhex("2a864882f712010202"))
NTLMSSP = tlv(0x06, bytes.fromhex("2b06010401823702020a"))
SPNEGO = tlv(0x06, bytes.fromhex("2b0601050502"))


def gss(mechanism: bytes, token: bytes) -> bytes:
    """InitialContextToken, RFC 2743 section 3.1."""
    return tlv(0x60, mechanism, token)


def neg_token_init(mechanisms: list[bytes], token: bytes) -> bytes:
    """NegTokenInit, RFC 4178 section 4.2.1."""
    inner = sequence(field(0, sequence(*mechanisms)), field(2, tlv(0x04, token)))
    return gss(SPNEGO, field(0, inner))


def neg_token_resp(state: int, token: bytes = b"") -> bytes:
    """NegTokenResp, RFC 4178 section 4.2.2, that chooses Kerberos."""
    answer = field(2, tlv(0x04, token)) if token else b""
    return field(1, sequence(field(0, tlv(0x0A, bytes([state]))), field(1, KERBEROS), answer))


def kerberos_token(*sname: str, realm: str = "CONTOSO.COM", cipher: bytes = b"\x5a" * 64) -> bytes:
    """What a browser in a domain sends: SPNEGO with an AP-REQ."""
    inner = gss(KERBEROS, b"\x01\x00" + ap_req(realm, *sname, cipher=cipher))
    return neg_token_init([MS_KERBEROS, KERBEROS, NTLMSSP], inner)
