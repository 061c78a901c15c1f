"""ServerKeyExchange and ClientKeyExchange (SSL 3.0 to TLS 1.2), whose format depends on the key exchange.

`key_exchange` is that of CipherSuite: `RSA`, `DHE_RSA`, `ECDHE_PSK` ...
"""

from __future__ import annotations

from typing import Final

from tlsdecrypt.errors import ParseError
from tlsdecrypt.tls.registry import NamedGroup, ProtocolVersion
from tlsdecrypt.value import Hidden, Value
from tlsdecrypt.wire import Reader

_EXPLICIT_PRIME, _EXPLICIT_CHAR2, _NAMED_CURVE = 1, 2, 3  # ECCurveType, RFC 8422 section 5.4
_PREFIX: Final = 2  # bytes of the length before an encrypted pre_master_secret
_KEY_SIZE_STEP: Final = 8  # RSA moduli are whole multiples of so many bytes


class ServerKeyExchange(Value, frozen=True):
    """The server's temporary key. `group` as people name it: `x25519`, `ffdhe 2048 bits`, `RSA 512 bits` ...

    `public` is as a key share has it, for Diffie-Hellman as long as the prime; for RSA the modulus.
    """

    group: str | None
    named_group: int | None = None
    public: Hidden[bytes] = b""
    psk_identity_hint: bytes | None = None


class ClientKeyExchange(Value, frozen=True):
    """What the client adds: an encrypted pre_master_secret, or its own public key, and the PSK it means."""

    encrypted_pre_master_secret: Hidden[bytes | None] = None
    public: Hidden[bytes | None] = None
    psk_identity: bytes | None = None


def group_name(group: int) -> str:
    """The name of a group in the IANA registry."""
    return NamedGroup(group).name


def _is_ecdh(key_exchange: str) -> bool:
    return key_exchange.startswith(("ECDHE_", "ECDH_"))


def _is_dh(key_exchange: str) -> bool:
    return key_exchange.startswith(("DHE_", "DH_"))


def parse_server_key_exchange(body: bytes, key_exchange: str) -> ServerKeyExchange:
    """ServerKeyExchange, its signature left aside (RFC 5246 section 7.4.3, RFC 8422, RFC 4279, RFC 5054)."""
    reader = Reader(body)
    hint = reader.vector(2, "PSK identity hint") if key_exchange.endswith("PSK") else None
    if _is_ecdh(key_exchange):
        return _parse_ec_params(reader, hint)
    if _is_dh(key_exchange):
        prime, _, public = _vectors(reader, "dh_p", "dh_g", "dh_Ys")
        bits = _bits(prime)
        padded = public.lstrip(b"\0").rjust((bits + 7) // 8, b"\0")
        return ServerKeyExchange(f"ffdhe {bits} bits", public=padded, psk_identity_hint=hint)
    if key_exchange.startswith("RSA_EXPORT"):
        modulus, _ = _vectors(reader, "rsa_modulus", "rsa_exponent")
        return ServerKeyExchange(f"RSA {_bits(modulus)} bits", public=modulus.lstrip(b"\0"))
    if key_exchange.startswith("SRP"):
        return ServerKeyExchange(f"SRP {_bits(reader.vector(2, 'srp_N'))} bits")
    return ServerKeyExchange(None, psk_identity_hint=hint)


def parse_server_key_exchange_group(body: bytes, key_exchange: str) -> str | None:
    """The group of a ServerKeyExchange as people name it; None where the key exchange has none."""
    return parse_server_key_exchange(body, key_exchange).group


def _vectors(reader: Reader, *names: str) -> list[bytes]:
    return [reader.vector(2, name) for name in names]


def _bits(number: bytes) -> int:
    return int.from_bytes(number, "big").bit_length()


def _parse_ec_params(reader: Reader, hint: bytes | None) -> ServerKeyExchange:
    """ServerECDHParams, RFC 8422 section 5.4."""
    curve_type = reader.u8("curve type")
    if curve_type in (_EXPLICIT_PRIME, _EXPLICIT_CHAR2):
        return ServerKeyExchange("explicit curve", psk_identity_hint=hint)
    if curve_type != _NAMED_CURVE:
        raise ParseError(f"curve type of no known value {curve_type}")
    group = reader.u16("named curve")
    return ServerKeyExchange(group_name(group), group, reader.vector(1, "point"), hint)


def parse_encrypted_pre_master_secret(body: bytes, version: int) -> bytes:
    """The encrypted pre_master_secret of an RSA ClientKeyExchange, RFC 5246 section 7.4.7.1.

    SSL 3.0 has no length before it, nor have some old stacks in TLS; and some have one in SSL 3.0 too.
    """
    if not body:
        raise ParseError("ClientKeyExchange without content")
    length = len(body) - _PREFIX
    has_prefix = length > 0 and int.from_bytes(body[:_PREFIX], "big") == length
    is_plausible = version > ProtocolVersion.SSLv3 or length % _KEY_SIZE_STEP == 0
    return body[_PREFIX:] if has_prefix and is_plausible else body


def parse_client_key_exchange(body: bytes, key_exchange: str, version: int) -> ClientKeyExchange:
    """ClientKeyExchange (RFC 5246 section 7.4.7, RFC 8422 section 5.7, RFC 4279)."""
    reader = Reader(body)
    identity = reader.vector(2, "PSK identity") if key_exchange.endswith("PSK") else None
    if key_exchange.startswith("RSA"):
        return ClientKeyExchange(parse_encrypted_pre_master_secret(reader.rest(), version), psk_identity=identity)
    if not reader.remaining:  # PSK alone; or the public key is in the client's certificate
        return ClientKeyExchange(psk_identity=identity)
    if _is_ecdh(key_exchange):
        return ClientKeyExchange(public=reader.vector(1, "point"), psk_identity=identity)
    if _is_dh(key_exchange):
        return ClientKeyExchange(public=reader.vector(2, "dh_Yc"), psk_identity=identity)
    return ClientKeyExchange(psk_identity=identity)
