"""`python -m tlsdecrypt`."""

from __future__ import annotations

from tlsdecrypt.cli import main

if __name__ == "__main__":
    main()
