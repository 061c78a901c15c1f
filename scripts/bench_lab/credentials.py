"""Where the server's key and certificates are. The measuring process needs no more of them: see measure.run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

PASSWORD = "tlsdecrypt"  # noqa: S105 - protects a key that is made for the benchmark and worth nothing
SERVER_NAME = "mail.example.com"


@dataclass(frozen=True, slots=True)
class Credentials:
    """The files, PEM and PKCS #12."""

    chain: Path
    key: Path
    pfx: Path


def credentials_in(folder: Path) -> Credentials:
    """The files of `folder`, which may not exist yet."""
    return Credentials(folder / "chain.pem", folder / "key.pem", folder / "server.pfx")
