"""The JSON Schema of the JSON document, as it is published with the program."""

from __future__ import annotations

from importlib import resources

_FILE = "schema.json"


def schema() -> bytes:
    """JSON Schema, draft 2020-12, UTF-8; it describes JSON Lines too."""
    return (resources.files("tlsdecrypt.report") / _FILE).read_bytes()
