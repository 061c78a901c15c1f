"""The code points of TLS, by their names in the IANA registries, as open enumerations: unknown values survive.

`ContentType(99)` is a member named `UNKNOWN_0x63` with the value 99; the reserved values of RFC 8701 are named
`GREASE_0x0A0A` and so on where they can occur.
"""

# ruff: noqa: N815 - members are spelled as the registries spell them
from __future__ import annotations

from enum import IntEnum
from functools import lru_cache
from typing import TypeVar

_Enum = TypeVar("_Enum", bound=IntEnum)

_GREASE_NIBBLE = 0x0A


def is_grease(value: int) -> bool:
    """Whether a two-byte code point is reserved to grease the protocol (0x0A0A, 0x1A1A ... 0xFAFA), RFC 8701."""
    high, low = divmod(value, 0x100)
    return high == low and high & 0x0F == _GREASE_NIBBLE


def _make_member(cls: type[_Enum], value: int, name: str) -> _Enum:
    """A member of `cls` that the class does not list."""
    member = int.__new__(cls, value)
    member._name_ = name
    member._value_ = value
    return member


class _OpenByte(IntEnum):
    """An enumeration of one-byte code points that takes every value of a byte."""

    @classmethod
    def _missing_(cls, value: object) -> _OpenByte | None:
        if isinstance(value, int) and 0 <= value <= 0xFF:  # noqa: PLR2004 - the range of a byte
            return _make_member(cls, value, f"UNKNOWN_0x{value:02X}")
        return None


class _OpenUint16(IntEnum):
    """An enumeration of two-byte code points that takes every value of two bytes."""

    @classmethod
    def _missing_(cls, value: object) -> _OpenUint16 | None:
        if isinstance(value, int) and 0 <= value <= 0xFFFF:  # noqa: PLR2004 - the range of two bytes
            kind = "GREASE" if is_grease(value) else "UNKNOWN"
            return _make_member(cls, value, f"{kind}_0x{value:04X}")
        return None


class ContentType(_OpenByte):
    """TLS ContentType, RFC 8446 section 5.1."""

    CHANGE_CIPHER_SPEC = 20
    ALERT = 21
    HANDSHAKE = 22
    APPLICATION_DATA = 23
    HEARTBEAT = 24
    TLS12_CID = 25
    ACK = 26
    RETURN_ROUTABILITY_CHECK = 27


class HandshakeType(_OpenByte):
    """TLS HandshakeType, RFC 8446 section 4, with the reserved values that older captures hold."""

    HELLO_REQUEST = 0
    CLIENT_HELLO = 1
    SERVER_HELLO = 2
    HELLO_VERIFY_REQUEST = 3
    NEW_SESSION_TICKET = 4
    END_OF_EARLY_DATA = 5
    HELLO_RETRY_REQUEST = 6
    ENCRYPTED_EXTENSIONS = 8
    REQUEST_CONNECTION_ID = 9
    NEW_CONNECTION_ID = 10
    CERTIFICATE = 11
    SERVER_KEY_EXCHANGE = 12
    CERTIFICATE_REQUEST = 13
    SERVER_HELLO_DONE = 14
    CERTIFICATE_VERIFY = 15
    CLIENT_KEY_EXCHANGE = 16
    CLIENT_CERTIFICATE_REQUEST = 17
    FINISHED = 20
    CERTIFICATE_URL = 21
    CERTIFICATE_STATUS = 22
    SUPPLEMENTAL_DATA = 23
    KEY_UPDATE = 24
    COMPRESSED_CERTIFICATE = 25
    EKT_KEY = 26
    NEXT_PROTOCOL = 67
    CHANNEL_ID = 203
    MESSAGE_HASH = 254


@lru_cache(maxsize=256)
def handshake_type(value: int) -> HandshakeType:
    """`HandshakeType(value)`, remembered: there are seven messages and more in every handshake, and calls are slow."""
    return HandshakeType(value)


@lru_cache(maxsize=256)
def message_name(kind: HandshakeType) -> str:
    """The name of a handshake message as events have it: `client_hello`."""
    return kind.name.lower()


class HeartbeatMessageType(_OpenByte):
    """TLS HeartbeatMessageType, RFC 6520 section 3."""

    HEARTBEAT_REQUEST = 1
    HEARTBEAT_RESPONSE = 2


class AlertLevel(_OpenByte):
    """TLS AlertLevel, RFC 8446 section 6."""

    WARNING = 1
    FATAL = 2


