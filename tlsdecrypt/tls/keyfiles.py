"""Key files become private keys: PFX, PEM and DER, told by what they hold, not by what they are called."""

from __future__ import annotations

import binascii
import re
from base64 import b64decode
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeVar

from tlsdecrypt.errors import KeyFileError, ParseError, PasswordError
from tlsdecrypt.tls import der as asn1
from tlsdecrypt.tls.certificates import certificate_facts
from tlsdecrypt.tls.encrypted_hello import EchConfig, parse_ech_configs
from tlsdecrypt.tls.key_loading import load_der_key, load_pem_key
from tlsdecrypt.tls.keylog import is_keylog
from tlsdecrypt.tls.pkcs12 import is_pfx, open_pfx
from tlsdecrypt.tls.private_key import PrivateKey, private_key
from tlsdecrypt.value import replace

if TYPE_CHECKING:
    from collections.abc import Callable

    from tlsdecrypt.tls.certificates import CertificateFacts

__all__ = ["PrivateKey", "parse_key_file"]

_Opened = TypeVar("_Opened")

# Possessive, so that no file takes quadratic time; a block whose end is missing does not swallow the next one.
_PEM_BLOCK: Final = re.compile(
    rb"-----BEGIN ([A-Z0-9 .#]++)-----((?:[^-]++|-(?!----(?:BEGIN|END) ))*+)-----END \1-----"
)
_PEM_BEGIN: Final = b"-----BEGIN "
_BASE64: Final = re.compile(rb"[A-Za-z0-9+/\s]{64,}+={0,2}\s*+")
_UTF8_BOM: Final = b"\xef\xbb\xbf"
_UTF16_BOMS: Final = (b"\xff\xfe", b"\xfe\xff")
_JAVA_KEYSTORES: Final = (b"\xfe\xed\xfe\xed", b"\xce\xce\xce\xce")

_KEY_LABELS: Final = {b"PRIVATE KEY", b"RSA PRIVATE KEY", b"EC PRIVATE KEY", b"DSA PRIVATE KEY", b"ANY PRIVATE KEY"}
_ENCRYPTED_LABEL: Final = b"ENCRYPTED PRIVATE KEY"
_CERTIFICATE_LABELS: Final = {b"CERTIFICATE", b"X509 CERTIFICATE", b"TRUSTED CERTIFICATE"}
_ECH_LABEL: Final = b"ECHCONFIG"  # RFC 9934
_PKCS7_LABELS: Final = {b"PKCS7", b"PKCS #7 SIGNED DATA", b"CMS"}

_ONLY_CERTIFICATE: Final = (
    "holds only a certificate and no private key: export it again with its private key (on Windows as .pfx, with"
    ' "Yes, export the private key")'
)


@dataclass(slots=True)
class _Material:
    """What was found in one file: key objects, certificates in DER, and whether other things were there."""

    keys: list[Any] = field(default_factory=list, repr=False)
    certificates: list[bytes] = field(default_factory=list, repr=False)
    ech_configs: list[EchConfig] = field(default_factory=list, repr=False)
    has_pkcs7: bool = False
    has_public_key: bool = False


class _File:
    """One key file while it is read: its name for messages, and its password, asked for once and only if needed."""

    def __init__(self, source: str, ask: Callable[[], str | None]) -> None:
        self.source = source
        self._ask = ask
        self._asked = False
        self._password: str | None = None

    def fault(self, what: str) -> KeyFileError:
        """The error that says so of this file."""
        return KeyFileError(f"{self.source}: {what}")

    def unlock(self, unlock: Callable[[bytes], _Opened], what: str) -> _Opened:
        """What `unlock` gives for the password of this file. Raises PasswordError."""
        if not self._asked:
            self._asked, self._password = True, self._ask()
        if self._password is None:
            raise PasswordError(f"{self.source}: {what} is encrypted, and no password was given")
        for encoded in _encodings(self._password):
            try:
                return unlock(encoded)
            except ValueError:
                continue
        raise PasswordError(f"{self.source}: {what} does not open with this password, or is damaged")


def _encodings(password: str) -> list[bytes]:
    """UTF-8, and Latin-1 where it differs: how many tools took what was typed before UTF-8 was everywhere."""
    return list(dict.fromkeys((password.encode(), password.encode("latin-1", "replace"))))


def parse_key_file(data: bytes, source: str, password: Callable[[], str | None]) -> list[PrivateKey]:
    """The private keys in a PFX, PEM or DER file, each with its certificate where that is in the file too.

    `source` names the file in errors; `password` is called once at most, and only where something is encrypted.
    Raises KeyFileError where there is no usable private key, PasswordError where the password is missing or wrong.
    """
    file = _File(source, password)
    data = _plain(data)
    if not data.strip():
        raise file.fault("the file is empty")
    material = _read(data, file)
    if not material.keys:
        raise file.fault(_why_no_key(material))
    keys = [_with_ech_configs(private_key(key, source), material.ech_configs) for key in material.keys]
    return _with_certificates(keys, material.certificates)


def _plain(data: bytes) -> bytes:
    """Text in UTF-16 as ASCII, and without a byte order mark."""
    if data.startswith(_UTF16_BOMS):
        return data.decode("utf-16", "replace").encode("ascii", "replace")
    return data.removeprefix(_UTF8_BOM)


