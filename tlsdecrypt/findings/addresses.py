"""What an address or a host name tells: inside or outside, whose cloud, one subnet or two."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ipaddress import IPv4Network, IPv6Network

_INTERNAL = tuple(
    map(
        ip_network,
        (
            "10.0.0.0/8",
            "172.16.0.0/12",
            "192.168.0.0/16",
            "100.64.0.0/10",
            "127.0.0.0/8",
            "169.254.0.0/16",
            "::1/128",
            "fc00::/7",
            "fe80::/10",
        ),
    )
)
# What only internal resolvers know: top-level domains that no registry hands out (RFC 6762, RFC 9476 and custom).
PRIVATE_SUFFIXES = frozenset(
    {"local", "lan", "internal", "intranet", "corp", "home", "private", "localdomain", "test", "localhost"}
)
_MICROSOFT_SUFFIXES = (
    "outlook.com",
    "office365.com",
    "office.com",
    "office.net",
    "microsoftonline.com",
    "microsoftonline-p.com",
    "microsoft.com",
    "live.com",
    "windows.net",
    "cloud.microsoft",
)


# From which Exchange Online talks (Microsoft: Office 365 URLs and IP address ranges, Exchange Online).
_EXCHANGE_ONLINE = tuple(
    map(
        ip_network,
        (
            "13.107.128.0/22",
            "23.103.160.0/20",
            "40.92.0.0/15",
            "40.96.0.0/13",
            "40.104.0.0/15",
            "40.107.0.0/16",
            "52.96.0.0/14",
            "52.100.0.0/14",
            "104.47.0.0/17",
            "132.245.0.0/16",
            "150.171.32.0/22",
            "2603:1006::/40",
            "2603:1016::/36",
            "2603:1026::/36",
            "2603:1036::/36",
            "2603:1046::/36",
            "2603:1056::/36",
            "2a01:111:f400::/48",
            "2a01:111:f403::/48",
        ),
    )
)


@lru_cache(maxsize=4096)
def is_exchange_online(address: str) -> bool:
    """Whether an address is one of those that Microsoft publishes for Exchange Online."""
    return _is_in(address, _EXCHANGE_ONLINE)


@lru_cache(maxsize=4096)
def is_internal(address: str) -> bool:
    """Whether an address belongs to a private network (RFC 1918, RFC 6598, RFC 4193), this host or this link.

    The networks of the documentation (RFC 5737) count as public: they stand for such.
    """
    return _is_in(address, _INTERNAL)


def _is_in(address: str, networks: tuple[IPv4Network | IPv6Network, ...]) -> bool:
    """Whether one of `networks` holds the address; False for what is none."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    return any(parsed in network for network in networks if network.version == parsed.version)


@lru_cache(maxsize=4096)
def subnet(address: str) -> str:
    """The network that hosts beside this one share: /24 for IPv4, /64 for IPv6."""
    try:
        length = 24 if ip_address(address).version == 4 else 64  # noqa: PLR2004 - IP version 4
        return str(ip_network(f"{address}/{length}", strict=False))
    except ValueError:
        return address


def is_same_site(address: str, other: str) -> bool:
    """Whether two addresses are in one subnet, or in the /48 that a site is given for IPv6 (RFC 6177)."""
    try:
        one, two = ip_address(address), ip_address(other)
    except ValueError:
        return False
    if one.version == two.version == 6:  # noqa: PLR2004 - IP version 6
        return two in ip_network(f"{address}/48", strict=False)
    return subnet(address) == subnet(other)


@lru_cache(maxsize=4096)
def is_address(name: str) -> bool:
    """Whether a host is named by its address."""
    try:
        ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True


def is_private_name(name: str) -> bool:
    """Whether nobody outside can resolve a host name: a single label, or below a private top-level domain."""
    labels = name.lower().rstrip(".").split(".")
    return len(labels) == 1 or labels[-1] in PRIVATE_SUFFIXES


@lru_cache(maxsize=4096)
def is_microsoft(name: str | None) -> bool:
    """Whether a host name is one of Microsoft's cloud."""
    lowered = (name or "").lower().rstrip(".")
    return any(lowered == suffix or lowered.endswith(f".{suffix}") for suffix in _MICROSOFT_SUFFIXES)


def domain_of(name: str) -> str:
    """The registrable domain of a host name, roughly: its last two labels, three where the second is short.

    `mail.contoso.com` is of `contoso.com`, `mail.contoso.co.uk` of `contoso.co.uk`.
    """
    labels = name.lower().rstrip(".").rpartition("@")[2].split(".")
    is_short_second = len(labels) > 2 and len(labels[-1]) == 2 and labels[-2] in _SECOND_LEVELS  # noqa: PLR2004
    return ".".join(labels[-3:] if is_short_second else labels[-2:])


_SECOND_LEVELS = frozenset({"co", "com", "org", "net", "ac", "gov", "edu", "or", "ne", "go"})


def covers(pattern: str, host: str) -> bool:
    """Whether a name of a certificate stands for a host; a wildcard covers one label (RFC 9525 section 6.3)."""
    pattern, host = pattern.lower().rstrip("."), host.lower().rstrip(".")
    if pattern.startswith("*."):
        label, _, rest = host.partition(".")
        return bool(label) and rest == pattern[2:]
    return pattern == host
