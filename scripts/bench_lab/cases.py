"""What is measured: a capture, the form in which a program gets it, and what opens it."""

from __future__ import annotations

import shutil
import subprocess
from secrets import token_hex
from typing import TYPE_CHECKING, NamedTuple

from bench_lab.credentials import credentials_in
from bench_lab.programs import Job
from bench_lab.recipes import RECIPES, Recipe

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

KEYS = 1_000
KEY_BITS = 1_024  # of the keys that fit nothing: they are made in a few seconds
KEY_LOG_LINES = 1_000_000


class Case(NamedTuple):
    """`recipe` is the capture; `form` is a key of `FORMS`."""

    name: str
    recipe: Recipe
    form: str = "file"


class MissingToolError(Exception):
    """A form that cannot be made here."""


def _as_it_is(folder: Path, recipe: Recipe) -> Job:
    key_log = folder / f"{recipe.name}.keylog" if recipe.needs_key_log else None
    return Job(folder / f"{recipe.name}.pcap", credentials_in(folder / "keys"), key_log)


def _through_a_pipe(folder: Path, recipe: Recipe) -> Job:
    return _as_it_is(folder, recipe)._replace(is_pipe=True)


def _compressed(folder: Path, recipe: Recipe) -> Job:
    job = _as_it_is(folder, recipe)
    target = job.capture.with_name(job.capture.name + ".zst")
    if _is_older(target, job.capture):
        import zstandard  # noqa: PLC0415 - the measuring process stays small

        with job.capture.open("rb") as source, target.open("wb") as compressed:
            zstandard.ZstdCompressor(3).copy_stream(source, compressed)
    return job._replace(capture=target)


def _network_monitor(folder: Path, recipe: Recipe) -> Job:
    job = _as_it_is(folder, recipe)
    target = job.capture.with_suffix(".cap")
    if shutil.which("editcap") is None:
        raise MissingToolError("editcap is not installed, which makes captures of Network Monitor")
    if _is_older(target, job.capture):
        subprocess.run(["editcap", "-F", "netmon2", str(job.capture), str(target)], check=True)
    return job._replace(capture=target)


def _long_key_log(folder: Path, recipe: Recipe) -> Job:
    """The lines that fit stand in the middle of a million that do not."""
    job = _as_it_is(folder, recipe)
    own = folder / f"{recipe.name}.keylog"
    target = folder / f"{recipe.name}.million.keylog"
    if _is_older(target, own):
        with target.open("w") as file:
            for half in range(2):
                file.writelines(
                    f"CLIENT_HANDSHAKE_TRAFFIC_SECRET {token_hex(32)} {token_hex(32)}\n"
                    for _ in range(KEY_LOG_LINES // 2)
                )
                file.write(own.read_text() if not half else "")
    return job._replace(key_log=target)


def _many_keys(folder: Path, recipe: Recipe) -> Job:
    """The key that fits is one of a thousand in a folder."""
    job, keys = _as_it_is(folder, recipe), folder / "many-keys"
    keys.mkdir(exist_ok=True)
    for number in range(KEYS - 1):
        path = keys / f"{number:04}.pem"
        if not path.exists():
            path.write_bytes(_any_key())
    shutil.copy(job.server.pfx, keys)
    return job._replace(keys=keys)


def _any_key() -> bytes:
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 - the measuring process stays small
    from cryptography.hazmat.primitives.asymmetric import rsa  # noqa: PLC0415 - the same

    return rsa.generate_private_key(65_537, KEY_BITS).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _is_older(made: Path, source: Path) -> bool:
    return not made.exists() or made.stat().st_mtime < source.stat().st_mtime


FORMS: dict[str, Callable[[Path, Recipe], Job]] = {
    "file": _as_it_is,
    "pipe": _through_a_pipe,
    "zstd": _compressed,
    "netmon": _network_monitor,
    "key-log": _long_key_log,
    "keys": _many_keys,
}
CASES = {
    each.name: each
    for each in (
        *(Case(name, recipe) for name, recipe in RECIPES.items()),
        Case("pipe", RECIPES["bulk"], "pipe"),
        Case("zstd", RECIPES["bulk"], "zstd"),
        Case("netmon", RECIPES["bulk"], "netmon"),
        Case("key-log", RECIPES["bulk-tls13"], "key-log"),
        Case("keys", RECIPES["bulk"], "keys"),
    )
}
DEFAULT = ("bulk", "bulk-cbc", "bulk-tls13", "short", "small", "bulk-x4")
REST = ("idle", "reordered", "lossy", "pipe", "zstd", "netmon", "key-log", "keys")
SCALES = {1: "bulk", 2: "bulk-x2", 4: "bulk-x4", 8: "bulk-x8"}  # by how many times the bulk capture
