"""WBXML 1.3 from strangers (WAP-192-WBXML-20010725): a tree of elements, bounded; damage is named and survived.

Attributes are stepped over: no document of [MS-ASWBXML] has any.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from tlsdecrypt.errors import ParseError
from tlsdecrypt.wire import Reader

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    TagNames: TypeAlias = Mapping[int, Mapping[int, str]]

MAX_TOKENS = 200_000  # of one document; an answer with 512 whole messages has some 30,000
MAX_DEPTH = 64
MAX_TEXT = 500  # characters of one element that are kept
MAX_STRING_TABLE = 64 * 1024

_SWITCH_PAGE, _END, _ENTITY, _STR_I, _LITERAL = range(5)
_PI, _STR_T, _OPAQUE = 0x43, 0x83, 0xC3
_EXTENSIONS = {**dict.fromkeys((0x40, 0x41, 0x42), "string"), **dict.fromkeys((0x80, 0x81, 0x82), "number")}
_EXTENSION_BYTES = frozenset({0xC0, 0xC1, 0xC2})
_LITERALS = frozenset({0x04, 0x44, 0x84, 0xC4})
_HAS_CONTENT, _HAS_ATTRIBUTES, _TAG = 0x40, 0x80, 0x3F
_UTF8 = 106  # MIBenum
_MAX_INTEGER_BYTES = 5
_LAST_CHARACTER = 0x10FFFF
_VERSIONS = range(0x04)  # 1.0 to 1.3


@dataclass(slots=True)
class Element:
    """An element: `page` and `name` by the code pages, `text` cut at `MAX_TEXT`, `length` bytes of text on the wire."""

    page: int
    name: str
    text: str = field(default="", repr=False)
    length: int = 0
    children: list[Element] = field(default_factory=list)

    def find(self, *path: str) -> Element | None:
        """The first descendant along `path` of names, None where there is none."""
        found: Element | None = self
        for name in path:
            found = next((each for each in found.children if each.name == name), None) if found else None
        return found

    def all(self, *path: str) -> Iterator[Element]:
        """Every descendant along `path` of names, in document order."""
        if not path:
            yield self
            return
        for each in self.children:
            if each.name == path[0]:
                yield from each.all(*path[1:])

    def text_at(self, *path: str) -> str | None:
        """The text of the first descendant along `path`, None where there is none."""
        found = self.find(*path)
        return None if found is None else found.text


def parse_wbxml(data: bytes, tags: TagNames) -> tuple[Element | None, list[str]]:
    """The root element (None where nothing could be read), and what was wrong.

    `tags` maps a code page to its tags by token. What stands before a damage or a bound is kept.
    """
    parser = _Parser(data, tags)
    try:
        parser.read()
    except ParseError as error:
        parser.faults.append(f"the WBXML is damaged: {error.what} (at byte {error.offset})")
    return parser.root, parser.faults


class _Parser:
    """One document; a stack stands for recursion, so that depth costs nothing but a place in a list."""

    def __init__(self, data: bytes, tags: TagNames) -> None:
        self.root: Element | None = None
        self.faults: list[str] = []
        self._data = data
        self._reader = Reader(data)
        self._tags = tags
        self._page = 0
        self._open: list[Element] = []
        self._too_deep = 0
        self._strings = b""
        self._is_utf8 = True

    def read(self) -> None:
        """Everything; raises `ParseError` at the first damage."""
        self._read_head()
        for _ in range(MAX_TOKENS):
            if self.root is not None and not self._open and not self._too_deep:
                return
            if not self._reader.remaining:
                self.faults.append("the WBXML ends before its root element does")
                return
            self._read_token()
        self.faults.append(f"the WBXML has more than {MAX_TOKENS:,} tokens: the rest is not read")

    def _read_head(self) -> None:
        reader = self._reader
        version = reader.u8("version")
        if version not in _VERSIONS:
            raise ParseError(f"version {version:#04x} is no WBXML", 0)
        if self._integer("public identifier") == 0:
            self._integer("index of the public identifier")
        self._is_utf8 = self._integer("charset") in (_UTF8, 0) if version else True
        length = self._integer("length of the string table")
        if length > MAX_STRING_TABLE:
            raise ParseError(f"a string table of {length:,} bytes", reader.offset)
        self._strings = reader.take(length, "string table")

    def _read_token(self) -> None:
        reader = self._reader
        token = reader.u8("token")
        if token == _SWITCH_PAGE:
            self._page = reader.u8("code page")
        elif token == _END:
            self._close()
        elif token == _STR_I:
            self._add_text(self._inline_string())
        elif token == _OPAQUE:
            self._add_text(reader.take(self._integer("length of opaque data"), "opaque data"))
        elif token == _STR_T:
            self._add_text(self._table_string())
        elif token == _ENTITY:
            self._add_text(_character(self._integer("entity")))
        elif token == _PI:
            self._skip_attributes()
        elif token in _EXTENSIONS:
            self._skip_extension(token)
        elif token not in _EXTENSION_BYTES:
            self._open_element(token)

    def _open_element(self, token: int) -> None:
        tag = token & _TAG
        if token in _LITERALS:
            name = self._text(self._table_string())
        else:
            name = self._tags.get(self._page, {}).get(tag) or f"Tag-{self._page}-{tag:02X}"
        if token & _HAS_ATTRIBUTES:
            self._skip_attributes()
        if self._too_deep or len(self._open) >= MAX_DEPTH:
            self._note(f"elements deeper than {MAX_DEPTH} are not read")
            self._too_deep += bool(token & _HAS_CONTENT)
            return
        element = Element(self._page, name)
        if self._open:
            self._open[-1].children.append(element)
        else:
            self.root = element
        if token & _HAS_CONTENT:
            self._open.append(element)

    def _close(self) -> None:
        if self._too_deep:
            self._too_deep -= 1
        elif self._open:
            self._open.pop()
        else:
            raise ParseError("an element ends that did not begin", self._reader.offset - 1)

    def _add_text(self, value: bytes) -> None:
        if self._too_deep or not self._open:
            return
        element = self._open[-1]
        element.length += len(value)
        room = MAX_TEXT - len(element.text)
        if room > 0:
            element.text += self._text(value[: room * 4])[:room]

    def _text(self, value: bytes) -> str:
        return value.decode("utf-8" if self._is_utf8 else "latin-1", "replace")

    def _integer(self, what: str) -> int:
        """mb_u_int32: seven bits a byte, the highest first (section 5.1)."""
        number = 0
        for _ in range(_MAX_INTEGER_BYTES):
            byte = self._reader.u8(what)
            number = number << 7 | byte & 0x7F
            if byte < 0x80:  # noqa: PLR2004  the bit that says more bytes follow
                return number
        raise ParseError(f"{what}: an integer of more than {_MAX_INTEGER_BYTES} bytes", self._reader.offset)

    def _inline_string(self) -> bytes:
        start = self._reader.offset
        end = self._data.find(b"\0", start)
        if end < 0:
            raise ParseError("a string without an end", start)
        return self._reader.take(end + 1 - start, "inline string")[:-1]

    def _table_string(self) -> bytes:
        index = self._integer("index into the string table")
        if index >= len(self._strings):
            raise ParseError("an index outside of the string table", self._reader.offset)
        return self._strings[index:].partition(b"\0")[0]

    def _skip_extension(self, token: int) -> None:
        if _EXTENSIONS[token] == "string":
            self._inline_string()
        else:
            self._integer("extension")

    def _skip_attributes(self) -> None:
        """Attributes of an element or a processing instruction, up to their END (section 5.8.3)."""
        reader = self._reader
        for _ in range(MAX_TOKENS):
            token = reader.u8("attribute")
            if token == _END:
                return
            if token == _SWITCH_PAGE:
                reader.u8("code page of attributes")
            elif token == _STR_I:
                self._inline_string()
            elif token == _OPAQUE:
                reader.take(self._integer("length of opaque data"), "opaque data")
            elif token in (_STR_T, _ENTITY, _LITERAL):
                self._integer("index or character of an attribute")
            elif token in _EXTENSIONS:
                self._skip_extension(token)

    def _note(self, fault: str) -> None:
        if fault not in self.faults:
            self.faults.append(fault)


def _character(code: int) -> bytes:
    """A character entity as UTF-8; nothing for what is no character."""
    return chr(code).encode("utf-8", "replace") if code <= _LAST_CHARACTER else b""
