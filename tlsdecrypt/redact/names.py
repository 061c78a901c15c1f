"""What is secret by its name: fields, parameters of queries, forms and JSON, and elements of XML."""

from __future__ import annotations

import re
from functools import lru_cache

# Names come again and again: one that is known takes no time any more.
MAX_NAMES_REMEMBERED = 2_048
MAX_NAME_REMEMBERED = 64  # characters

SECRET = "secret"  # noqa: S105  the name of a kind
PASSWORD = "password"  # noqa: S105  the name of a kind
TOKEN = "token"  # noqa: S105  the name of a kind
PERSONAL = "personal"

CREDENTIAL_FIELDS = frozenset({"authorization", "proxy-authorization"})
CHALLENGE_FIELDS = frozenset(
    {"www-authenticate", "proxy-authenticate", "authentication-info", "proxy-authentication-info"}
)
# What stands beside a cookie in Set-Cookie (RFC 6265 section 4.1.1 and its kin); all else there is another cookie.
COOKIE_ATTRIBUTES = frozenset(
    {
        "comment", "commenturl", "discard", "domain", "expires", "httponly", "max-age", "partitioned", "path", "port",
        "priority", "samesite", "secure", "version",
    }
)  # fmt: skip
COOKIE_FIELDS = frozenset({"cookie", "cookie2"})
SET_COOKIE_FIELDS = frozenset({"set-cookie", "set-cookie2"})
TARGET_FIELDS = frozenset(
    {"location", "referer", "content-location", "refresh", "link", "x-original-url", "x-rewrite-url", "destination"}
)
PLAIN_FIELDS = frozenset(
    {
        "accept", "accept-encoding", "accept-language", "cache-control", "connection", "content-encoding",
        "content-length", "content-type", "date", "etag", "expires", "host", "keep-alive", "last-modified", "pragma",
        "server", "transfer-encoding", "user-agent", "vary", "via", "x-aspnet-version", "x-powered-by",
    }
)  # fmt: skip
"""Fields that hold no secret, so that nothing is sought in them."""

_SECRET_FIELDS = frozenset({"x-commonaccesstoken", "x-owa-canary", "x-ms-policykey", "x-api-key", "x-authorization"})
_SECRET_FIELD = re.compile(
    r"x-ext-|.*(?:canary|token|secret|password|passwd|authoriz|cookie|session-?id|[cx]srf)"
    r"|.*(?:api|auth|access|account|private|subscription)[_-]?key|(?:.*-)?auth\Z"
)

_PASSWORDS = frozenset({"password", "passwd", "pwd", "pass", "oldpwd", "newpwd1", "newpwd2", "passphrase", "kennwort"})
_ONLY_IN_QUERIES = frozenset(
    {"code", "curl", "wctx", "relaystate", "state", "sig", "key", "ticket", "auth", "cadata", "nonce", "samlrequest"}
)
_SECRET_NAMES = frozenset(
    {
        "wresult", "samlresponse", "assertion", "code_verifier", "sessionid", "apikey", "api_key",
        "sharedaccesssignature", "policykey", "device_code", "deviceid", "device_id",
    }
)  # fmt: skip
_SECRET_NAME = re.compile(r".*(?:passw|pwd|passphrase|secret|token|canary|assertion|credential|authorization)")
_HARMLESS_NAME = re.compile(
    r"x_ms_credential.*|.*(?:types?|endpoint|issuers?|name|length|count|expire[sd]?|expires_in|lifetime|policy|ur[il]|state|status|format)"
)

