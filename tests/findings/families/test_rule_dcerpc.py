"""Faults of DCE/RPC."""

from __future__ import annotations

import struct
from uuid import UUID

import pytest
from packets import CLIENT, SERVER, C, S, Scene, found, rules_of

from tlsdecrypt.findings.finding import Confidence, Severity

ACTIVATOR = "000001a0-0000-0000-c000-000000000046"
METABASE = "70b51430-b6ca-11d0-b9b9-00a0c922e750"
OBJECT = "00000143-0000-0000-c000-000000000046"
NETLOGON = "12345678-1234-abcd-ef00-01234567cffb"
NDR = UUID("8a885d04-1ceb-11c9-9fe8-08002b104860").bytes_le + struct.pack("<I", 2)


def pdu(kind: int, body: bytes, call: int) -> bytes:
    return struct.pack("<BBBBIHHI", 5, 0, kind, 3, 0x10, 16 + len(body), 0, call) + body


def denied(interface: str = ACTIVATOR, status: int = 5, port: int = 135) -> Scene:
    context = struct.pack("<HBB", 0, 1, 0) + UUID(interface).bytes_le + struct.pack("<I", 0) + NDR
    scene = Scene()
    scene.dialogue(
        [
            C(pdu(11, struct.pack("<HHIB3x", 5840, 5840, 0, 1) + context, 1)),
            S(pdu(12, struct.pack("<HHIH4s2xB3x", 5840, 5840, 7, 4, b"135\0", 1) + bytes(4) + NDR, 1)),
            C(pdu(0, struct.pack("<IHH", 4, 0, 4) + b"sealed arguments", 2)),
            S(pdu(3, struct.pack("<IHBBII", 0, 0, 0, 0, status, 0), 2)),
        ],
        port=port,
    )
    return scene


@pytest.mark.parametrize(("interface", "port"), [(ACTIVATOR, 135), (METABASE, 49_155)])
@pytest.mark.parametrize("status", [5, 0x80070005])
def test_dcerpc_access_denied_fires(interface: str, port: int, status: int) -> None:
    finding = found(denied(interface, status, port), "dcerpc.access-denied")
    assert finding is not None
    assert (finding.severity, finding.confidence) == (Severity.WARNING, Confidence.LIKELY)
    assert finding.summary.startswith(f"{SERVER} denies {CLIENT} access by DCOM")
    assert finding.evidence[-1].what == f"fault, status 0x{status:08x}: access denied"


def test_dcerpc_access_denied_fires_on_the_object_that_was_activated_before() -> None:
    scene = Scene()
    for interface, status in ((ACTIVATOR, 0x1C010002), (OBJECT, 5)):
        part = denied(interface, status)
        scene.frames += [(scene.now + time, frame) for time, frame in part.frames]
        scene.now += part.now + 1
    assert "dcerpc.access-denied" in rules_of(scene)
    assert "dcerpc.access-denied" not in rules_of(denied(OBJECT))


@pytest.mark.parametrize(
    "scene",
    [denied(NETLOGON), denied(status=0x1C010003), denied(status=0x1C010002)],
    ids=["another interface", "unknown interface", "another version"],
)
def test_dcerpc_access_denied_is_silent(scene: Scene) -> None:
    assert "dcerpc.access-denied" not in rules_of(scene)
