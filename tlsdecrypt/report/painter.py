"""Painters: lines -> a stream. Plain everywhere, in colour and wrapped on a terminal.

Each makes control characters visible, so that nothing captured reaches a terminal as a command.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TextIO

from tlsdecrypt.report.lines import INDENT
from tlsdecrypt.report.visible import visible

if TYPE_CHECKING:
    from tlsdecrypt.report.lines import Line, Style

PLAIN_WIDTH = 120  # columns that a report in a pipe or file aims at
MIN_WIDTH = 40  # below this a terminal is not obeyed: nothing could be read

_GAP = "  "
_COLOURS: dict[Style, str] = {
    "plain": "",
    "heading": "bold cyan",
    "strong": "bold",
    "good": "green",
    "bad": "bold red",
    "caution": "yellow",
    "faint": "dim",
}


class Painter(Protocol):
    """Writes lines; `width` is how many columns there are."""

    width: int

    def paint(self, line: Line) -> None:
        """Write one line."""


class PlainPainter:
    """Text without colour, each line as long as it is: for pipes, files and `grep`."""

    def __init__(self, stream: TextIO) -> None:
        """What the stream's encoding cannot say, its error handler must."""
        self.width = PLAIN_WIDTH
        self._write = stream.write

    def paint(self, line: Line) -> None:
        """Write one line."""
        text = _GAP.join(visible(text) for text, _ in line.parts)
        self._write(f"{' ' * (INDENT * line.level)}{text}\n" if text else "\n")


class ColourPainter:
    """Text for a terminal: as wide as it is, words kept whole, colours unless NO_COLOR or the terminal forbids them."""

    def __init__(self, stream: TextIO) -> None:
        """Rich is loaded here: only terminals pay for it."""
        from rich.console import Console  # noqa: PLC0415 - start-up time of every other run
        from rich.text import Text  # noqa: PLC0415 - the same

        self._console = Console(file=stream, highlight=False, markup=False, emoji=False)
        self._text = Text
        self.width = max(self._console.width, MIN_WIDTH)

    def paint(self, line: Line) -> None:
        """Write one line, in several of the terminal's where it is longer; they are indented one level more."""
        text = self._text(_GAP).join(self._text(visible(text), _COLOURS[style]) for text, style in line.parts)
        indent = INDENT * line.level
        is_short = text.cell_len <= self.width - indent
        first, *rest = [text] if is_short else text.wrap(self._console, self.width - indent - INDENT)
        for piece, columns in ((first, indent), *((each, indent + INDENT) for each in rest)):
            piece.rstrip()
            piece.pad_left(columns)
            self._console.print(piece, soft_wrap=True)


def choose_painter(stream: TextIO) -> Painter:
    """Colour on a terminal, plain elsewhere."""
    return ColourPainter(stream) if stream.isatty() else PlainPainter(stream)
