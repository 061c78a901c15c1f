"""The HTML page: its templates, what escapes what was captured, and the policy that keeps scripts out.

All text goes through the template library's escaping. Behind it stands a Content-Security-Policy that allows nothing
but the one style sheet and the one script of the page, by their hashes: what slipped through would not run.
"""

from __future__ import annotations

import base64
import hashlib
from importlib import resources
from typing import TYPE_CHECKING, Any

from tlsdecrypt.report.quantities import size
from tlsdecrypt.report.visible import visible, well_formed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from jinja2 import Environment

PIECE = 64 * 1024  # characters that are encoded and written at a time

_FOLDER = "html"
_POLICY = "default-src 'none'; style-src '{style}'; script-src '{script}'; base-uri 'none'; form-action 'none'"
_LAYOUT = str.maketrans("", "", "\n\t")


def page(values: Mapping[str, Any]) -> Iterator[bytes]:
    """The page in pieces, UTF-8; `values` are those of `page.html`."""
    from markupsafe import Markup  # noqa: PLC0415 - loaded by those who want a page

    style, script = _resource("style.css"), _resource("script.js")
    policy = _POLICY.format(style=_source_hash(style), script=_source_hash(script))
    fixed = {"style": Markup(style), "script": Markup(script), "policy": policy}  # noqa: S704 - files of this package
    held: list[str] = []
    length = 0
    for piece in _environment().get_template("page.html").generate({**values, **fixed}):
        held.append(piece)
        length += len(piece)
        if length > PIECE:
            yield well_formed("".join(held)).encode()
            held, length = [], 0
    yield well_formed("".join(held)).encode() + b"\n"


def _environment() -> Environment:
    """Everything is escaped, and what a template asks for has to be there."""
    from jinja2 import Environment, FunctionLoader, StrictUndefined  # noqa: PLC0415 - loaded by those who want a page

    environment = Environment(
        loader=FunctionLoader(_resource), autoescape=True, undefined=StrictUndefined, finalize=_legible
    )
    environment.filters["size"] = size
    return environment


def _legible(value: Any) -> Any:
    """Text without characters that are not seen, or that turn the direction of what follows; line ends stay."""
    if type(value) is not str or value.isprintable():
        return value
    if value.translate(_LAYOUT).isprintable():
        return value
    return "".join(each if each in "\n\t" else visible(each) for each in value.replace("\r\n", "\n"))


def _resource(name: str) -> str:
    return (resources.files("tlsdecrypt.report") / _FOLDER / name).read_text("utf-8")


def _source_hash(text: str) -> str:
    """As Content-Security-Policy Level 3 section 2.3.1 names an inline style or script."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
