"""The options of the command line: a contract. Names may be added; none may change or go."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable


def _files(name: str, what: str) -> Callable[[Any], Any]:
    """An option that names files and may be repeated."""
    return click.option(name, multiple=True, metavar="FILE", help=f"{what} May be repeated.")


def _flag(name: str, what: str) -> Callable[[Any], Any]:
    return click.option(name, is_flag=True, help=what)


_LIVE_OPTIONS = (
    click.option(
        "--interface",
        multiple=True,
        metavar="NAME",
        help="Capture on this interface, until Ctrl-C; `list` tells their names. May be repeated.",
    ),
    click.option("--write", metavar="FILE", help="Keep what is captured, or what comes through standard input."),
)
_KEY_OPTIONS = (
    _files("--pfx", "PKCS #12 file with the server's certificate and private key, as Windows exports it."),
    _files("--key", "Private key, PEM or DER: of a certificate, a known key share, or Encrypted Client Hello."),
    _files("--keylog", "TLS key log, as SSLKEYLOGFILE makes programs write it."),
    click.option("--psk", multiple=True, metavar="[IDENTITY:]HEX", help="Pre-shared key. May be repeated."),
    _files("--ticket-key", "Session-ticket keys of the server, as nginx, Apache and HAProxy have them."),
    click.option("--keys", multiple=True, metavar="DIR", help="Folder of key files: all are used. May be repeated."),
    click.option("--password-file", metavar="FILE", help="Passwords of the key files, one a line; each is tried."),
)
_CHOICE_OPTIONS = (
    click.option("--host", multiple=True, metavar="ADDRESS", help="Only connections with this host. May be repeated."),
    click.option(
        "--port",
        multiple=True,
        type=click.IntRange(1, 65535),
        metavar="PORT",
        help="Only connections with this port. May be repeated.",
    ),
    click.option(
        "--connection",
        multiple=True,
        type=click.IntRange(min=1),
        metavar="N",
        help="In key logs and captures, only this connection, by its number in the report. May be repeated.",
    ),
    click.option(
        "--finding",
        multiple=True,
        metavar="RULE",
        help="In key logs and captures, only connections on which this rule found something. May be repeated.",
    ),
)
_OUTPUT_OPTIONS = (
    click.option(
        "--format",
        "form",
        type=click.Choice(["text", "json", "jsonl"]),
        default="text",
        show_default=True,
        help="What goes to standard output.",
    ),
    click.option(
        "-o",
        "--output",
        multiple=True,
        metavar="FILE",
        help="Write a document too; its suffix is the format: .txt, .json, .jsonl, .html, .har, .saz, .pcapng, .pcap,"
        " .keylog. May be repeated.",
    ),
    click.option(
        "--follow",
        type=click.IntRange(min=1),
        metavar="N",
        help="Tell, in place of the text, what was said on connection N, byte for byte; secrets are overwritten.",
    ),
    click.option("--side", type=click.Choice(["client", "server"]), help="With --follow: only what this side said."),
    click.option(
        "--objects",
        metavar="DIR",
        help="Keep each HTTP content, mail message and attachment as a file in this new or empty folder, with an"
        " index.",
    ),
    _flag(
        "--explain",
        "Tell what TLS there is, and which certificate or key log would open how many more sessions, in place of the"
        " connections; needs no key.",
    ),
    _flag(
        "--dissect",
        "Have Wireshark's dissectors tell what no decoder here understands (LDAP, TDS, MySQL ...); needs tshark, and"
        " pip install 'tlsdecrypt[wireshark]'.",
    ),
    _flag("--with-original", "In decrypted captures, keep the encrypted frames beside those made of what was said."),
    _flag("--force", "Overwrite output files that exist."),
    _flag("--anonymise", "Put pseudonyms in place of names and addresses, the same in all that a run writes."),
    _flag("--show-secrets", "Do not mask passwords, cookies and tokens."),
    _flag("--verbose", "Tell more in the text: fields, contents, certificates, handshake messages."),
    _flag("--quiet", "No notes and no progress on standard error."),
    _flag("--schema", "Print the JSON Schema of the JSON document and of JSON Lines, and do nothing else."),
    _flag("--rules", "Print the rules that findings come from, and do nothing else."),
    click.option("--explain-rule", metavar="ID", help="Print what one rule means, and do nothing else."),
    _flag("--strict", "Exit with 3 unless all TLS was decrypted."),
    click.option(
        "--fail-on",
        type=click.Choice(["error", "warning"]),
        help="Exit with 5 where there is a finding of this severity, or a graver one.",
    ),
    click.option(
        "--jobs",
        type=click.IntRange(min=1),
        metavar="N",
        help="Share the work among N processes. By default large files take as many as there are cores.",
    ),
    click.version_option(package_name="tlsdecrypt", message="%(prog)s %(version)s"),
)


def with_options(command: Any) -> Any:
    """All options, in the order in which the help tells them."""
    for option in reversed((*_LIVE_OPTIONS, *_KEY_OPTIONS, *_CHOICE_OPTIONS, *_OUTPUT_OPTIONS)):
        command = option(command)
    return command
