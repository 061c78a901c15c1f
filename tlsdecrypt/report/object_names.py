"""Names of files for what strangers named: no path in them, nothing that a system reserves, of bounded length."""

from __future__ import annotations

import re
from urllib.parse import unquote

MAX_NAME = 60  # characters of the part that a stranger chose
MAX_SUFFIX = 10

_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
_SUFFIXES = {
    "application/json": ".json",
    "application/octet-stream": ".bin",
    "application/soap+xml": ".xml",
    "application/x-www-form-urlencoded": ".txt",
    "application/xml": ".xml",
    "application/vnd.ms-sync.wbxml": ".wbxml",
    "image/gif": ".gif",
    "image/jpeg": ".jpg",
    "image/png": ".png",
    "image/svg+xml": ".svg",
    "message/rfc822": ".eml",
    "text/css": ".css",
    "text/html": ".html",
    "text/javascript": ".js",
    "text/plain": ".txt",
    "text/xml": ".xml",
}
# What a double click runs: such files get one suffix more, so that looking at a capture starts no program.
_RUN_BY_A_CLICK = frozenset(
    {
        ".app", ".bat", ".cmd", ".com", ".command", ".cpl", ".desktop", ".dll", ".exe", ".hta", ".htm", ".html", ".jar",
        ".js", ".jse", ".lnk", ".msc", ".msi", ".msp", ".pif", ".ps1", ".reg", ".scr", ".sh", ".svg", ".url", ".vb",
        ".vbe", ".vbs", ".wsf", ".wsh", ".xhtml",
    }
)  # fmt: skip
_HARMLESS = ".txt"


def object_name(prefix: str, wanted: str, media_type: str) -> str:
    """`prefix`, which is ours and unique, then what is left of the name that was `wanted`, and a suffix.

    The result is ASCII, begins with `prefix` (so that it can be no device of Windows, and no hidden file), has no
    separator, no colon, no dot or blank at its end, and at most `len(prefix) + MAX_NAME + 2 * MAX_SUFFIX` characters.
    """
    stem, suffix = _parted(wanted)
    kind = media_type.partition(";")[0].strip().lower()
    suffix = suffix or _SUFFIXES.get(kind, ".bin" if kind and not kind.startswith("text/") else ".txt")
    if suffix.lower() in _RUN_BY_A_CLICK:
        suffix += _HARMLESS
    name = f"{prefix}-{stem}" if stem else prefix
    return f"{name}{suffix}"


def name_in_path(target: str) -> str:
    """The last part of the path of a request target, percent-encoding undone."""
    path = target.partition("?")[0].partition("#")[0]
    return unquote(path.rstrip("/").rpartition("/")[2], errors="replace")


def _parted(wanted: str) -> tuple[str, str]:
    """What of a name is safe, and its suffix where it has one."""
    last = re.split(r"[/\\:]", wanted)[-1]
    stem, dot, suffix = _UNSAFE.sub("_", last).rpartition(".")
    if not dot or not stem or not suffix.isalnum() or len(suffix) >= MAX_SUFFIX:
        stem, suffix = f"{stem}{dot}{suffix}", ""
    return stem.strip("._-")[:MAX_NAME].rstrip("._-"), f".{suffix}" if suffix else ""
