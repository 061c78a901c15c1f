"""Pseudonyms: other names, as long as the real ones, for hosts, users, addresses and what else names somebody.

The same name has the same pseudonym in everything that one run writes, and nothing can be tried against it later: what
it becomes depends on a salt that is thrown away. Names are found in Base64, UTF-16 and NTLM messages, too.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections import Counter
from ipaddress import ip_address
from typing import TYPE_CHECKING

from tlsdecrypt.redact.base64_names import renamed_base64
from tlsdecrypt.redact.ntlm_names import renamed_ntlm

if TYPE_CHECKING:
    from collections.abc import Callable

SHORTEST_WORD = 4  # characters of a name that is replaced wherever it stands alone
SHORTEST_USER = 3
MAX_NESTING = 3  # Base64 inside Base64
MAX_NAMES = 200_000  # of each kind; more get no pseudonym of their own

ADDRESS, HOST, USER, MAC, IDENTIFIER = "address", "host", "user", "mac", "identifier"

# What says nothing of anybody: top-level domains, names of services, and domains that protocols themselves name.
_TOP_LEVEL = frozenset(
    {
        "com", "net", "org", "edu", "gov", "mil", "int", "info", "biz", "name", "de", "at", "ch", "fr", "it", "es",
        "uk", "nl", "be", "se", "no", "dk", "fi", "pl", "eu", "us", "ca", "au", "jp", "cn", "br", "in", "ru", "io",
        "co", "me", "tv", "cloud", "online", "local", "lan", "internal", "intranet", "corp", "home", "test",
        "example", "invalid", "localhost", "arpa", "ac",
    }
)  # fmt: skip
_SERVICES = frozenset(
    {
        "www", "mail", "mail1", "mail2", "webmail", "autodiscover", "owa", "ews", "smtp", "imap", "pop", "pop3",
        "mx", "ftp", "ns", "dns", "ldap", "sip", "vpn", "remote", "legacy", "cas", "hybrid", "adfs", "sts", "login",
        "auth", "api", "cdn", "static", "outlook", "exchange",
    }
)  # fmt: skip
_PROTOCOL_DOMAINS = frozenset(
    {
        "microsoft.com", "w3.org", "xmlsoap.org", "oasis-open.org", "outlook.com", "office365.com", "office.com",
        "windows.net", "microsoftonline.com", "ietf.org", "iana.org", "openxmlformats.org",
    }
)  # fmt: skip
_TOKEN = re.compile(
    r"(?P<email>[\w.+'-]{1,64}(?:@|%40)[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+)"
    r"|(?P<mac>(?<![\w:-])(?:[0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}(?![\w:-]))"
    r"|(?P<ipv6>(?<![\w:.])(?:[0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f]{0,4}(?![\w:]))"
    r"|(?P<ipv4>(?<![\w.])(?<![^/]/)(?:\d{1,3}\.){3}\d{1,3}(?!\w|\.\d))"
    r"|(?P<host>[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)+)"
    r"|(?P<word>[A-Za-z0-9_-]{3,})",
)
_WIDE = re.compile(rb"(?:[\t\r\n\x20-\x7e]\0){3,}+")  # text in UTF-16
_WIDE_BIG = re.compile(rb"(?:\0[\t\r\n\x20-\x7e]){3,}+")
_SPECIAL = re.compile(r"(?:0|127|255|22[4-9]|23\d)\.|169\.254\.")


class Pseudonyms:
    """One for each run. `counts` says how many names of each kind were replaced, each time that one was."""

    def __init__(self, salt: bytes | None = None) -> None:
        """`salt` makes pseudonyms repeatable, for tests."""
        self.counts: Counter[str] = Counter()
        self._salt = secrets.token_bytes(16) if salt is None else salt
        self._made: dict[tuple[str, str], str] = {}  # by kind and name
        self._taken: set[tuple[str, str]] = set()
        self._originals: dict[str, str] = {}  # of addresses
        self._words: dict[str, str] = {}  # kinds of names that stand alone, in lower case

    def learn_host(self, name: str) -> None:
        """A name of a host, or of a domain: from now on it is known where it stands without the rest, too."""
        labels = name.strip("*.").lower().split(".")
        for label in labels[:-1] if len(labels) > 1 else labels:
            if len(label) >= SHORTEST_WORD and not _is_common(label):
                self._learn(label, HOST)

    def learn_user(self, name: str) -> None:
        r"""A name of a user, as `kim`, `CONTOSO\kim` or `kim@contoso.com`."""
        domain, backslash, user = name.replace("/", "\\").rpartition("\\")
        local, _, host = user.partition("@")
        if backslash:
            self.learn_host(domain)
        if host:
            self.learn_host(host)
        if len(local) >= SHORTEST_USER and not local.isdigit():
            self._learn(local.lower(), USER)

    def _learn(self, word: str, kind: str) -> None:
        if len(self._words) < MAX_NAMES:
            self._words.setdefault(word, kind)

    def text(self, text: str, depth: int = MAX_NESTING) -> str:
        """The same with other names; its length stays."""
        if depth:
            text = renamed_base64(text, lambda data: self.data(data, depth - 1))
        return _TOKEN.sub(self._replace, text)

    def data(self, data: bytes, depth: int = MAX_NESTING) -> bytes:
        """The same for bytes of any encoding that keeps ASCII, and for texts in UTF-16 among them."""
        text = data.decode("latin-1")
        replaced = self.text(text, depth)
        data = data if replaced == text else replaced.encode("latin-1")
        if b"\0" not in data:
            return data
        if b"NTLMSSP" in data:
            data = renamed_ntlm(data, lambda name: self.text(name, depth))
        data = _WIDE.sub(lambda match: self._wide(match[0], "utf-16-le", depth), data)
        return _WIDE_BIG.sub(lambda match: self._wide(match[0], "utf-16-be", depth), data)

    def _wide(self, data: bytes, encoding: str, depth: int) -> bytes:
        return self.text(data.decode(encoding), depth).encode(encoding)

    def identifier(self, text: str) -> str:
        """Hexadecimal digits that name one thing (a serial number, a thumbprint)."""
        return self._pseudonym(IDENTIFIER, text, lambda seed: _digits(seed, text, "0123456789abcdef"))

    def address(self, address: str) -> str:
        """Of an IP address: as long, digit by digit; loopback, multicast and unspecified ones stay."""
        if ":" not in address:
            return address if _SPECIAL.match(address) else self._address(address, _ipv4_like)
        parsed = ip_address(address)
        is_special = parsed.is_loopback or parsed.is_multicast or parsed.is_unspecified
        return address if is_special else self._address(address.lower(), _ipv6_like)

    def original(self, address: str) -> str:
        """The address that has this pseudonym."""
        return self._originals.get(address, address)

    def mac(self, text: str) -> str:
        """Of a MAC address: one that is administered locally; those of groups stay."""
        if int(text[1], 16) & 1:
            return text
        return self._pseudonym(MAC, text.lower(), lambda seed: "02" + _digits(seed, text[2:], "0123456789abcdef"))

    def _address(self, address: str, make: Callable[[str, bytes], str]) -> str:
        made = self._pseudonym(ADDRESS, address, lambda seed: make(address, seed))
        self._originals[made] = address
        return made

    def _replace(self, match: re.Match[str]) -> str:
        kind, token = match.lastgroup, match[0]
        if kind == "word":
            return self._word(token)
        if kind == "host":
            return self._host(token)
        if kind == "email":
            return self._email(token)
        if kind == "mac":
            return self.mac(token)
        try:
            ip_address(token)
        except ValueError:
            return token
        return self.address(token)

    def _email(self, token: str) -> str:
        local, at, host = re.split(r"(@|%40)", token, maxsplit=1)
        self.learn_user(f"{local}@{host}")
        return f"{self._name(USER, local)}{at}{self._host(host)}"

    def _host(self, token: str) -> str:
        if token.lower() in self._words:  # a user name with dots
            return self._word(token)
        labels = token.split(".")
        domain = ".".join(labels[-2:]).lower()
        if domain in _PROTOCOL_DOMAINS:
            return token
        if labels[-1].lower() not in _TOP_LEVEL:
            return ".".join(self._word(label) for label in labels)
        return ".".join([*(self._label(label) for label in labels[:-1]), labels[-1]])

    def _label(self, label: str) -> str:
        return label if _is_common(label.lower()) or label.isdigit() or not label else self._name(HOST, label)

    def _word(self, word: str) -> str:
        kind = self._words.get(word.lower())
        return word if kind is None else self._name(kind, word)

    def _name(self, kind: str, name: str) -> str:
        """Letters for letters, in the case of the name; a name of a user and of a host may be the same."""
        made = self._pseudonym(HOST, name.lower(), lambda seed: _digits(seed, name, "abcdefghijklmnopqrstuvwxyz"))
        self.counts[HOST] -= 1
        self.counts[kind] += 1
        return made.upper() if name.isupper() else made

    def _pseudonym(self, kind: str, name: str, make: Callable[[bytes], str]) -> str:
        self.counts[kind] += 1
        made = self._made.get((kind, name))
        attempt = 0
        while made is None:
            candidate = make(hashlib.sha256(self._salt + f"{attempt} {kind} {name}".encode()).digest())
            attempt += 1
            if (kind, candidate) not in self._taken or attempt > len(name) * 8:  # short names run out of others
                made = self._made[kind, name] = candidate
                self._taken.add((kind, candidate))
        return made


def _is_common(label: str) -> bool:
    return label in _TOP_LEVEL or label in _SERVICES


def _digits(seed: bytes, like: str, alphabet: str) -> str:
    """As long as `like`, its punctuation kept."""
    stream = seed * (len(like) // len(seed) + 1)
    return "".join(
        alphabet[byte % len(alphabet)] if character.isalnum() else character
        for byte, character in zip(stream, like, strict=False)
    )


def _ipv4_like(address: str, seed: bytes) -> str:
    """Each number has as many digits as before; the first one is of a unicast address."""
    octets = []
    for place, octet in enumerate(address.split(".")):
        low, high = ((1, 9), (10, 99), (128, 223))[len(octet) - 1] if not place else _ANY_OCTET[len(octet)]
        octets.append(str(low + int.from_bytes(seed[2 * place : 2 * place + 2], "big") % (high - low + 1)))
    made = ".".join(octets)
    return made if not _SPECIAL.match(made) else _ipv4_like(address, hashlib.sha256(seed).digest())


_ANY_OCTET = {1: (0, 9), 2: (10, 99), 3: (100, 255)}


def _ipv6_like(address: str, seed: bytes) -> str:
    """Each group has as many digits as before, so that the text stays canonical (RFC 5952); fe80 stays what it is."""
    groups = address.split(":")
    for place, group in enumerate(groups):
        if group and not (place == 0 and group.startswith("fe8")) and "." not in group:
            piece = seed[2 * place : 2 * place + 2].hex()
            first = "23" if place == 0 else "123456789abcdef"
            groups[place] = (first[int(piece[0], 16) % len(first)] + piece[1:])[: len(group)]
    return ":".join(groups)
