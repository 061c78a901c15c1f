"""What documents say of the program that made them."""

from __future__ import annotations

PROGRAM = "tlsdecrypt"


def version() -> str:
    """The version that is installed."""
    from importlib.metadata import PackageNotFoundError  # noqa: PLC0415 - start-up time of other documents
    from importlib.metadata import version as installed  # noqa: PLC0415 - the same

    try:
        return installed(PROGRAM)
    except PackageNotFoundError:  # run from its source
        return "0"
