"""Encrypted Client Hello (RFC 9849): the inner ClientHello, where a key log has the secret that sealed it."""

from __future__ import annotations

from typing import Final, NamedTuple

from tlsdecrypt.errors import ParseError
from tlsdecrypt.tls.extensions import Extensions, parse_extensions, uint16s
from tlsdecrypt.tls.handshake import ClientHello
from tlsdecrypt.tls.hpke import HpkeSuite, hpke_keys, hpke_open
from tlsdecrypt.tls.registry import ExtensionType
from tlsdecrypt.wire import Reader

_OUTER: Final = 0  # ECHClientHelloType
_RANDOM_LENGTH: Final = 32


class _Sealed(NamedTuple):
    """ECHClientHello of a ClientHelloOuter, section 5."""

    kdf: int
    aead: int
    payload: bytes


def open_client_hello(outer: ClientHello, body: bytes, secret: bytes, config: bytes) -> ClientHello | None:
    """The inner ClientHello of an outer one, whose message has this `body`; None where they do not fit.

    `secret` is the KEM's shared secret, `config` the ECHConfig: the lines ECH_SECRET and ECH_CONFIG of a key log
    (RFC 9850 section 2.3).
    """
    try:
        sealed = _parse_sealed(outer.extensions[ExtensionType.ENCRYPTED_CLIENT_HELLO])
        suite = HpkeSuite(_kem_of(config), sealed.kdf, sealed.aead)
        keys = hpke_keys(suite, secret, b"tls ech\0" + config)
        additional_data = body.replace(sealed.payload, bytes(len(sealed.payload)), 1)
        encoded = hpke_open(suite, keys, sealed.payload, additional_data) if keys else None
        return _decode(encoded, outer) if encoded is not None else None
    except (ParseError, KeyError):
        return None


def _parse_sealed(extension: bytes) -> _Sealed:
    reader = Reader(extension)
    kind = reader.u8("ECHClientHello type")
    if kind != _OUTER:
        raise ParseError(f"ECHClientHello of type {kind}")
    kdf, aead = reader.u16("KDF"), reader.u16("AEAD")
    reader.u8("config id")
    reader.vector(2, "encapsulated key")
    return _Sealed(kdf, aead, reader.vector(2, "payload"))


def _kem_of(config: bytes) -> int:
    """The KEM of an ECHConfig, section 4."""
    reader = Reader(config)
    reader.u16("version")
    contents = reader.sub(2, "ECHConfigContents")
    contents.u8("config id")
    return contents.u16("KEM")


def _decode(encoded: bytes, outer: ClientHello) -> ClientHello:
    """EncodedClientHelloInner, section 5.1: what it shares with the outer hello is left out; zeros pad it."""
    reader = Reader(encoded)
    version, random = reader.u16("client version"), reader.take(_RANDOM_LENGTH, "client random")
    reader.vector(1, "session id")
    suites = uint16s(reader.vector(2, "cipher suites"), "cipher suites")
    methods = tuple(reader.vector(1, "compression methods"))
    entries: list[tuple[int, bytes]] = []
    for kind, content in parse_extensions(reader).entries:
        if kind == ExtensionType.ECH_OUTER_EXTENSIONS:
            kinds = uint16s(Reader(content).vector(1, "outer extensions"), "outer extensions")
            entries += [(each, outer.extensions[each]) for each in kinds]
        else:
            entries.append((kind, content))
    return ClientHello(version, random, outer.session_id, suites, methods, Extensions(tuple(entries)))
