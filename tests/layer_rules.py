"""The rules of ARCHITECTURE.md as functions: the source of a module in, complaints out."""

from __future__ import annotations

import ast
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = "tlsdecrypt"

# What the modules of a layer may import when they run: layers, or single modules of one.
MAY_IMPORT: dict[str, frozenset[str]] = {
    layer: frozenset([*names.split(), "value"])  # values are made in every layer
    for layer, names in {
        "value": "",
        "errors": "",
        "flow": "",
        "wire": "errors",
        "capture": "errors flow wire",
        "net": "errors flow capture.frames",
        "tls": "errors flow wire",
        "app": "errors flow wire",
        "conversation": "flow",
        "redact": "errors flow app.auth",
        "growing_keylog": "",
        "keyring": "errors growing_keylog tls",
        "findings": "errors flow tls app conversation",
        "plaintext": "flow app conversation",
        "channel_binding": "tls app",
        "glimpsed": "conversation",
        "clear_talk": "flow tls plaintext",
        "said": "flow tls",
        "observer": "flow net tls conversation plaintext channel_binding glimpsed clear_talk said",
        "accounts": "capture net conversation",
        "reading": "errors flow capture tls conversation accounts",
        "rsa_ahead": "errors flow net tls",
        "following": "capture.frames conversation net tls observer plaintext",
        "shard_worker": "net tls reading following",
        "shard_desk": "conversation net tls following shard_worker",
        "shards": "capture conversation net tls reading shard_desk shard_worker",
        "pipeline": "errors capture conversation findings following net plaintext reading rsa_ahead shards tls",
        "explanation": "tls",
        "report": "errors flow conversation explanation findings redact capture.pcapng plaintext app.kept_content",
        "recapture": "errors flow wire app capture net redact report",
        "dissection": "errors flow conversation plaintext recapture report",
        "arguments": "errors capture",
        "cli_options": "",
        "questions": "capture report",
        "second_reading": "errors capture",
        "remarks": "",
        "cli": "errors flow capture conversation dissection keyring questions pipeline recapture redact report"
        " second_reading arguments cli_options remarks",
        "__init__": "errors flow conversation keyring pipeline tls app",
        "__main__": "cli",
    }.items()
}

# What they may name in annotations besides: such imports stand under `if TYPE_CHECKING:` and do not run.
MAY_NAME: dict[str, frozenset[str]] = {
    layer: frozenset(names.split())
    for layer, names in {
        "conversation": "net tls app",
        "dissection": "redact",
        "explanation": "conversation",
        "findings": "net",
        "following": "rsa_ahead",
        "glimpsed": "tls",
        "plaintext": "tls",
        "recapture": "conversation plaintext",
        "report": "app capture net tls",
        "cli": "tls",
        "questions": "arguments",
        "remarks": "arguments conversation report",
    }.items()
}

THIRD_PARTY: dict[str, frozenset[str]] = {
    library: frozenset(layers.split())
    for library, layers in {
        "brotli": "app tls",
        "click": "cli cli_options",
        "cryptography": "app tls",
        "dns": "net",
        "dpkt": "capture dissection net",
        "jinja2": "report",
        "hpack": "app recapture",
        "hyperframe": "app",
        "lxml": "app report",
        "lz4": "capture",
        "markupsafe": "report",
        "msgspec": "value",
        "numpy": "capture dissection net recapture",
        "orjson": "report",
        "pyshark": "dissection",
        "rich": "cli report",
        "spnego": "app",
        "tqdm": "cli report",
        "zstandard": "app capture tls",
    }.items()
}

SANS_IO = {"net", "tls", "app", "wire", "flow", "conversation", "findings"}
INPUT_OUTPUT = {
    "asyncio", "logging", "multiprocessing", "os", "pathlib", "random", "secrets", "socket", "subprocess", "tempfile",
    "threading", "time",
}  # fmt: skip
INPUT_OUTPUT_CALLS = {"input", "open", "print"}

GRAB_BAGS = {"base", "common", "constants", "helpers", "misc", "shared", "util", "utils"}
MODULE_LINES = 400
FUNCTION_LINES = 60
PARAMETERS = 6
WIDER_ON_PURPOSE = {
    "keyring.load_keys",  # one keyword for each option of the command line
    "findings.rule.rule",  # one keyword for each column of the table of rules
}


