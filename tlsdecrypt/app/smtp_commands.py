"""parse_command: one line of an SMTP client (RFC 5321 section 4.1, RFC 4954, RFC 3030, and Exchange's own)."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

AUTH_VERBS: Final = frozenset({"AUTH", "X-EXPS"})
TLS_VERBS: Final = frozenset({"STARTTLS", "X-ANONYMOUSTLS"})
KNOWN_VERBS: Final = frozenset(
    {
        "AUTH", "BDAT", "BURL", "DATA", "EHLO", "ETRN", "EXPN", "HELO", "HELP", "LHLO", "MAIL", "NOOP", "QUIT", "RCPT",
        "RSET", "SAML", "SEND", "SOML", "STARTTLS", "TURN", "VRFY", "X-ANONYMOUSTLS", "X-EXPS", "X-LINK2STATE",
        "XCLIENT", "XEXCH50", "XFORWARD", "XPROXY", "XPROXYFROM", "XPROXYTO", "XQDISCARD", "XRDST",
        "XSESSIONPARAMS", "XSHADOW", "XSHADOWREQUEST",
    }
)  # fmt: skip
GREETINGS: Final = frozenset({"EHLO", "HELO", "LHLO"})

_VERB = re.compile(r"[!-~]{1,40}")
# A line that is a command in all likelihood, wherever the stream is picked up.
_PLAUSIBLE = re.compile(
    r"(?:(?:EHLO|HELO|LHLO) \S+|MAIL FROM:\s?<.*|RCPT TO:\s?<.*|DATA|RSET|QUIT|NOOP(?: .*)?|VRFY \S+|EXPN \S+|HELP"
    r"|STARTTLS|AUTH [A-Z0-9_-]{1,20}(?: \S+)?|BDAT \d+(?: LAST)?|ETRN \S+|X-ANONYMOUSTLS|X-EXPS [A-Z0-9]{1,20}.*"
    r"|XEXCH50 \d+ \d+|XPROXY[A-Z]*(?: .*)?|XSHADOW[A-Z]*(?: .*)?|XCLIENT \S.*|XFORWARD \S.*|XQDISCARD \d.*)\s*\Z",
    re.IGNORECASE,
)
_PATH = re.compile(r"(?:FROM|TO):\s*(?:<((?:\"(?:[^\"\\]|\\.)*\"|[^>\"])*)>|(\S+))(.*)\Z", re.IGNORECASE)
_BDAT = re.compile(r"BDAT\s+(\d{1,12})(\s+LAST)?\s*\Z", re.IGNORECASE)
_XEXCH50 = re.compile(r"XEXCH50\s+(\d{1,9})\b", re.IGNORECASE)
_MECHANISM = re.compile(r"[A-Za-z0-9_-]{1,40}\Z")

MAX_ADDRESS: Final = 320
MAX_PARAMETERS: Final = 30
MAX_PARAMETER: Final = 200


class Command(NamedTuple):
    """A command line: its verb in upper case, what of it may be shown, and the secret that stood behind that."""

    verb: str
    line: str
    secret: str = ""

    @property
    def argument(self) -> str:
        """What follows the verb, secrets left out."""
        return self.line.partition(" ")[2].strip()


class Path(NamedTuple):
    """The address of MAIL or RCPT ("" for the null reverse-path) and its parameters (names in upper case)."""

    address: str
    parameters: dict[str, str]


def parse_command(line: str) -> Command:
    """Any line is a command; the verb is empty where none can be one.

    AUTH and X-EXPS carry a token behind their mechanism (RFC 4954 section 4), XPROXY the session of somebody else.
    """
    match = _VERB.match(line)
    if match is None:
        return Command("", line)
    verb = match[0].upper()
    if verb in AUTH_VERBS:
        words = line.split()
        if len(words) > 1 and not _MECHANISM.match(words[1]):
            return Command(verb, words[0], " ".join(words[1:]))
        return Command(verb, " ".join(words[:2]), " ".join(words[2:]))
    if verb.startswith("XPROXY"):
        return Command(verb, match[0], line[match.end() :].strip())
    return Command(verb, line)


def is_plausible(line: str) -> bool:
    """Whether a line is a command in all likelihood: for streams that are picked up in the middle."""
    return _PLAUSIBLE.match(line) is not None


def parse_path(argument: str) -> Path | None:
    """`FROM:<avery@contoso.com> SIZE=1000`, also without brackets; None where it is no path."""
    match = _PATH.match(argument)
    if match is None:
        return None
    parameters: dict[str, str] = {}
    for word in match[3].split()[:MAX_PARAMETERS]:
        name, _, value = word.partition("=")
        parameters[name.upper()[:MAX_PARAMETER]] = value[:MAX_PARAMETER]
    address = match[1] if match[1] is not None else match[2]
    return Path(address[:MAX_ADDRESS], parameters)


def chunk_of(line: str) -> tuple[int, bool] | None:
    """The length in bytes that BDAT announces, and whether it is the last (RFC 3030); None where it is no BDAT."""
    match = _BDAT.match(line)
    return (int(match[1]), match[2] is not None) if match else None


def blob_length(line: str) -> int | None:
    """The length in bytes of what follows XEXCH50 ([MS-XEXCH50]); None where it says none."""
    match = _XEXCH50.match(line)
    return int(match[1]) if match else None
