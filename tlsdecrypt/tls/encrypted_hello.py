"""Encrypted Client Hello (RFC 9849): the inner ClientHello, where the key is known or a key log has its secret."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from tlsdecrypt.errors import ParseError
from tlsdecrypt.tls.extensions import Extensions, parse_extensions, uint16s
from tlsdecrypt.tls.handshake import ClientHello
from tlsdecrypt.tls.hpke import HpkeSuite, hpke_keys, hpke_open, kem_shared_secret
from tlsdecrypt.tls.registry import ExtensionType
from tlsdecrypt.value import Hidden, Value
from tlsdecrypt.wire import Reader

if TYPE_CHECKING:
    from tlsdecrypt.tls.private_key import PrivateKey

_OUTER: Final = 0  # ECHClientHelloType
_RANDOM_LENGTH: Final = 32


class EchConfig(NamedTuple):
    """What clients are told to encrypt with: the number of the configuration, the KEM and its public key."""

    config_id: int
    kem: int
    public_key: bytes
    encoded: bytes


class InnerHello(Value, frozen=True):
    """What an Encrypted Client Hello hides; the KEM's shared secret and the ECHConfig that open it, and no other."""

    hello: ClientHello
    secret: Hidden[bytes]
    config: bytes


class _Sealed(NamedTuple):
    """ECHClientHello of a ClientHelloOuter, section 5."""

    kdf: int
    aead: int
    config_id: int
    encapsulated_key: bytes
    payload: bytes


def open_client_hello(outer: ClientHello, body: bytes, secret: bytes, config: bytes) -> ClientHello | None:
    """The inner ClientHello of an outer one, whose message has this `body`; None where they do not fit.

    `secret` is the KEM's shared secret, `config` the ECHConfig: the lines ECH_SECRET and ECH_CONFIG of a key log
    (RFC 9850 section 2.3).
    """
    try:
        sealed = _parse_sealed(outer.extensions[ExtensionType.ENCRYPTED_CLIENT_HELLO])
        suite = HpkeSuite(parse_ech_config(config).kem, sealed.kdf, sealed.aead)
        keys = hpke_keys(suite, secret, b"tls ech\0" + config)
        additional_data = body.replace(sealed.payload, bytes(len(sealed.payload)), 1)
        encoded = hpke_open(suite, keys, sealed.payload, additional_data) if keys else None
        return _decode(encoded, outer) if encoded is not None else None
    except (ParseError, KeyError):
        return None


def open_with_key(outer: ClientHello, body: bytes, key: PrivateKey) -> InnerHello | None:
    """The same with the server's key, and the ECHConfigs that came with it."""
    try:
        sealed = _parse_sealed(outer.extensions[ExtensionType.ENCRYPTED_CLIENT_HELLO])
        configs = [config for config in map(parse_ech_config, key.ech_configs) if config.config_id == sealed.config_id]
    except (ParseError, KeyError):
        return None
    for config in configs:
        secret = kem_shared_secret(config.kem, key, sealed.encapsulated_key)
        inner = open_client_hello(outer, body, secret, config.encoded) if secret else None
        if secret and inner is not None:
            return InnerHello(inner, secret, config.encoded)
    return None


def parse_ech_configs(data: bytes) -> list[EchConfig]:
    """ECHConfigList; configurations of other versions than that of the standard are left out."""
    configs, found = Reader(data).sub(2, "ECHConfigList"), []
    while configs.remaining:
        start, version = configs.offset, configs.u16("version")
        configs.vector(2, "ECHConfigContents")
        if version == ExtensionType.ENCRYPTED_CLIENT_HELLO:  # they share the number
            found.append(parse_ech_config(data[start : configs.offset]))
    return found


def parse_ech_config(encoded: bytes) -> EchConfig:
    """ECHConfig, section 4, as far as the key goes."""
    reader = Reader(encoded)
    reader.u16("version")
    contents = reader.sub(2, "ECHConfigContents")
    config_id, kem = contents.u8("config id"), contents.u16("KEM")
    return EchConfig(config_id, kem, contents.vector(2, "public key"), encoded)


def _parse_sealed(extension: bytes) -> _Sealed:
    reader = Reader(extension)
    kind = reader.u8("ECHClientHello type")
    if kind != _OUTER:
        raise ParseError(f"ECHClientHello of type {kind}")
    kdf, aead = reader.u16("KDF"), reader.u16("AEAD")
    config_id, encapsulated_key = reader.u8("config id"), reader.vector(2, "encapsulated key")
    return _Sealed(kdf, aead, config_id, encapsulated_key, reader.vector(2, "payload"))


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