class AlertDescription(_OpenByte):
    """TLS AlertDescription, RFC 8446 section 6, with the reserved values of its predecessors."""

    CLOSE_NOTIFY = 0
    END_OF_EARLY_DATA = 1
    UNEXPECTED_MESSAGE = 10
    BAD_RECORD_MAC = 20
    DECRYPTION_FAILED = 21
    RECORD_OVERFLOW = 22
    DECOMPRESSION_FAILURE = 30
    HANDSHAKE_FAILURE = 40
    NO_CERTIFICATE = 41
    BAD_CERTIFICATE = 42
    UNSUPPORTED_CERTIFICATE = 43
    CERTIFICATE_REVOKED = 44
    CERTIFICATE_EXPIRED = 45
    CERTIFICATE_UNKNOWN = 46
    ILLEGAL_PARAMETER = 47
    UNKNOWN_CA = 48
    ACCESS_DENIED = 49
    DECODE_ERROR = 50
    DECRYPT_ERROR = 51
    TOO_MANY_CIDS_REQUESTED = 52
    EXPORT_RESTRICTION = 60
    PROTOCOL_VERSION = 70
    INSUFFICIENT_SECURITY = 71
    INTERNAL_ERROR = 80
    INAPPROPRIATE_FALLBACK = 86
    USER_CANCELED = 90
    NO_RENEGOTIATION = 100
    MISSING_EXTENSION = 109
    UNSUPPORTED_EXTENSION = 110
    CERTIFICATE_UNOBTAINABLE = 111
    UNRECOGNIZED_NAME = 112
    BAD_CERTIFICATE_STATUS_RESPONSE = 113
    BAD_CERTIFICATE_HASH_VALUE = 114
    UNKNOWN_PSK_IDENTITY = 115
    CERTIFICATE_REQUIRED = 116
    GENERAL_ERROR = 117
    NO_APPLICATION_PROTOCOL = 120
    ECH_REQUIRED = 121


_FIRST_DRAFT = 0x7F00
_LAST_DRAFT = 0x7FFF


class ProtocolVersion(_OpenUint16):
    """A version as it stands in records and hellos; 0x7Fnn is draft nn of TLS 1.3."""

    SSLv2 = 0x0002
    SSLv3 = 0x0300
    TLSv1_0 = 0x0301
    TLSv1_1 = 0x0302
    TLSv1_2 = 0x0303
    TLSv1_3 = 0x0304
    DTLSv1_3 = 0xFEFC
    DTLSv1_2 = 0xFEFD
    DTLSv1_0 = 0xFEFF

    @property
    def is_draft(self) -> bool:
        """Whether this is a draft of TLS 1.3."""
        return _FIRST_DRAFT < self <= _LAST_DRAFT

    @property
    def label(self) -> str:
        """The name for people: `SSLv3`, `TLSv1.0` ... `TLSv1.3` (the drafts too); of unknown versions the value."""
        if self.is_draft:
            return "TLSv1.3"
        is_named = self.name.startswith(("SSL", "TLS", "DTLS"))
        return self.name.replace("_", ".") if is_named else f"0x{self:04x}"


class ExtensionType(_OpenUint16):
    """TLS ExtensionType, with the unregistered values that were deployed."""

    SERVER_NAME = 0
    MAX_FRAGMENT_LENGTH = 1
    CLIENT_CERTIFICATE_URL = 2
    TRUSTED_CA_KEYS = 3
    TRUNCATED_HMAC = 4
    STATUS_REQUEST = 5
    USER_MAPPING = 6
    CLIENT_AUTHZ = 7
    SERVER_AUTHZ = 8
    CERT_TYPE = 9
    SUPPORTED_GROUPS = 10
    EC_POINT_FORMATS = 11
    SRP = 12
    SIGNATURE_ALGORITHMS = 13
    USE_SRTP = 14
    HEARTBEAT = 15
    APPLICATION_LAYER_PROTOCOL_NEGOTIATION = 16
    STATUS_REQUEST_V2 = 17
    SIGNED_CERTIFICATE_TIMESTAMP = 18
    CLIENT_CERTIFICATE_TYPE = 19
    SERVER_CERTIFICATE_TYPE = 20
    PADDING = 21
    ENCRYPT_THEN_MAC = 22
    EXTENDED_MASTER_SECRET = 23
    TOKEN_BINDING = 24
    CACHED_INFO = 25
    TLS_LTS = 26
    COMPRESS_CERTIFICATE = 27
    RECORD_SIZE_LIMIT = 28
    PWD_PROTECT = 29
    PWD_CLEAR = 30
    PASSWORD_SALT = 31
    TICKET_PINNING = 32
    TLS_CERT_WITH_EXTERN_PSK = 33
    DELEGATED_CREDENTIAL = 34
    SESSION_TICKET = 35
    TLMSP = 36
    TLMSP_PROXYING = 37
    TLMSP_DELEGATE = 38
    SUPPORTED_EKT_CIPHERS = 39
    KEY_SHARE_DRAFT = 40
    PRE_SHARED_KEY = 41
    EARLY_DATA = 42
    SUPPORTED_VERSIONS = 43
    COOKIE = 44
    PSK_KEY_EXCHANGE_MODES = 45
    TICKET_EARLY_DATA_INFO = 46
    CERTIFICATE_AUTHORITIES = 47
    OID_FILTERS = 48
    POST_HANDSHAKE_AUTH = 49
    SIGNATURE_ALGORITHMS_CERT = 50
    KEY_SHARE = 51
    TRANSPARENCY_INFO = 52
    CONNECTION_ID_DEPRECATED = 53
    CONNECTION_ID = 54
    EXTERNAL_ID_HASH = 55
    EXTERNAL_SESSION_ID = 56
    QUIC_TRANSPORT_PARAMETERS = 57
    TICKET_REQUEST = 58
    DNSSEC_CHAIN = 59
    SEQUENCE_NUMBER_ENCRYPTION_ALGORITHMS = 60
    RRC = 61
    TLS_FLAGS = 62
    NEXT_PROTOCOL_NEGOTIATION = 13172
    APPLICATION_SETTINGS = 17513
    APPLICATION_SETTINGS_NEW = 17613
    CHANNEL_ID_OLD = 30031
    CHANNEL_ID = 30032
    ECH_OUTER_EXTENSIONS = 64768
    ENCRYPTED_CLIENT_HELLO = 65037
    RENEGOTIATION_INFO = 65281
    QUIC_TRANSPORT_PARAMETERS_DRAFT = 65445
    ENCRYPTED_SERVER_NAME = 65486


