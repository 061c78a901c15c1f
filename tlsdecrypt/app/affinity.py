"""affinity_of: to which server cookies bind a client, by load balancers and by the front end of Exchange.

The front end keeps in X-BackEndCookie, behind the SID of the user, what it knows of the back end: text whose bytes are
inverted, in Base64, as `Server~ex01.contoso.local~...` or `Database~<guid>~...`; the rest is when it expires. Values of
balancers stay as long as the server does. Those that change with every answer (AWSALB) say nothing.
"""

from __future__ import annotations

import base64
import binascii
import re
from hashlib import sha256
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_COOKIES = 50  # of all fields
MAX_VALUE = 2_000  # characters
MAX_NAME = 80

_BALANCERS = re.compile(r"(?:BIGipServer|ARRAffinity|NSC_|SERVERID\Z|SRVNAME\Z|AWSELB\Z|KEMP)", re.IGNORECASE)
_BACK_END = re.compile(r"(?:\A|[=&])([A-Za-z0-9+/_-]{8,})={0,2}\Z")
_DIGEST = 8  # characters


def affinity_of(cookies: Iterable[str], set_cookies: Iterable[str] = ()) -> dict[str, str]:
    """By the name of the cookie, the back end or a fingerprint; what an answer sets counts more than what was sent.

    `cookies` are Cookie fields, `set_cookies` Set-Cookie fields (RFC 6265 sections 4.2 and 4.1).
    """
    pairs = [pair for field in cookies for pair in field.split(";")[:MAX_COOKIES]]
    pairs += [field.partition(";")[0] for field in set_cookies]
    found: dict[str, str] = {}
    for pair in pairs[: 2 * MAX_COOKIES]:
        name, _, value = pair.strip().partition("=")
        bound = _bound_to(name[:MAX_NAME], value[:MAX_VALUE])
        if bound:
            found[name[:MAX_NAME].lower()] = bound
    return found


def _bound_to(name: str, value: str) -> str | None:
    if name.lower() == "x-backendcookie":
        return _back_end(value)
    if value and _BALANCERS.match(name):
        return sha256(value.encode("utf-8", "surrogateescape")).hexdigest()[:_DIGEST]
    return None


def _back_end(value: str) -> str | None:
    """`ex01.contoso.local`, or the GUID of a database."""
    found = _BACK_END.search(value)
    if found is None:
        return None
    try:
        hidden = base64.b64decode(found[1] + "=" * (-len(found[1]) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None
    kind, _, rest = bytes(each ^ 0xFF for each in hidden).decode("latin-1").partition("~")
    name = rest.partition("~")[0]
    return name.lower()[:MAX_NAME] if kind in ("Server", "Database") and name.isprintable() and name else None