def _read(data: bytes, file: _File) -> _Material:
    if _PEM_BEGIN in data:
        return _read_pem(data, file)
    if data[0] == asn1.SEQUENCE:
        return _read_der(data, file)
    if data.startswith(_JAVA_KEYSTORES):
        raise file.fault("a Java keystore: convert it with keytool -importkeystore -deststoretype PKCS12")
    if is_keylog(data):
        raise file.fault("a key log, not a private key: give it with --keylog")
    if _BASE64.fullmatch(data) and (decoded := _from_base64(data)).startswith(b"\x30"):
        return _read_der(decoded, file)
    raise file.fault("holds no private key: a PFX, PEM or DER file is wanted")


def _from_base64(data: bytes) -> bytes:
    try:
        return b64decode(data)
    except binascii.Error:
        return b""


def _read_pem(data: bytes, file: _File) -> _Material:
    material = _Material()
    blocks = list(_PEM_BLOCK.finditer(data))
    if not blocks:
        raise file.fault("the PEM text is cut off or damaged: a BEGIN line without its END line")
    for block in blocks:
        _read_pem_block(block[1], block[0], block[2], material, file)
    return material


def _read_pem_block(label: bytes, pem: bytes, body: bytes, material: _Material, file: _File) -> None:
    if label in _CERTIFICATE_LABELS:
        # A trusted certificate of OpenSSL has its trust after it; neither that nor damage spoils the key beside it.
        material.certificates.append(_first(_from_base64(body)))
    elif label == _ENCRYPTED_LABEL or b"Proc-Type: 4,ENCRYPTED" in body:
        material.keys.append(file.unlock(lambda password: load_pem_key(pem, password or None), "the private key"))
    elif label in _KEY_LABELS:
        material.keys.append(_plain_key(_from_base64(body), file))
    elif label == b"OPENSSH PRIVATE KEY":
        raise file.fault("an OpenSSH key: convert a copy of it with ssh-keygen -p -m PEM")
    elif label == _ECH_LABEL:
        material.ech_configs += _ech_configs(_from_base64(body), file)
    elif label == b"PKCS12":
        _add_pfx(_from_base64(body), material, file)
    elif label in _PKCS7_LABELS:
        material.has_pkcs7 = True
    elif label.endswith(b"PUBLIC KEY"):
        material.has_public_key = True


def _ech_configs(data: bytes, file: _File) -> list[EchConfig]:
    try:
        return parse_ech_configs(data)
    except ParseError as error:
        raise file.fault("the ECHConfigList is cut off or damaged") from error


def _first(der: bytes) -> bytes:
    try:
        return asn1.first_element(der).encoded
    except ParseError:
        return der


def _plain_key(der: bytes, file: _File) -> Any:
    try:
        return load_der_key(der)
    except ValueError as error:
        raise file.fault("the private key is damaged, or of a kind that is not known") from error


def _read_der(data: bytes, file: _File) -> _Material:
    material = _Material()
    if is_pfx(data):
        _add_pfx(data, material, file)
        return material
    try:
        whole = asn1.first_element(data)
        tags = [each.tag for each in asn1.children(whole, at_least=2)]
    except ParseError as error:
        raise file.fault("the file is cut off or damaged") from error
    if tags == [asn1.SEQUENCE, asn1.OCTET_STRING]:
        key = file.unlock(lambda password: load_der_key(whole.encoded, password or None), "the private key")
        material.keys.append(key)
    elif tags == [asn1.SEQUENCE, asn1.SEQUENCE, asn1.BIT_STRING]:
        material.certificates.append(whole.encoded)
    elif tags[0] == asn1.OBJECT_IDENTIFIER:  # PKCS #7 (.p7b), which holds certificates
        material.has_pkcs7 = True
    elif tags in ([asn1.SEQUENCE, asn1.BIT_STRING], [asn1.INTEGER, asn1.INTEGER]):
        material.has_public_key = True
    else:
        material.keys.append(_plain_key(whole.encoded, file))
    return material


def _add_pfx(data: bytes, material: _Material, file: _File) -> None:
    """Open a PFX: without password first, which is how many are exported."""
    try:
        contents = open_pfx(data, b"")
    except ValueError:
        contents = file.unlock(lambda password: open_pfx(data, password), "the PFX")
    material.keys += contents.keys
    material.certificates += contents.certificates


def _why_no_key(material: _Material) -> str:
    if material.certificates or material.has_pkcs7:
        return _ONLY_CERTIFICATE
    if material.ech_configs:
        return "holds only what clients know of Encrypted Client Hello, and no private key"
    if material.has_public_key:
        return "holds only a public key: the private key of the server is wanted"
    return "holds no private key"


def _with_ech_configs(key: PrivateKey, configs: list[EchConfig]) -> PrivateKey:
    """With those that let clients encrypt to this key."""
    own = tuple(each.encoded for each in configs if each.public_key == key.public)
    return replace(key, ech_configs=own) if own else key


def _with_certificates(keys: list[PrivateKey], certificates: list[bytes]) -> list[PrivateKey]:
    """Each key once, with the certificate of its public key."""
    facts = {each.spki_sha256: each for each in map(certificate_facts, reversed(certificates))}
    distinct = {key.spki_sha256: key for key in reversed(keys)}
    return [_with_certificate(key, facts.get(key.spki_sha256)) for key in reversed(distinct.values())]


def _with_certificate(key: PrivateKey, facts: CertificateFacts | None) -> PrivateKey:
    return replace(key, certificate=facts, subject=facts.subject or None) if facts else key