class NamedGroup(_OpenUint16):
    """TLS Supported Groups, spelled as the registry does."""

    sect163k1 = 1
    sect163r1 = 2
    sect163r2 = 3
    sect193r1 = 4
    sect193r2 = 5
    sect233k1 = 6
    sect233r1 = 7
    sect239k1 = 8
    sect283k1 = 9
    sect283r1 = 10
    sect409k1 = 11
    sect409r1 = 12
    sect571k1 = 13
    sect571r1 = 14
    secp160k1 = 15
    secp160r1 = 16
    secp160r2 = 17
    secp192k1 = 18
    secp192r1 = 19
    secp224k1 = 20
    secp224r1 = 21
    secp256k1 = 22
    secp256r1 = 23
    secp384r1 = 24
    secp521r1 = 25
    brainpoolP256r1 = 26
    brainpoolP384r1 = 27
    brainpoolP512r1 = 28
    x25519 = 29
    x448 = 30
    brainpoolP256r1tls13 = 31
    brainpoolP384r1tls13 = 32
    brainpoolP512r1tls13 = 33
    GC256A = 34
    GC256B = 35
    GC256C = 36
    GC256D = 37
    GC512A = 38
    GC512B = 39
    GC512C = 40
    curveSM2 = 41
    ffdhe2048 = 256
    ffdhe3072 = 257
    ffdhe4096 = 258
    ffdhe6144 = 259
    ffdhe8192 = 260
    MLKEM512 = 512
    MLKEM768 = 513
    MLKEM1024 = 514
    SecP256r1MLKEM768 = 4587
    X25519MLKEM768 = 4588
    SecP384r1MLKEM1024 = 4589
    curveSM2MLKEM768 = 4590
    X25519Kyber768Draft00 = 25497
    SecP256r1Kyber768Draft00 = 25498
    arbitrary_explicit_prime_curves = 65281
    arbitrary_explicit_char2_curves = 65282


class SignatureScheme(_OpenUint16):
    """TLS SignatureScheme; up to TLS 1.2 the high byte is the hash and the low byte the signature algorithm."""

    rsa_pkcs1_md5 = 0x0101
    rsa_pkcs1_sha1 = 0x0201
    dsa_sha1 = 0x0202
    ecdsa_sha1 = 0x0203
    rsa_pkcs1_sha224 = 0x0301
    dsa_sha224 = 0x0302
    ecdsa_sha224 = 0x0303
    rsa_pkcs1_sha256 = 0x0401
    dsa_sha256 = 0x0402
    ecdsa_secp256r1_sha256 = 0x0403
    rsa_pkcs1_sha256_legacy = 0x0420
    rsa_pkcs1_sha384 = 0x0501
    dsa_sha384 = 0x0502
    ecdsa_secp384r1_sha384 = 0x0503
    rsa_pkcs1_sha384_legacy = 0x0520
    rsa_pkcs1_sha512 = 0x0601
    dsa_sha512 = 0x0602
    ecdsa_secp521r1_sha512 = 0x0603
    rsa_pkcs1_sha512_legacy = 0x0620
    eccsi_sha256 = 0x0704
    iso_ibs1 = 0x0705
    iso_ibs2 = 0x0706
    iso_chinese_ibs = 0x0707
    sm2sig_sm3 = 0x0708
    gostr34102012_256a = 0x0709
    gostr34102012_256b = 0x070A
    gostr34102012_256c = 0x070B
    gostr34102012_256d = 0x070C
    gostr34102012_512a = 0x070D
    gostr34102012_512b = 0x070E
    gostr34102012_512c = 0x070F
    rsa_pss_rsae_sha256 = 0x0804
    rsa_pss_rsae_sha384 = 0x0805
    rsa_pss_rsae_sha512 = 0x0806
    ed25519 = 0x0807
    ed448 = 0x0808
    rsa_pss_pss_sha256 = 0x0809
    rsa_pss_pss_sha384 = 0x080A
    rsa_pss_pss_sha512 = 0x080B
    ecdsa_brainpoolP256r1tls13_sha256 = 0x081A
    ecdsa_brainpoolP384r1tls13_sha384 = 0x081B
    ecdsa_brainpoolP512r1tls13_sha512 = 0x081C
    mldsa44 = 0x0904
    mldsa65 = 0x0905
    mldsa87 = 0x0906
