"""The layers, names and sizes that ARCHITECTURE.md promises; the rules themselves are in layer_rules.py."""

from __future__ import annotations

from pathlib import Path

import pytest
from layer_rules import GRAB_BAGS, PACKAGE, Module, import_complaints, purity_complaints, size_complaints

ROOT = Path(__file__).resolve().parents[1]


def modules(folder: Path, above: Path) -> list[Module]:
    """The modules below `folder`, by their dotted names from `above` on; a package has its name plus `__init__`."""
    return [
        Module(".".join(path.relative_to(above).with_suffix("").parts), path.read_text())
        for path in sorted(folder.rglob("*.py"))
    ]


PACKAGE_MODULES = modules(ROOT / PACKAGE, ROOT / PACKAGE)
OTHER_MODULES = modules(ROOT / "scripts", ROOT) + modules(ROOT / "tests", ROOT)


@pytest.mark.parametrize("module", PACKAGE_MODULES, ids=lambda each: each.name)
def test_a_module_imports_only_what_its_layer_may(module: Module) -> None:
    assert list(import_complaints(module)) == []


@pytest.mark.parametrize("module", PACKAGE_MODULES, ids=lambda each: each.name)
def test_a_module_is_pure_and_finished(module: Module) -> None:
    assert list(purity_complaints(module)) == []


@pytest.mark.parametrize("module", PACKAGE_MODULES + OTHER_MODULES, ids=lambda each: each.name)
def test_a_module_has_a_name_and_a_size_that_hold_one_idea(module: Module) -> None:
    assert list(size_complaints(module)) == []


def test_the_folders_of_the_tests_mirror_those_of_the_package() -> None:
    package = {path.name for path in (ROOT / PACKAGE).iterdir() if len(list(path.glob("*.py"))) > 1}
    tests = {path.name for path in (ROOT / "tests").iterdir() if any(path.glob("test_*.py"))}
    assert tests == package


def test_each_test_file_has_a_name_of_its_own() -> None:
    names = [path.name for path in (ROOT / "tests").rglob("test_*.py")]
    assert sorted(names) == sorted(set(names))


FORBIDDEN = [
    ("net.columns", "from tlsdecrypt.tls.record import next_record", "net must not import tls.record"),
    ("net.columns", "from tlsdecrypt.capture.pcap import read", "net must not import capture.pcap"),
    ("net.columns", "from tlsdecrypt import tls", "net must not import tls"),
    ("net.columns", "import tlsdecrypt.app.http", "net must not import app.http"),
    ("net.columns", "from .runs import cut", "relative import of .runs"),
    ("net.columns", "def late():\n    import tlsdecrypt.cli", "net must not import cli"),
    (
        "net.columns",
        "if TYPE_CHECKING:\n    from tlsdecrypt.tls.events import TlsEvent",
        "net must not import tls.events",
    ),
    ("conversation", "from tlsdecrypt.tls.session import TlsSession", "conversation must not import tls.session"),
    ("report.text", "from tlsdecrypt.capture.source import Capture", "report must not import capture.source"),
    ("report.text", "import click", "report must not import click"),
    ("tls.prf", "import numpy as np", "tls must not import numpy"),
    ("tls.prf", "from requests import get", "tls must not import requests"),
    ("tls.prf", "import time", "tls must not import time"),
    ("keyring", "import logging", "keyring must not import logging"),
    ("novelty", "x = 1", "the layer table does not know novelty"),
]


@pytest.mark.parametrize(("name", "source", "complaint"), FORBIDDEN)
def test_a_forbidden_import_is_found(name: str, source: str, complaint: str) -> None:
    assert [each.partition(": ")[2] for each in import_complaints(Module(name, source))] == [complaint]


ALLOWED = [
    ("net.columns", "from tlsdecrypt.capture.frames import FrameBatch\nimport numpy as np\nimport struct"),
    ("net.columns", "from tlsdecrypt.capture import frames\nfrom tlsdecrypt.net.runs import cut"),
    ("conversation", "if TYPE_CHECKING:\n    from tlsdecrypt.tls.session import TlsSession"),
    ("report.pcapng", "from tlsdecrypt.capture.pcapng import blocks"),
    ("capture.source", "import os\nimport zstandard"),
]


@pytest.mark.parametrize(("name", "source"), ALLOWED)
def test_an_allowed_import_passes(name: str, source: str) -> None:
    assert list(import_complaints(Module(name, source))) == []


@pytest.mark.parametrize("source", ["raise NotImplementedError", "print(1)", "data = open('x').read()"])
def test_output_and_unfinished_code_are_found(source: str) -> None:
    assert len(list(purity_complaints(Module("tls.prf", source)))) == 1


OVERSIZED = [
    ("tls.prf", "x = 1\n" * 401, "401 lines"),
    ("tls.prf", "def long():\n" + "    x = 1\n" * 60, "61 lines"),
    ("tls.prf", "def wide(a, b, c, d, e, *, f, g): ...", "7 parameters"),
    *[(f"tls.{name}", "", "says nothing") for name in sorted(GRAB_BAGS)],
]


@pytest.mark.parametrize(("name", "source", "complaint"), OVERSIZED)
def test_a_size_or_a_name_beyond_the_bound_is_found(name: str, source: str, complaint: str) -> None:
    (found,) = size_complaints(Module(name, source))
    assert complaint in found


def test_a_generated_table_may_be_long_and_self_does_not_count() -> None:
    table = Module("tls.ciphersuite_table", '"""Generated by scripts/update_registry."""\n' + "x = 1\n" * 500)
    method = Module("tls.prf", "class A:\n    def six(self, a, b, c, d, e, f): ...")
    assert [*size_complaints(table), *size_complaints(method)] == []
