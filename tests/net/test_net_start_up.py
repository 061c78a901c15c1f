"""What reading a plain capture loads: a small one must feel instant."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

CAPTURE = Path(__file__).parents[2] / "captures" / "gnutls-psk.pcap"
RARE = ("bz2", "lzma", "numpy.ma", "tempfile", "zipfile")
READ = f"""
import sys
import numpy
before = set(sys.modules)
from tlsdecrypt.capture.series import Series
from tlsdecrypt.net.connection import ConnectionTable
table = ConnectionTable()
for stretch in Series([sys.argv[1]]):
    list(table.feed(stretch.batch))
list(table.finish())
print(sorted((set(sys.modules) - before) & set({RARE!r})))
"""


def test_a_plain_capture_loads_nothing_that_only_other_captures_need() -> None:
    done = subprocess.run(
        [sys.executable, "-c", READ, str(CAPTURE)], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"
