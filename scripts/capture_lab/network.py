"""Two network namespaces joined by one Ethernet link of 1,500 bytes, and what runs and records in them.

Addresses are those reserved for documentation (RFC 5737, RFC 3849). Offloads are off, so that each frame of a
recording is one that a wire would have carried, with its checksums computed.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

PROGRAMS = (
    *("ip", "ethtool", "tcpdump", "openssl", "curl", "ss", "tshark", "editcap"),
    *("gnutls-serv", "gnutls-cli", "srptool", "selfserv", "tstclnt", "certutil", "pk12util", "nginx"),
)
RUN_SECONDS = 60  # no program of a recording may take longer
START_SECONDS = 15
TYPING_SECONDS = 0.3  # between two lines that a person types
CLIENT_MAC, SERVER_MAC = "02:00:c0:00:02:0a", "02:00:c6:33:64:19"
NAME_SERVER = "198.51.100.53"
CLIENT_ADDRESSES = ("192.0.2.10/24", "192.0.2.21/24", "2001:db8:10::10/64")
SERVER_ADDRESSES = ("198.51.100.25/24", f"{NAME_SERVER}/24", "2001:db8:25::25/64")
CLIENT_ROUTES = ("198.51.100.0/24", "2001:db8:25::/64")
SERVER_ROUTES = ("192.0.2.0/24", "2001:db8:10::/64")
HOSTS = """\
127.0.0.1 localhost
198.51.100.25 mail.contoso.com autodiscover.contoso.com
2001:db8:25::25 mail6.contoso.com
"""


class LabError(Exception):
    """A program of the laboratory failed, or did not come up in time."""


@dataclass
class Namespace:
    """A network namespace with one interface, `device`, on the link between the two."""

    name: str
    device: str
    started: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def inside(self, command: Sequence[str | Path]) -> list[str]:
        """The command line that runs `command` in this namespace."""
        return ["ip", "netns", "exec", self.name, *map(str, command)]

    def run(
        self,
        command: Sequence[str | Path],
        *,
        stdin: bytes = b"",
        env: dict[str, str] | None = None,
        check: bool = True,
    ) -> bytes:
        """What `command` wrote to standard output. Raises LabError when it fails (unless told not to check)."""
        return run(self.inside(command), stdin=stdin, env=env, check=check)

    def start(self, command: Sequence[str | Path], env: dict[str, str] | None = None) -> subprocess.Popen[bytes]:
        """A program that goes on in the background until `stop` or the end of the laboratory."""
        process = subprocess.Popen(
            self.inside(command),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(env or {})},
        )
        self.started.append(process)
        return process

    def type(self, command: Sequence[str | Path], lines: Sequence[bytes], *, env: dict[str, str] | None = None) -> None:
        """Run `command` and type `lines` in, one after the other. Raises LabError when it fails or breaks off."""
        process = self.start(command, env)
        assert process.stdin is not None
        try:
            for line in lines:
                time.sleep(TYPING_SECONDS)
                process.stdin.write(line)
                process.stdin.flush()
            time.sleep(TYPING_SECONDS)
        except BrokenPipeError:
            process.stdin = None
        output, _ = process.communicate(timeout=RUN_SECONDS)
        if process.returncode:
            msg = f"{' '.join(map(str, command))}: status {process.returncode}: {output.decode(errors='replace')}"
            raise LabError(msg)

    def listens(self, port: int) -> bool:
        """Whether something accepts TCP connections on `port`."""
        return bool(self.run(["ss", "-Hltn", f"sport = :{port}"]).strip())

    def serve(self, command: Sequence[str | Path], port: int) -> subprocess.Popen[bytes]:
        """A server in the background, once it listens on `port`. Raises LabError when it never does."""
        process = self.start(command)
        deadline = time.monotonic() + START_SECONDS
        while not self.listens(port):
            if process.poll() is not None or time.monotonic() > deadline:
                stop(process)
                output = process.stdout.read().decode(errors="replace") if process.stdout else ""
                msg = f"{command[0]} does not listen on {port}: {output}"
                raise LabError(msg)
            time.sleep(0.05)
        return process


def run(command: Sequence[str], *, stdin: bytes = b"", env: dict[str, str] | None = None, check: bool = True) -> bytes:
    """What a program wrote to standard output, bounded in time."""
    done = subprocess.run(
        list(map(str, command)),
        input=stdin,
        capture_output=True,
        env={**os.environ, **(env or {})},
        timeout=RUN_SECONDS,
        check=False,
    )
    if check and done.returncode:
        msg = f"{' '.join(map(str, command))}: status {done.returncode}: {done.stderr.decode(errors='replace')}"
        raise LabError(msg)
    return done.stdout


def stop(process: subprocess.Popen[bytes], signal_number: int = signal.SIGTERM) -> None:
    """End one program that this laboratory started, and wait for it."""
    if process.poll() is None:
        process.send_signal(signal_number)
    try:
        process.wait(timeout=5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(timeout=5)


@dataclass
class Lab:
    """The two namespaces, up and joined."""

    client: Namespace
    server: Namespace

    @contextmanager
    def recording(self, path: Path, interface: str | None = None) -> Iterator[None]:
        """Record what passes on the server's side of the link (or on `interface`) into `path` (pcap)."""
        device = interface or self.server.device
        command = ["tcpdump", "-i", device, "-s", "0", "-U", "-n", "-Z", "root", "--immediate-mode", "-w", str(path)]
        recorder = self.server.start(command)
        assert recorder.stdout is not None
        if not any(b"listening on" in line for line in iter(recorder.stdout.readline, b"")):
            msg = "tcpdump did not start"
            raise LabError(msg)
        try:
            yield
            time.sleep(0.5)  # the last FIN and its ACK
        finally:
            stop(recorder, signal.SIGINT)

    @contextmanager
    def serving(self, command: Sequence[str | Path], port: int) -> Iterator[subprocess.Popen[bytes]]:
        """A server of the server's side, for as long as the block runs."""
        process = self.server.serve(command, port)
        try:
            yield process
        finally:
            stop(process)