@dataclass(frozen=True, slots=True)
class Module:
    """A module of the package: its dotted name without the package, and its source."""

    name: str
    source: str

    @property
    def layer(self) -> str:
        """The folder, or the module itself where it stands at the top."""
        return self.name.partition(".")[0]


@dataclass(frozen=True, slots=True)
class Import:
    """One import: what is imported from, the names taken (none for `import x`), and whether it only serves types."""

    target: str
    names: tuple[str, ...]
    line: int
    is_typing: bool


def _is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def _imports(tree: ast.AST, *, is_typing: bool = False) -> Iterator[Import]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(alias.name, (), node.lineno, is_typing)
        elif isinstance(node, ast.ImportFrom):
            target = "." * node.level + (node.module or "")
            yield Import(target, tuple(alias.name for alias in node.names), node.lineno, is_typing)
        else:
            yield from _imports(node, is_typing=is_typing or _is_type_checking(node))


def _is_allowed(layer: str, target: str, allowed: frozenset[str]) -> bool:
    """`target` is the layer itself, an allowed layer, or lies in one."""
    return any(target == each or target.startswith(f"{each}.") for each in allowed | {layer})


def _project_complaint(module: Module, found: Import) -> str | None:
    allowed = MAY_IMPORT[module.layer]
    if found.is_typing:
        allowed |= MAY_NAME.get(module.layer, frozenset())
    target = found.target.removeprefix(PACKAGE).removeprefix(".")
    taken = [f"{target}.{name}".removeprefix(".") for name in found.names]
    if _is_allowed(module.layer, target, allowed):
        return None
    if taken and all(_is_allowed(module.layer, each, allowed) for each in taken):
        return None
    return f"{module.layer} must not import {target or ', '.join(taken)}"


def import_complaints(module: Module) -> Iterator[str]:
    """Absolute imports only, of layers below; each library only in the layers that own it; no input or output."""
    if module.layer not in MAY_IMPORT:
        yield f"{module.name}: the layer table does not know {module.layer}"
        return
    for found in _imports(ast.parse(module.source)):
        top = found.target.partition(".")[0]
        complaint: str | None = None
        if not top:
            complaint = f"relative import of {found.target}"
        elif top == PACKAGE:
            complaint = _project_complaint(module, found)
        elif top in sys.stdlib_module_names:
            if top == "logging" or (module.layer in SANS_IO and top in INPUT_OUTPUT):
                complaint = f"{module.layer} must not import {top}"
        elif module.layer not in THIRD_PARTY.get(top, frozenset()):
            complaint = f"{module.layer} must not import {top}"
        if complaint:
            yield f"{module.name}:{found.line}: {complaint}"


def purity_complaints(module: Module) -> Iterator[str]:
    """No input or output by calls, and nothing that is left to be written."""
    for node in ast.walk(ast.parse(module.source)):
        if not isinstance(node, ast.Name):
            continue
        if node.id == "NotImplementedError":
            yield f"{module.name}:{node.lineno}: NotImplementedError"
        if module.layer in SANS_IO and node.id in INPUT_OUTPUT_CALLS:
            yield f"{module.name}:{node.lineno}: {module.layer} must not call {node.id}"


def size_complaints(module: Module) -> Iterator[str]:
    """One idea a module: names that say which, and sizes that fit on a few screens. Generated tables apart."""
    if module.name.rpartition(".")[2] in GRAB_BAGS:
        yield f"{module.name}: a name that says nothing"
    lines = module.source.splitlines()
    if len(lines) > MODULE_LINES and "Generated" not in lines[0]:
        yield f"{module.name}: {len(lines)} lines, at most {MODULE_LINES}"
    for node in ast.walk(ast.parse(module.source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from _function_complaints(module, node)


def _function_complaints(module: Module, function: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[str]:
    length = (function.end_lineno or function.lineno) - function.lineno + 1
    if length > FUNCTION_LINES:
        yield f"{module.name}.{function.name}: {length} lines, at most {FUNCTION_LINES}"
    given = function.args
    names = [each.arg for each in (*given.posonlyargs, *given.args, *given.kwonlyargs)]
    count = len([name for name in names if name not in {"self", "cls"}])
    is_test = module.layer == "tests"  # takes what its cases compare
    if count > PARAMETERS and not is_test and f"{module.name}.{function.name}" not in WIDER_ON_PURPOSE:
        yield f"{module.name}.{function.name}: {count} parameters, at most {PARAMETERS}"
