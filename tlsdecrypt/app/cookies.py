"""session_cookies: which sessions a Cookie field continues (RFC 6265 section 4.2), without what would open them."""

from __future__ import annotations

from hashlib import sha256

MAX_COOKIES = 50  # of one field

# Cookies by which Exchange and ASP.NET know a session, or a login that only the server that made it can read.
SESSION_COOKIES = frozenset(
    {
        "asp.net_sessionid",
        "cadata",
        "exchangecookie",
        "mapicontext",
        "outlooksession",
        "sessionid",
        "usercontext",
        "x-backendcookie",
    }
)


def session_cookies(field: str) -> list[str]:
    """`MapiContext#5f3a09c2`: name and fingerprint of each cookie of a session; equal ones have equal fingerprints."""
    found = []
    for pair in field.split(";", MAX_COOKIES)[:MAX_COOKIES]:
        name, _, value = pair.strip().partition("=")
        if name.lower() in SESSION_COOKIES and value:
            found.append(f"{name}#{sha256(value.encode('utf-8', 'surrogateescape')).hexdigest()[:8]}")
    return found
