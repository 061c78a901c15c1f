"""What tells one client program from another: all that its ClientHello offers, and the fingerprints made of it.

JA3 (Salesforce, 2017) takes everything in the order in which it came; JA4 (FoxIO, "JA4: TLS Client Fingerprinting")
sorts what programs shuffle. Both leave out GREASE.
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import md5, sha256
from typing import TYPE_CHECKING, Final, NamedTuple

from tlsdecrypt.tls.key_exchange import group_name
from tlsdecrypt.tls.registry import ExtensionType, ProtocolVersion, SignatureScheme, is_grease
from tlsdecrypt.value import Value

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tlsdecrypt.tls.handshake import ClientHello, ServerHello

FINGERPRINTS_REMEMBERED: Final = 64
LONGEST_REMEMBERED: Final = 512  # suites, extensions, groups and algorithms together
MOST_NAMED: Final = 1_000  # of each list; what comes after them counts in the hashes alone

_NOTHING: Final = "000000000000"  # JA4: the hash of an empty list
_MOST_COUNTED: Final = 99
_VERSIONS: Final = {
    ProtocolVersion.SSLv2: "s2",
    ProtocolVersion.SSLv3: "s3",
    ProtocolVersion.TLSv1_0: "10",
    ProtocolVersion.TLSv1_1: "11",
    ProtocolVersion.TLSv1_2: "12",
    ProtocolVersion.TLSv1_3: "13",
}
_NAMES: Final = (ExtensionType.SERVER_NAME, ExtensionType.APPLICATION_LAYER_PROTOCOL_NEGOTIATION)  # not for JA4's hash


class ClientFingerprint(Value, frozen=True):
    """What a client offers besides versions and suites, by the names of the registry, GREASE left out, and its hashes.

    `ja3` is an MD5 in hex, `ja4` is `JA4`, with hashes, of FoxIO's description.
    """

    groups: tuple[str, ...]
    signature_algorithms: tuple[str, ...]
    extensions: tuple[str, ...]
    ja3: str
    ja4: str


class _Offer(NamedTuple):
    """What both fingerprints are made of; `alpn` is the first protocol."""

    legacy_version: int
    versions: tuple[int, ...]
    suites: tuple[int, ...]
    extensions: tuple[int, ...]
    groups: tuple[int, ...]
    point_formats: tuple[int, ...]
    algorithms: tuple[int, ...]
    alpn: bytes

    def without_grease(self) -> _Offer:
        return self._replace(
            versions=_without_grease(self.versions),
            suites=_without_grease(self.suites),
            extensions=_without_grease(self.extensions),
            groups=_without_grease(self.groups),
            algorithms=_without_grease(self.algorithms),
        )


def client_fingerprint(hello: ClientHello) -> ClientFingerprint | None:
    """None for a hello in the format of SSL 2.0, which has no extensions and other suites."""
    if hello.is_sslv2_format:
        return None
    extensions = hello.extensions
    offer = _Offer(
        hello.legacy_version,
        extensions.client_versions,
        hello.cipher_suites,
        tuple([kind for kind, _ in extensions.entries]),
        extensions.supported_groups,
        extensions.point_formats,
        extensions.signature_algorithms,
        extensions.first_protocol,
    )
    length = len(offer.suites) + len(offer.extensions) + len(offer.groups) + len(offer.algorithms)
    return _remembered(offer) if length <= LONGEST_REMEMBERED else _fingerprint(offer)


def ja3s(hello: ServerHello) -> str:
    """The same for a server: its version, its suite and its extensions."""
    kinds = (kind for kind, _ in hello.extensions.entries)
    return _md5(f"{hello.legacy_version},{hello.cipher_suite},{_joined(kinds)}")


def _fingerprint(greased: _Offer) -> ClientFingerprint:
    offer = greased.without_grease()
    return ClientFingerprint(
        groups=tuple(map(group_name, offer.groups[:MOST_NAMED])),
        signature_algorithms=tuple(SignatureScheme(code).name for code in offer.algorithms[:MOST_NAMED]),
        extensions=tuple(ExtensionType(code).name.lower() for code in offer.extensions[:MOST_NAMED]),
        ja3=_ja3(offer),
        ja4=_ja4(offer),
    )


_remembered = lru_cache(maxsize=FINGERPRINTS_REMEMBERED)(_fingerprint)


def _ja3(offer: _Offer) -> str:
    lists = (offer.suites, offer.extensions, offer.groups, offer.point_formats)
    return _md5(",".join((str(offer.legacy_version), *map(_joined, lists))))


def _ja4(offer: _Offer) -> str:
    """`t13d1516h2_8daaf6152771_e5627efa2ab1`: the protocol and its numbers, the suites, the extensions."""
    version = _VERSIONS.get(ProtocolVersion(max(offer.versions, default=offer.legacy_version)), "00")
    destination = "d" if ExtensionType.SERVER_NAME in offer.extensions else "i"
    counts = "".join(f"{min(len(each), _MOST_COUNTED):02}" for each in (offer.suites, offer.extensions))
    hashed = ",".join(sorted(f"{code:04x}" for code in offer.extensions if code not in _NAMES))
    if offer.algorithms:
        hashed += "_" + ",".join(f"{code:04x}" for code in offer.algorithms)
    suites = _hash12(",".join(sorted(f"{code:04x}" for code in offer.suites)))
    return f"t{version}{destination}{counts}{_ends(offer.alpn)}_{suites}_{_hash12(hashed)}"


def _ends(protocol: bytes) -> str:
    """The first and the last character of a protocol, in hex where one of them is no letter or digit."""
    if not protocol:
        return "00"
    ends = protocol[:1] + protocol[-1:]
    text = ends.decode("ascii") if ends.isalnum() else protocol.hex()
    return text[0] + text[-1]


def _hash12(text: str) -> str:
    return sha256(text.encode()).hexdigest()[:12] if text else _NOTHING


def _md5(text: str) -> str:
    return md5(text.encode(), usedforsecurity=False).hexdigest()


def _joined(codes: Iterable[int]) -> str:
    return "-".join(map(str, codes))


def _without_grease(codes: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(code for code in codes if not is_grease(code))
