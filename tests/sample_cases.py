"""The cases of captures/expected.json, and how to run tlsdecrypt on one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tlsdecrypt import Analysis, analyze, load_keys

if TYPE_CHECKING:
    from tlsdecrypt.tls.secrets import SecretStore

ROOT = Path(__file__).parents[1]
CASES: list[dict[str, Any]] = json.loads((ROOT / "captures" / "expected.json").read_text())["cases"]
OPTIONS = {"pfx": "pfx", "key": "keys", "keylog": "keylogs", "psk": "psks", "ticket-key": "ticket_keys"}


def name_of(case: dict[str, Any]) -> str:
    """The capture and the keys, for pytest's ids."""
    return "+".join([Path(case["capture"]).name, *(Path(key.get("path", key["kind"])).name for key in case["keys"])])


def run(case: dict[str, Any]) -> Analysis:
    """What tlsdecrypt finds in the capture with the case's keys."""
    return analyze([str(ROOT / case["capture"])], keys_of(case))


def keys_of(case: dict[str, Any]) -> SecretStore:
    """The case's keys, loaded. Raises what `load_keys` raises."""
    given: dict[str, list[str]] = {}
    for key in case["keys"]:
        given.setdefault(OPTIONS[key["kind"]], []).append(str(ROOT / key["path"]) if "path" in key else key["value"])
    passwords = [key["password"] for key in case["keys"] if key.get("password") is not None]
    return load_keys(**given, passwords=passwords)
