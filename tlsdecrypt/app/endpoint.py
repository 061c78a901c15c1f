"""Which service of an Exchange world a request is for, by its path (in any case) or method; the first hit counts."""

from __future__ import annotations

import re
from functools import lru_cache

AUTODISCOVER_POX = "autodiscover-pox"
AUTODISCOVER_SOAP = "autodiscover-soap"
EWS = "ews"

_OUTLOOK_ANYWHERE = "outlook-anywhere"
ASKED_BY_PROGRAMS = frozenset(  # and never by people, who could read a page
    {
        AUTODISCOVER_POX,
        AUTODISCOVER_SOAP,
        "autodiscover-v2",
        EWS,
        "mapi-http",
        _OUTLOOK_ANYWHERE,
        "activesync",
        "mrsproxy",
        "wsman",
    }
)
_OUTLOOK_ANYWHERE_METHODS = frozenset({"RPC_IN_DATA", "RPC_OUT_DATA", "RPC_ECHO_DATA"})

_SERVICES = (
    (r"/autodiscover/autodiscover\.xml", AUTODISCOVER_POX),
    (r"/autodiscover/autodiscover\.svc(/wssecurity(/.*)?)?", AUTODISCOVER_SOAP),
    (r"/autodiscover/autodiscover\.json(/.*)?", "autodiscover-v2"),
    (r"/ews/mrsproxy\.svc(/.*)?", "mrsproxy"),
    (r"/ews/(exchange\.asmx(/.*)?|services\.wsdl)", EWS),
    (r"/mapi/(emsmdb|nspi|healthcheck\.htm)(/.*)?", "mapi-http"),
    (r"/rpc/rpcproxy\.dll|/rpcwithcert/.*", _OUTLOOK_ANYWHERE),
    (r"/microsoft-server-activesync(/.*)?", "activesync"),
    (r"/owa(/.*)?", "owa"),
    (r"/ecp(/.*)?", "ecp"),
    (r"/oab(/.*)?", "oab"),
    (r"/powershell(-[^/]*)?(/.*)?|/wsman(/.*)?", "wsman"),
    (r"/public(/.*)?", "legacy-free-busy"),
    (r"/adfs(/.*)?|/federationmetadata/.*", "ws-trust"),
    (r".*/?(extsts|rst2|getuserrealm)\.srf|/[^/]+/userrealm(/.*)?", "ws-trust"),
    (r"(/[^/]+)?/oauth2(/.*)?|(/[^/]+)?/tokens/oauth/2(/.*)?|/common/oauth2(/.*)?", "oauth"),
    (r"/cookieauth\.dll.*", "tmg-forms"),
)
_PATHS = tuple((re.compile(pattern), service) for pattern, service in _SERVICES)
_SCHEME_AND_AUTHORITY = re.compile(r"https?://[^/?#]*")


def classify(method: str, target: str) -> str | None:
    """The service that `method target` asks, None for any other."""
    if method in _OUTLOOK_ANYWHERE_METHODS:
        return _OUTLOOK_ANYWHERE
    path = target.partition("?")[0]
    if "://" in path:
        path = _SCHEME_AND_AUTHORITY.sub("", path, count=1)
    return _classify_path(path.lower()[:256])


@lru_cache(maxsize=1024)
def _classify_path(path: str) -> str | None:
    return next((service for pattern, service in _PATHS if pattern.fullmatch(path)), None)
