"""The exceptions of tlsdecrypt.

TlsdecryptError
+-- InputError           something the user gave cannot be used: exit status 2, one sentence
|   +-- CaptureError     a capture that cannot be read at all
|   +-- KeyFileError     a key file that cannot be read, or holds no key
|       +-- PasswordError    the password is wrong, or one is needed
+-- ParseError           bytes that are not what they should be; never leaves the layer that parses
"""


class TlsdecryptError(Exception):
    """The root: catch it to catch everything that this package raises on purpose."""


class InputError(TlsdecryptError):
    """Something the user gave cannot be used. The message names the file, the place and the remedy."""


class CaptureError(InputError):
    """A capture that cannot be read at all: missing, empty, or of no known format."""


class KeyFileError(InputError):
    """A key file that cannot be read, or that holds nothing that could open a session."""


class PasswordError(KeyFileError):
    """A key file whose password is missing or wrong."""


class ParseError(TlsdecryptError):
    """Bytes that are not what they should be.

    Parsers raise it; the object that owns the stream turns it into a value (`Malformed`), so it never leaves its layer.
    """

    def __init__(self, what: str, offset: int = 0) -> None:
        """`what` is wrong at `offset` bytes from the start of the value that was parsed."""
        super().__init__(f"{what} (at byte {offset})")
        self.what = what
        self.offset = offset