SECRET_ELEMENTS: dict[str, str] = {
    "password": PASSWORD,
    "oldpassword": PASSWORD,
    "newpassword": PASSWORD,
    "recoverypassword": PASSWORD,
    "ss": SECRET,
    "nonce": SECRET,
    "binarysecuritytoken": TOKEN,
    "assertion": TOKEN,
    "encryptedassertion": TOKEN,
    "encrypteddata": TOKEN,
    "ciphervalue": SECRET,
    "signaturevalue": SECRET,
    "binarysecret": SECRET,
    "entropy": SECRET,
    "requestedsecuritytoken": TOKEN,
    "requestedprooftoken": TOKEN,
    "serializedsecuritycontext": TOKEN,
    "clientaccesstoken": TOKEN,
    "tokenvalue": TOKEN,
    "subscriptionid": TOKEN,
    "arguments": SECRET,  # of WSMan: commands of PowerShell in Base64, with their parameters
    "creationxml": SECRET,
    "stream": SECRET,
    "policykey": SECRET,
    "initial-response": TOKEN,  # of XMPP (XEP-0388)
    "mimecontent": PERSONAL,
    "content": PERSONAL,
    "subject": PERSONAL,
    "textbody": PERSONAL,
    "uniquebody": PERSONAL,
    "normalizedbody": PERSONAL,
    "conversationtopic": PERSONAL,
    "preview": PERSONAL,
    "location": PERSONAL,
    "notes": PERSONAL,
    "birthday": PERSONAL,
    "internalreply": PERSONAL,
    "externalreply": PERSONAL,
    "internetmessageheaders": PERSONAL,
    "extendedproperty": PERSONAL,
    "phonenumbers": PERSONAL,
    "physicaladdresses": PERSONAL,
}
"""Local names in lower case, and the kind of secret; all inside is masked, since it may stand in a child."""

# Of XMPP (RFC 6120 section 6, XEP-0388): secret only where their attributes name SASL or a mechanism.
SASL_ELEMENTS = frozenset({"auth", "response", "challenge", "success", "initial-response", "additional-data"})
SASL_ATTRIBUTE = re.compile(r"\bmechanism\s*=|xmpp-sasl|xmpp:sasl")

# Of elements that no schema here knows. What asks for a password (AllowSimpleDevicePassword) holds none.
_SECRET_ELEMENT = re.compile(r"(?!allow|enable|has|is|max|min|no|require)\w*(?:passw(?:or)?d|pwd|passphrase|secret)")


_ACTIVESYNC = re.compile(r"/microsoft-server-activesync/*\Z", re.IGNORECASE)
_BASE64_QUERY = re.compile(r"(?:[A-Za-z0-9+/_-]|%2B|%2F){8,}(?:=|%3D){0,2}", re.IGNORECASE)


def element_kind(name: str) -> str | None:
    """The kind of secret that an XML element of this local name holds, None for none."""
    lowered = name.lower()
    if lowered in SECRET_ELEMENTS:
        return SECRET_ELEMENTS[lowered]
    if _SECRET_ELEMENT.fullmatch(lowered) is None:
        return None
    return SECRET if lowered.endswith("secret") else PASSWORD


def is_secret_query(path: str, query: str) -> bool:
    """Whether a query holds its secrets without names: that of ActiveSync in Base64, with device id and policy key."""
    return _ACTIVESYNC.search(path) is not None and _BASE64_QUERY.fullmatch(query) is not None


def is_secret_field(name: str) -> bool:
    """Whether a field (in lower case) is secret as a whole."""
    return _is_secret_field(name) if len(name) <= MAX_NAME_REMEMBERED else _is_secret_field.__wrapped__(name)


@lru_cache(maxsize=MAX_NAMES_REMEMBERED)
def _is_secret_field(name: str) -> bool:
    return name in _SECRET_FIELDS or _SECRET_FIELD.match(name) is not None


def secret_kind(name: str, *, is_query: bool = False) -> str | None:
    """The kind of secret that a parameter called `name` holds, None for none.

    Some names mean something else outside of queries and forms: `code` in JSON is mostly an error code.
    """
    return (_secret_kind if len(name) <= MAX_NAME_REMEMBERED else _secret_kind.__wrapped__)(name, is_query)


@lru_cache(maxsize=MAX_NAMES_REMEMBERED)
def _secret_kind(name: str, is_query: bool) -> str | None:  # noqa: FBT001 - positions make a cheaper key
    lowered = name.strip().lower()
    if lowered in _PASSWORDS:
        return PASSWORD
    if lowered in _SECRET_NAMES or (is_query and lowered in _ONLY_IN_QUERIES):
        return TOKEN
    if _SECRET_NAME.match(lowered) is None or _HARMLESS_NAME.fullmatch(lowered):
        return None
    return PASSWORD if "passw" in lowered or "pwd" in lowered else TOKEN
