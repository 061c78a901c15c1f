"""What a peer sends in the smallest pieces takes no more memory than anything else."""

from __future__ import annotations

import tracemalloc
from typing import TYPE_CHECKING

from recorded_captures import frames_of, pcap
from recorded_tls import DOWN, recording

from tlsdecrypt import observer
from tlsdecrypt.pipeline import Options, Pipeline
from tlsdecrypt.tls.secrets import SecretStore

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

RECORDS = 100_000


def test_records_of_a_byte_are_not_all_held_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(observer, "SLICE_BYTES", 8 << 10)
    flights = [*recording().flights[:4], (DOWN, b"\x17\x03\x03\x00\x01x" * RECORDS)]
    path = tmp_path / "one.pcap"
    path.write_bytes(pcap(frames_of(flights)))
    tracemalloc.start()
    try:
        (conversation,) = Pipeline([str(path)], SecretStore(), Options(has_findings=False)).conversations()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert conversation.tls is not None
    assert conversation.tls.records_undecrypted > RECORDS
    assert peak < 100 * RECORDS


def test_slices_make_no_difference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "one.pcap"
    path.write_bytes(pcap(frames_of(recording().flights)))
    whole = list(Pipeline([str(path)], SecretStore()).conversations())
    for length in (1, 3, 100):
        monkeypatch.setattr(observer, "SLICE_BYTES", length)
        assert list(Pipeline([str(path)], SecretStore()).conversations()) == whole
