"""What a healthy Exchange says to phones, browsers and Outlook over MAPI, after [MS-ASCMD] and [MS-OXCMAPIHTTP]."""

from __future__ import annotations

import struct
from typing import Any

from pyactivesync._wbxml import WBXMLWriter, wtag

POLICY_KEYS = ("1307199584", "3942919513")
VERSIONS = "2.5,12.0,12.1,14.0,14.1,16.0,16.1"
COMMANDS = (
    "Sync,SendMail,SmartForward,SmartReply,GetAttachment,FolderSync,FolderCreate,FolderDelete,FolderUpdate,MoveItems,"
    "GetItemEstimate,MeetingResponse,Search,Settings,Ping,ItemOperations,Provision,ResolveRecipients,ValidateCert,Find"
)
FOLDERS = (("1", "Calendar", "8"), ("2", "Contacts", "9"), ("5", "Inbox", "2"), ("6", "Sent Items", "5"))
SUBJECTS = ("Planning for May", "Re: Planning for May", "Lunch on Friday")

# Ping for changes of folder 5 within 480 seconds, and its query: version 14.1, a device of 32 hexadecimal digits.
PING_QUERY = "jRIJBCAwMTIzNDU2Nzg5QUJDREVGMDEyMzQ1Njc4OUFCQ0RFRgRZLQTrBmlQaG9uZQ=="
PING_REQUEST = bytes.fromhex("03016a00000d45480334383000 01494a4b03350001 4c03456d61696c0001010101".replace(" ", ""))

ADDRESS_BOOK = """\
<?xml version="1.0" encoding="utf-8"?>
<OAB>
 <OAL id="6f4dd1f4-5e1c-4a34-9a52-3f2a1f5b8d10" dn="/" name="\\Default Global Address List">
  <Full seq="42" ver="32" size="640" uncompressedsize="2400" SHA="0123456789ABCDEF">6f4dd1f4-data-42.lzx</Full>
  <Diff seq="42" ver="32" size="80" uncompressedsize="200" SHA="123456789ABCDEF0">6f4dd1f4-binpatch-42.lzx</Diff>
 </OAL>
</OAB>
"""


def document(page: str, name: str, *children: Any) -> bytes:
    """WBXML of `("Page", "Tag", "text")` or `("Page", "Tag", child, child ...)`."""
    return bytes(WBXMLWriter().tag(page, name, children=[_tag(each) for each in children]).render())


def _tag(tag: Any) -> Any:
    page, name, *rest = tag
    if rest and isinstance(rest[0], tuple):
        return wtag(page, name, children=[_tag(each) for each in rest])
    return wtag(page, name, text=rest[0] if rest else None)


def provision(key: str) -> bytes:
    """The policy, with its key."""
    tags = (("PolicyType", "MS-EAS-Provisioning-WBXML"), ("Status", "1"), ("PolicyKey", key))
    policy = ("Provision", "Policy", *(("Provision", *each) for each in tags))
    return document("Provision", "Provision", ("Provision", "Status", "1"), ("Provision", "Policies", policy))


def folder_sync() -> bytes:
    """All folders."""
    added = [
        (
            "FolderHierarchy",
            "Add",
            *(("FolderHierarchy", tag, text) for tag, text in zip(_FOLDER, (number, "0", name, kind), strict=True)),
        )
        for number, name, kind in FOLDERS
    ]
    changes = ("FolderHierarchy", "Changes", ("FolderHierarchy", "Count", str(len(added))), *added)
    head = (("FolderHierarchy", "Status", "1"), ("FolderHierarchy", "SyncKey", "1"))
    return document("FolderHierarchy", "FolderSync", *head, changes)


_FOLDER = ("ServerId", "ParentId", "DisplayName", "Type")


def sync(key: str, *, with_items: bool) -> bytes:
    """One folder: its new key, and the mails in it."""
    commands = ("AirSync", "Commands", *(_mail(number, each) for number, each in enumerate(SUBJECTS, 1)))
    collection = (
        "AirSync",
        "Collection",
        ("AirSync", "SyncKey", key),
        ("AirSync", "CollectionId", "5"),
        ("AirSync", "Status", "1"),
        *((commands,) if with_items else ()),
    )
    return document("AirSync", "Sync", ("AirSync", "Collections", collection))


def _mail(number: int, subject: str) -> Any:
    data = (("Email", "Subject", subject), ("Email", "From", "casey@contoso.com"), ("Email", "Read", "0"))
    return (
        "AirSync",
        "Add",
        ("AirSync", "ServerId", f"5:{number}"),
        ("AirSync", "ApplicationData", *data),
    )


def ping(status: str) -> bytes:
    """Changes of folder 5, or the end of the heartbeat."""
    folders = (("Ping", "Folders", ("Ping", "Folder", "5")),) if status == "2" else ()
    return document("Ping", "Ping", ("Ping", "Status", status), *folders)


def oof() -> bytes:
    """No automatic replies."""
    get = ("Settings", "Get", ("Settings", "OofState", "0"))
    return document("Settings", "Settings", ("Settings", "Status", "1"), ("Settings", "Oof", _OOF_STATUS, get))


_OOF_STATUS = ("Settings", "Status", "1")

USER_DN = b"/o=Contoso/ou=Exchange Administrative Group (FYDIBOHF23SPDLT)/cn=Recipients/cn=avery\0"
CONNECT_REQUEST = USER_DN + struct.pack("<IIIII", 0, 1252, 0x409, 0x409, 0)
CONNECT_RESPONSE = (
    struct.pack("<IIIII", 0, 0, 60_000, 6, 10_000)
    + b"/o=Contoso/cn=Recipients/cn=\0"
    + "Avery Howard\0".encode("utf-16-le")
    + bytes(4)
)


def rop_buffer(rops: bytes) -> bytes:
    """RPC_HEADER_EXT, the ROPs obfuscated with 0xA5, and one handle."""
    payload = bytes(byte ^ 0xA5 for byte in struct.pack("<H", len(rops) + 2) + rops + b"\xff\xff\xff\xff")
    return struct.pack("<HHHH", 0, 0x06, len(payload), len(payload)) + payload


# GetReceiveFolder of "IPM", and its answer; then a property that is not there, as in every session.
GET_RECEIVE_FOLDER = rop_buffer(bytes.fromhex("27 00 00 49504d00 01 00 00"))
RECEIVE_FOLDER = rop_buffer(bytes.fromhex("27 00 00000000 0100000000000001 49504d00 2b 00 0f010480"))
EXECUTE_REQUEST = struct.pack("<II", 0, len(GET_RECEIVE_FOLDER)) + GET_RECEIVE_FOLDER + struct.pack("<II", 0x10008, 0)
EXECUTE_RESPONSE = struct.pack("<IIII", 0, 0, 0, len(RECEIVE_FOLDER)) + RECEIVE_FOLDER + struct.pack("<I", 0)
MAPI = {"Connect": CONNECT_RESPONSE, "Execute": EXECUTE_RESPONSE, "Disconnect": bytes(12)}