def _name_files(namespace: Namespace) -> Path:
    """The files that `ip netns exec` lays over /etc for this namespace alone."""
    folder = Path("/etc/netns") / namespace.name
    folder.mkdir(parents=True)
    (folder / "hosts").write_text(HOSTS)
    (folder / "resolv.conf").write_text(f"nameserver {NAME_SERVER}\noptions timeout:1 attempts:1\n")
    return folder


def _bring_up(namespace: Namespace, addresses: Sequence[str], routes: Sequence[str]) -> None:
    device = namespace.device
    namespace.run(["ip", "link", "set", "lo", "up"])
    namespace.run(["ip", "link", "set", device, "addrgenmode", "none"])
    for address in addresses:
        namespace.run(["ip", "addr", "add", address, "dev", device, *(["nodad"] if ":" in address else [])])
    offloads = [word for name in ("rx", "tx", "sg", "tso", "gso", "gro") for word in (name, "off")]
    namespace.run(["ethtool", "-K", device, *offloads])
    namespace.run(["ip", "link", "set", device, "up"])
    for route in routes:
        namespace.run(["ip", "route", "add", route, "dev", device])


@contextmanager
def laboratory() -> Iterator[Lab]:
    """A Lab; whatever was started or made for it is gone afterwards."""
    for program in PROGRAMS:
        if not shutil.which(program):
            sys.exit(f"make_captures: {program} is missing (see captures/README.md for the packages)")
    suffix = os.getpid()
    lab = Lab(Namespace(f"lab-client-{suffix}", "client0"), Namespace(f"lab-server-{suffix}", "server0"))
    folders = [_name_files(each) for each in (lab.client, lab.server)]
    try:
        run(["ip", "netns", "add", lab.client.name])
        run(["ip", "netns", "add", lab.server.name])
        link = ["ip", "link", "add", "client0", "address", CLIENT_MAC, "netns", lab.client.name, "type", "veth"]
        run([*link, "peer", "name", "server0", "address", SERVER_MAC, "netns", lab.server.name])
        _bring_up(lab.client, CLIENT_ADDRESSES, CLIENT_ROUTES)
        _bring_up(lab.server, SERVER_ADDRESSES, SERVER_ROUTES)
        yield lab
    finally:
        for process in lab.client.started + lab.server.started:
            stop(process)
        for each in (lab.client, lab.server):
            run(["ip", "netns", "del", each.name], check=False)
        for folder in folders:
            shutil.rmtree(folder)
