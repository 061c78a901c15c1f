"""What a file is that is no capture, in a sentence that says what to do with it."""

from __future__ import annotations

from pathlib import PurePath

_CONVERT = "convert it to pcapng first (editcap, which comes with Wireshark, can)"
_UNPACK = "unpack it first"

_MAGICS = (
    (b"PK\x03\x04", "it is a zip archive: name it as a file, or unpack it first"),
    (b"7z\xbc\xaf\x27\x1c", f"it is a 7z archive: {_UNPACK}"),
    (b"Rar!", f"it is a rar archive: {_UNPACK}"),
    (b"MSCF", f"it is a cabinet archive: {_UNPACK}"),
    (b"TRSNIFF data    \x1a", f"it is a capture of the Network General Sniffer: {_CONVERT}"),
    (b"XCP\0", f"it is a capture of NetXRay or the Windows Sniffer: {_CONVERT}"),
    (b"VL\0\0", f"it is a capture of NetXRay: {_CONVERT}"),
    (b"\x05VNF", f"it is a capture of Visual UpTime: {_CONVERT}"),
    (b"\x54\x52\x00\x64\x00", f"it is a capture of HP-UX nettl: {_CONVERT}"),
    (b"\x01\x10", f"it is a capture of Novell LANalyzer: {_CONVERT}"),
    (b"\x7fver", f"it is a capture of OmniPeek: {_CONVERT}"),
    (b"ObserverPktBuffe", f"it is a capture of Network Instruments Observer: {_CONVERT}"),
    (b"btsnoop\0", "it is a Bluetooth capture, which holds no TLS"),
    (b"MDMP", "it is a memory dump, not a capture"),
)
_TEXTS = (
    (b"-----BEGIN ", "it is a PEM file, a key or a certificate: give it with --key"),
    (b"CLIENT_RANDOM ", "it is a key log: give it with --keylog"),
    (b"SERVER_HANDSHAKE_TRAFFIC_SECRET ", "it is a key log: give it with --keylog"),
)
_DER_SEQUENCES = (b"\x30\x82", b"\x30\x83", b"\x30\x80")
_TEXT_BOMS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")
_TAR_MAGIC_AT = 257
_LEAST_TEXT = 8  # fewer printable bytes may be anything
_ETL = "it does not begin as an event trace of Windows does: convert it to pcapng first (etl2pcapng can)"
_READABLE = "pcap, pcapng, snoop, Network Monitor and ETL captures can be read"


def what_it_is(head: bytes, path: str) -> str:
    """A clause for a file that starts with `head` and is no capture: what it is, and the remedy."""
    known = next((clause for magic, clause in _MAGICS if head.startswith(magic)), None)
    known = known or next((clause for text, clause in _TEXTS if text in head), None)
    if known is not None:
        return known
    if head.startswith(b"ustar", _TAR_MAGIC_AT):
        return f"it is a tar archive: {_UNPACK}"
    if PurePath(path).suffix.lower() == ".etl":
        return _ETL
    if head.startswith(_DER_SEQUENCES):
        return "it looks like a PFX, a key or a certificate: give it with --pfx or --key"
    return f"it is {'a text file, not a capture' if _is_text(head) else 'of no known capture format'}: {_READABLE}"


def _is_text(head: bytes) -> bool:
    if head.startswith(_TEXT_BOMS):
        return True
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < len(head) - 3:  # else a character is cut at the end of `head`
            return False
        text = head[: error.start].decode("utf-8")
    return len(text) >= _LEAST_TEXT and all(each.isprintable() or each in "\t\r\n\f" for each in text)
