"""parse_ntlm: what an NTLM message shows without its secrets (MS-NLMP section 2.2), through pyspnego."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from tlsdecrypt.value import Value

if TYPE_CHECKING:
    from collections.abc import Callable

    from spnego._ntlm_raw.messages import TargetInfo

MAX_NAME = 256
CHALLENGE, AUTHENTICATE = 2, 3

_T = TypeVar("_T")

_SIGNATURE = b"NTLMSSP\x00"
_MAX_MESSAGE = 48 * 1024  # bytes of a message that are read
_SHORTEST = 64  # bytes that the library wants; old servers send challenges without target info, of 40 bytes
_V1_RESPONSE = 24  # bytes, MS-NLMP section 2.2.2.6
_PROOF = 16  # bytes of NTProofStr before the client's challenge, MS-NLMP section 2.2.2.8
_NO_BINDING = bytes(16)  # MS-NLMP section 2.2.2.1: all zero where the application gave no binding

# The flags that tell clients and policies apart, MS-NLMP section 2.2.2.5.
_FLAGS = (
    (0x00000001, "unicode"),
    (0x00000010, "sign"),
    (0x00000020, "seal"),
    (0x00000080, "lm-key"),
    (0x00000800, "anonymous"),
    (0x00008000, "always-sign"),
    (0x00080000, "extended-session-security"),
    (0x20000000, "128-bit"),
    (0x40000000, "key-exchange"),
)
_VERSION_FLAG = 0x02000000
_TARGET_INFO_FLAG = 0x00800000


class NtlmMessage(Value, frozen=True):
    """An NTLM message: its type (1 to 3), and what is in it ("" or None where there is nothing).

    `target` is who challenges (type 2), `target_name` the service that the client believes to talk to (type 3, an SPN).
    `response` is `NTLMv2`, `NTLMv1`, `LM` or `anonymous`. `time` is ISO 8601 UTC: the server's clock in type 2, in
    type 3 the client's, or the server's handed back. `version` is Windows' own, as in `10.0.20348`. `channel_binding`
    is the hash (hex) that binds type 3 to a TLS channel, "" where the client sent none.
    """

    message_type: int
    domain: str = ""
    user: str = ""
    workstation: str = ""
    target: str = ""
    flags: tuple[str, ...] = ()
    version: str | None = None
    response: str | None = None
    time: str | None = None
    target_name: str = ""
    computer: str = ""
    dns_computer: str = ""
    dns_domain: str = ""
    dns_tree: str = ""
    channel_binding: str = ""
    has_mic: bool = False

    @property
    def account(self) -> str:
        """Who authenticates: domain and user with a backslash between, or the user alone; "" for nobody."""
        return f"{self.domain}\\{self.user}" if self.domain and self.user else self.user


def parse_ntlm(blob: bytes) -> NtlmMessage | None:
    """The NTLM message inside a token, wrapped in SPNEGO or not (MS-NLMP section 2.2.1); None where there is none.

    Never raises: what is cut or lies outside of the message is left out.
    """
    start = blob.find(_SIGNATURE)
    if start < 0:
        return None
    message = blob[start : start + _MAX_MESSAGE]
    message_type = int.from_bytes(message[8:12], "little")
    parsed = _attempt(lambda: _unpack(message), None)
    if parsed is None or message_type not in _READERS:
        return NtlmMessage(message_type)
    return _READERS[message_type](parsed)


def _unpack(message: bytes) -> Any:
    from spnego._ntlm_raw.messages import NTLMMessage  # noqa: PLC0415  takes 90 ms, and most captures hold no NTLM

    return NTLMMessage.unpack(message.ljust(_SHORTEST, b"\0"))


def _attempt(read: Callable[[], _T | None], default: _T) -> _T:
    """What `read` gives; `default` where a peer sent what the library refuses, or nothing."""
    try:
        value = read()
    except Exception:  # noqa: BLE001 - hostile input: the library's faults are not documented
        return default
    return default if value is None else value


def _negotiate(message: Any) -> NtlmMessage:
    return NtlmMessage(
        1,
        domain=_name(lambda: message.domain_name),
        workstation=_name(lambda: message.workstation),
        flags=_flags(message),
        version=_version(message),
    )


def _challenge(message: Any) -> NtlmMessage:
    has_pairs = _attempt(lambda: message.flags, 0) & _TARGET_INFO_FLAG
    pairs = _attempt(lambda: message.target_info, None) if has_pairs else None
    return NtlmMessage(
        CHALLENGE,
        target=_name(lambda: message.target_name),
        flags=_flags(message),
        version=_version(message),
        time=_time(pairs),
        **_server_names(pairs),
    )


def _authenticate(message: Any) -> NtlmMessage:
    response: bytes = _attempt(lambda: message.nt_challenge_response, b"")
    pairs = _client_pairs(response)
    return NtlmMessage(
        AUTHENTICATE,
        domain=_name(lambda: message.domain_name),
        user=_name(lambda: message.user_name),
        workstation=_name(lambda: message.workstation),
        flags=_flags(message),
        version=_version(message),
        response=_response_kind(message, response),
        time=_time(pairs),
        target_name=_pair_text(pairs, 9),
        channel_binding=_channel_binding(pairs),
        has_mic=_attempt(lambda: bool(pairs[6] & 2), default=False) if pairs else False,
        **_server_names(pairs),
    )


_READERS = {1: _negotiate, CHALLENGE: _challenge, AUTHENTICATE: _authenticate}


def _name(read: Callable[[], str | None]) -> str:
    return _printable(_attempt(read, ""))


def _printable(text: str) -> str:
    return "".join(each for each in text[:MAX_NAME] if each.isprintable())


def _flags(message: Any) -> tuple[str, ...]:
    flags: int = _attempt(lambda: message.flags, 0)
    return tuple(name for bit, name in _FLAGS if flags & bit)


def _version(message: Any) -> str | None:
    if not _attempt(lambda: message.flags, 0) & _VERSION_FLAG:
        return None
    version = _attempt(lambda: message.version, None)
    if version is None or not version.major:
        return None
    return f"{version.major}.{version.minor}.{version.build}"


def _client_pairs(response: bytes) -> TargetInfo | None:
    """The AV pairs that an NTLMv2 response covers, MS-NLMP section 2.2.2.7."""
    if len(response) <= _V1_RESPONSE + _PROOF:
        return None

    def read() -> TargetInfo:
        from spnego._ntlm_raw.messages import NTClientChallengeV2  # noqa: PLC0415  see above

        return NTClientChallengeV2.unpack(response[_PROOF:]).av_pairs

    return _attempt(read, None)


def _response_kind(message: Any, response: bytes) -> str | None:
    if len(response) > _V1_RESPONSE:
        return "NTLMv2"
    if len(response) == _V1_RESPONSE:
        return "NTLMv1"
    lm: bytes = _attempt(lambda: message.lm_challenge_response, b"")
    if len(lm) == _V1_RESPONSE:
        return "LM"
    return None if _attempt(lambda: message.user_name, "") else "anonymous"


def _pair_text(pairs: TargetInfo | None, pair: int) -> str:
    value = pairs.get(pair) if pairs else None
    return _printable(value) if isinstance(value, str) else ""


def _server_names(pairs: TargetInfo | None) -> dict[str, Any]:
    """MsvAvNbComputerName, MsvAvDnsComputerName, MsvAvDnsDomainName and MsvAvDnsTreeName, MS-NLMP section 2.2.2.1."""
    wanted = {"computer": 1, "dns_computer": 3, "dns_domain": 4, "dns_tree": 5}
    return {name: _pair_text(pairs, pair) for name, pair in wanted.items()}


def _time(pairs: TargetInfo | None) -> str | None:
    """MsvAvTimestamp, to the second."""
    stamp = pairs.get(7) if pairs else None
    return None if stamp is None else _attempt(lambda: f"{stamp:%Y-%m-%dT%H:%M:%SZ}", None)


def _channel_binding(pairs: TargetInfo | None) -> str:
    """MsvAvChannelBindings: an MD5 hash of gss_channel_bindings_struct (RFC 4121 section 4.1.1.2)."""
    value = pairs.get(10) if pairs else None
    if not isinstance(value, bytes) or len(value) != len(_NO_BINDING) or value == _NO_BINDING:
        return ""
    return value.hex()
