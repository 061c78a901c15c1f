"""mail.pcap: a good day of mail: Postfix and Dovecot with swaks and curl, and two servers of Exchange."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from capture_lab.network import run

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from capture_lab.keys import ServerKey
    from capture_lab.network import Lab

HERE = Path(__file__).parent
HOST = "mail.contoso.com"
SMTP, POP3, IMAP, EXCHANGE = 25, 110, 143, 2525
USER, PASSWORD = "avery@contoso.com", "not-a-secret"
PROGRAMS = ("swaks", "postfix", "dovecot")
MASTER = "/usr/lib/postfix/sbin/master"
POSTFIX = """\
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
mail_owner = postfix
setgid_group = postdrop
myhostname = {host}
mydestination = contoso.com
inet_interfaces = all
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
local_recipient_maps = inline:{{avery=known}}
local_transport = discard:
default_transport = discard:
smtpd_tls_cert_file = {certificates}
smtpd_tls_key_file = {private_key}
smtpd_tls_security_level = may
smtpd_tls_protocols = TLSv1.2
smtpd_tls_exclude_ciphers = kECDHE, kDHE
tls_medium_cipherlist = AES128-GCM-SHA256
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = {folder}/run/auth-client
smtpd_tls_auth_only = yes
smtpd_relay_restrictions = permit_sasl_authenticated, reject_unauth_destination
smtpd_peername_lookup = no
maillog_file = {folder}/maillog
maillog_file_prefixes = {folder}
"""
SERVICES = """\
25 inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
proxymap unix - - n - - proxymap
discard unix - - n - - discard
anvil unix - - n - 1 anvil
tlsmgr unix - - n 1000? 1 tlsmgr
postlog unix-dgram n - n - 1 postlogd
"""
DOVECOT = """\
base_dir = {folder}/run
state_dir = {folder}/state
protocols = imap pop3
listen = *
ssl = yes
ssl_cert = <{certificates}
ssl_key = <{private_key}
ssl_cipher_list = AES128-GCM-SHA256
ssl_min_protocol = TLSv1.2
auth_mechanisms = plain login
log_path = {folder}/dovecot.log
mail_location = maildir:{folder}/mail/%u
first_valid_uid = 1
passdb {{
  driver = static
  args = password={{plain}}{password}
}}
userdb {{
  driver = static
  args = uid=mail gid=mail home={folder}/mail/%u allow_all_users=yes
}}
service auth {{
  unix_listener auth-client {{
    mode = 0666
  }}
}}
"""


def _postfix(folder: Path, values: dict[str, str | Path]) -> list[str | Path]:
    """The command line of Postfix, its folders made."""
    for name in ("conf", "queue", "data"):
        (folder / name).mkdir()
    shutil.chown(folder / "data", "postfix")
    (folder / "conf" / "main.cf").write_text(POSTFIX.format(**values))
    (folder / "conf" / "master.cf").write_text(SERVICES)
    run(["postfix", "-c", str(folder / "conf"), "check"])
    return [MASTER, "-d", "-c", folder / "conf"]


def _dovecot(folder: Path, values: dict[str, str | Path]) -> list[str | Path]:
    """The command line of Dovecot, its folders made."""
    for name in ("run", "state", "mail"):
        (folder / name).mkdir()
    shutil.chown(folder / "mail", "mail", "mail")
    (folder / "dovecot.conf").write_text(DOVECOT.format(**values))
    return ["dovecot", "-F", "-c", folder / "dovecot.conf"]


def _clients() -> Iterator[Sequence[str | Path]]:
    """Mail comes in; a client sends mail and reads its own; one Exchange server sends to another."""
    swaks = ["swaks", "-s", HOST, "--helo", "mail.fabrikam.com", "--suppress-data", "-n"]
    yield [*swaks, "-f", "kim@fabrikam.com", "-t", USER, "--header", "Received: from pc by mail.fabrikam.com"]
    yield [*swaks, "-f", "kim@fabrikam.com", "-t", USER, "--pipeline", "--tls"]
    login = ["-a", "LOGIN", "-au", USER, "-ap", PASSWORD]
    yield [*swaks, "--helo", "pc.contoso.com", "-f", USER, "-t", "kim@fabrikam.com", "--tls", *login]
    curl = ["curl", "-sS", "-k", "--ssl-reqd", "--tls-max", "1.2", "-u", f"{USER}:{PASSWORD}"]
    yield [*curl, f"imap://{HOST}/INBOX"]
    yield [*curl, f"pop3://{HOST}/"]
    yield [sys.executable, HERE / "exchange_smtp_client.py", HOST, str(EXCHANGE)]


def record_mail(lab: Lab, key: ServerKey, scratch: Path) -> list[Path]:
    """The recording of this story, as a pcap in `scratch`."""
    if missing := [program for program in PROGRAMS if not shutil.which(program)]:
        sys.exit(f"make_captures: {', '.join(missing)} is missing (see captures/README.md for the packages)")
    path, folder = scratch / "mail.pcap", scratch / "mail"
    folder.mkdir()
    for each in (scratch, folder):
        each.chmod(0o755)  # servers give up being root
    values: dict[str, str | Path] = {"folder": folder, "host": HOST, "password": PASSWORD}
    values |= {"certificates": key.certificates, "private_key": key.private_key}
    exchange: list[str | Path] = [sys.executable, HERE / "exchange_smtp_peer.py", key.certificates, key.private_key]
    with (
        lab.serving(_dovecot(folder, values), IMAP),
        lab.serving(_postfix(folder, values), SMTP),
        lab.serving([*exchange, str(EXCHANGE)], EXCHANGE),
        lab.recording(path),
    ):
        for client in _clients():
            lab.client.run(client)
    return [path]
