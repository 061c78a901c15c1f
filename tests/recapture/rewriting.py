"""Makes decrypted captures as a run does, and has tshark read them."""

from __future__ import annotations

import io
import subprocess
from typing import TYPE_CHECKING, Any

from tlsdecrypt.pipeline import Options, Pipeline
from tlsdecrypt.plaintext import Outlets
from tlsdecrypt.recapture.decrypted_writer import PcapngWriter, PcapWriter
from tlsdecrypt.redact import Redactor
from tlsdecrypt.report.tellers import light
from tlsdecrypt.report.writer import Manner
from tlsdecrypt.second_reading import SecondReading
from tlsdecrypt.tls.secrets import SecretStore

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

CHECKED = ("-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE")
BROKEN = "_ws.malformed or tcp.checksum.status==0 or ip.checksum.status==0"


def rewritten(
    paths: Sequence[str | Path], keys: SecretStore | None = None, *, is_pcap: bool = False, **manner: Any
) -> bytes:
    """The decrypted capture; `manner` is that of the writer."""
    reading = SecondReading([str(path) for path in paths])
    redactor = manner.pop("redactor", None) or Redactor(salt=b"test", show_secrets=manner.pop("show_secrets", False))
    told = Manner(redactor, reopen=reading, **manner)
    writer = PcapWriter(told) if is_pcap else PcapngWriter(told)
    options = Options(outlets=Outlets(sink=writer.sink))
    pipeline = Pipeline(reading.inputs, keys or SecretStore(), options)
    kept = []
    for each in pipeline.conversations():
        writer.take(each)
        kept.append(light(each))
    stream = io.BytesIO()
    writer.finish(pipeline.analysis(kept), stream)
    return stream.getvalue()


def by_tshark(path: Path, *arguments: str) -> list[list[str]]:
    """The fields of each frame, a row each."""
    command = ["tshark", "-n", "-r", str(path), *CHECKED, *arguments]
    output = subprocess.run(command, capture_output=True, check=True, text=True).stdout
    return [line.split("\t") for line in output.splitlines()]
