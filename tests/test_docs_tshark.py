"""docs/tshark.md is true: tshark says it still, of the sample with the key and of the decrypted capture without."""

from __future__ import annotations

import runpy

import pytest
from sample_cases import ROOT


def test_what_tshark_says_of_a_decrypted_capture_stands_in_the_docs(tshark: str) -> None:
    assert tshark
    script = runpy.run_path(str(ROOT / "scripts" / "make_tshark_summary"))
    text = (ROOT / "docs" / "tshark.md").read_text("utf-8")
    if script["version"]() not in text:
        pytest.skip("another version of tshark may say it in other words")
    assert script["document"]() == text
    assert "0 are only in the original" in text
    assert "tshark shows 0 frames" in text
