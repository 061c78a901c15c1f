"""PFX files (PKCS #12, RFC 7292): all private keys and certificates inside.

The library opens one key a file and proves its primes, which takes it 28 ms. So the file is taken apart here, as far
as it is not encrypted: each key bag is a PKCS #8 key, and the rest, put together again, is a PFX of certificates. What
cannot be taken apart so (BER, keys inside the encrypted part, the empty password) is left to the library as it is.
"""

from __future__ import annotations

import warnings
from typing import Any, NamedTuple

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, pkcs12

from tlsdecrypt.errors import ParseError
from tlsdecrypt.tls import der as asn1
from tlsdecrypt.tls.key_loading import load_der_key

_VERSION = asn1.encode_integer(3)
_INDEFINITE_LENGTH = b"\x30\x80"  # BER: how old Netscape and Java tools begin a PFX
_KEY_BAGS = (asn1.OID_KEY_BAG, asn1.OID_SHROUDED_KEY_BAG)


class PfxContents(NamedTuple):
    """Key objects, and certificates in DER."""

    keys: list[Any]
    certificates: list[bytes]


class _Parts(NamedTuple):
    """Key bags as SafeBag and as PKCS #8, and the ContentInfos that hold no key bag in the open."""

    bags: list[bytes]
    keys: list[bytes]
    others: list[bytes]


def is_pfx(data: bytes) -> bool:
    """Whether `data` begins as a PFX does: version 3, then a ContentInfo."""
    if data.startswith(_INDEFINITE_LENGTH):
        return True
    try:
        version, auth_safe = asn1.children(asn1.first_element(data), at_least=2)[:2]
        return version.encoded == _VERSION and asn1.children(auth_safe, at_least=2)[0].tag == asn1.OBJECT_IDENTIFIER
    except ParseError:
        return False


def open_pfx(data: bytes, password: bytes) -> PfxContents:
    """The contents of a PFX; an empty `password` stands for none too. Raises ValueError: wrong password, damaged."""
    # The empty password is a guess for most files: the MAC refuses it before any key is derived for nothing.
    whole = None if password else _open_whole(data, password)
    try:
        parts = _take_apart(data)
        if len(parts.keys) > (1 if whole else 0):
            return PfxContents(_open_keys(parts, password), _open_certificates(parts.others, password))
    except (ParseError, ValueError):
        pass  # the library may know better
    return whole or _open_whole(data, password)


def _octets(content_info: asn1.Element) -> bytes:
    """What a ContentInfo of type data holds (RFC 5652 section 4)."""
    content = asn1.children(content_info, at_least=2)[1]
    octets = asn1.children(content, at_least=1, tag=asn1.CONTEXT_0)[0]
    if octets.tag != asn1.OCTET_STRING:
        raise ParseError("PFX: OCTET STRING wanted")
    return octets.content


def _data(content: bytes) -> bytes:
    """A ContentInfo of type data."""
    octets = asn1.encode(asn1.OCTET_STRING, content)
    oid = asn1.encode(asn1.OBJECT_IDENTIFIER, asn1.OID_DATA)
    return asn1.encode(asn1.SEQUENCE, oid, asn1.encode(asn1.CONTEXT_0, octets))


def _take_apart(data: bytes) -> _Parts:
    parts = _Parts([], [], [])
    auth_safe = asn1.children(asn1.first_element(data), at_least=2)[1]
    for content_info in asn1.children(asn1.first_element(_octets(auth_safe))):
        if asn1.children(content_info, at_least=1)[0].content == asn1.OID_DATA:
            _sort_bags(_octets(content_info), parts)
        else:
            parts.others.append(content_info.encoded)
    return parts


def _sort_bags(safe_contents: bytes, parts: _Parts) -> None:
    others = []
    for bag in asn1.children(asn1.first_element(safe_contents)):
        bag_id, value = asn1.children(bag, at_least=2)[:2]
        if bag_id.content in _KEY_BAGS:
            parts.bags.append(bag.encoded)
            parts.keys.append(asn1.children(value, at_least=1, tag=asn1.CONTEXT_0)[0].encoded)
        else:
            others.append(bag.encoded)
    if others:
        parts.others.append(_data(asn1.encode(asn1.SEQUENCE, *others)))


def _assemble(content_infos: list[bytes]) -> bytes:
    """A PFX of these ContentInfos, without MAC."""
    return asn1.encode(asn1.SEQUENCE, _VERSION, _data(asn1.encode(asn1.SEQUENCE, *content_infos)))


def _open_keys(parts: _Parts, password: bytes) -> list[Any]:
    if password:
        return [load_der_key(key, password if _is_encrypted(key) else None) for key in parts.keys]
    # The empty password of a key bag is a thing of PKCS #12 only: as PKCS #8 the library takes it for none.
    bags = [_assemble([_data(asn1.encode(asn1.SEQUENCE, bag))]) for bag in parts.bags]
    return [key for bag in bags for key in _open_whole(bag, password).keys]


def _is_encrypted(pkcs8: bytes) -> bool:
    return asn1.children(asn1.first_element(pkcs8), at_least=1)[0].tag == asn1.SEQUENCE


def _open_certificates(content_infos: list[bytes], password: bytes) -> list[bytes]:
    """The certificates, or none where they cannot be opened: the keys are what counts."""
    if not content_infos:
        return []
    try:
        return _open_whole(_assemble(content_infos), password).certificates
    except ValueError:
        return []


def _open_whole(data: bytes, password: bytes) -> PfxContents:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # as in key_loading: what is deprecated for endpoints is met in captures
        try:
            opened = pkcs12.load_pkcs12(data, password)
        except (TypeError, UnsupportedAlgorithm) as error:
            raise ValueError(str(error)) from error
    certificates = [*([opened.cert] if opened.cert else []), *opened.additional_certs]
    encoded = [each.certificate.public_bytes(Encoding.DER) for each in certificates]
    return PfxContents([opened.key] if opened.key else [], encoded)
