"""Remote operations (ROPs) by name and layout ([MS-OXCROPS] section 2.2), as far as a list of them can be walked.

A layout says how the rest of a ROP is laid out behind its first bytes, in words: a number of bytes; `h`, bytes behind
their count of 16 bits; `l`, behind one of 32 bits; `z`, a string with a zero; `NxM`, a count of N bits, times M bytes.
A ROP without a layout can be named, and ends the walk.
"""

from __future__ import annotations

from typing import NamedTuple

RELEASE = 0x01
SUBMIT_MESSAGE = 0x32
TRANSPORT_SEND = 0x4A
LOGON = 0xFE


class Rop(NamedTuple):
    """`request` is laid out behind RopId, LogonId and handle; `response` behind a ReturnValue of 0.

    None: the layout depends on more than its own bytes. `failure`: bytes behind any other ReturnValue.
    """

    name: str
    request: str | None = None
    response: str | None = None
    failure: str | None = ""


_PROBLEMS = "16x10"

ROPS: dict[int, Rop] = {
    0x01: Rop("Release", ""),
    0x02: Rop("OpenFolder", "10"),
    0x03: Rop("OpenMessage", "20"),
    0x04: Rop("GetHierarchyTable", "2", "4"),
    0x05: Rop("GetContentsTable", "2", "4"),
    0x06: Rop("CreateMessage", "12"),
    0x07: Rop("GetPropertiesSpecific", "4 16x4"),
    0x08: Rop("GetPropertiesAll", "4"),
    0x09: Rop("GetPropertiesList", "", "16x4"),
    0x0A: Rop("SetProperties", "h", _PROBLEMS),
    0x0B: Rop("DeleteProperties", "16x4", _PROBLEMS),
    0x0C: Rop("SaveChangesMessage", "2", "9"),
    0x0D: Rop("RemoveAllRecipients", "4", ""),
    0x0E: Rop("ModifyRecipients", None, ""),
    0x0F: Rop("ReadRecipients", "6"),
    0x10: Rop("ReloadCachedInformation", "2"),
    0x11: Rop("SetMessageReadFlag"),
    0x12: Rop("SetColumns", "1 16x4", "1"),
    0x13: Rop("SortTable", None, "1"),
    0x14: Rop("Restrict", "1 h", "1"),
    0x15: Rop("QueryRows", "4"),
    0x16: Rop("GetStatus", "", "1"),
    0x17: Rop("QueryPosition", "", "8"),
    0x18: Rop("SeekRow", "6", "5"),
    0x19: Rop("SeekRowBookmark", "h 5", "6"),
    0x1A: Rop("SeekRowFractional", "8", ""),
    0x1B: Rop("CreateBookmark", "", "h"),
    0x1C: Rop("CreateFolder"),
    0x1D: Rop("DeleteFolder", "9", "1", "1"),
    0x1E: Rop("DeleteMessages", "2 16x8", "1", "1"),
    0x1F: Rop("GetMessageStatus", "8", "4"),
    0x20: Rop("SetMessageStatus", "16", "4"),
    0x21: Rop("GetAttachmentTable", "2", ""),
    0x22: Rop("OpenAttachment", "6"),
    0x23: Rop("CreateAttachment", "1", "4"),
    0x24: Rop("DeleteAttachment", "4", ""),
    0x25: Rop("SaveChangesAttachment", "2", ""),
    0x26: Rop("SetReceiveFolder", "8 z", ""),
    0x27: Rop("GetReceiveFolder", "z", "8 z"),
    0x29: Rop("RegisterNotification", None, ""),
    0x2A: Rop("Notify"),
    0x2B: Rop("OpenStream", "6", "4"),
    0x2C: Rop("ReadStream", None, "h", "h"),
    0x2D: Rop("WriteStream", "h", "2", "2"),
    0x2E: Rop("SeekStream", "9", "8"),
    0x2F: Rop("SetStreamSize", "8", ""),
    0x30: Rop("SetSearchCriteria", "h 16x8 4", ""),
    0x31: Rop("GetSearchCriteria", "3"),
    0x32: Rop("SubmitMessage", "1", ""),
    0x33: Rop("MoveCopyMessages", "1 16x8 2", "1", None),
    0x34: Rop("AbortSubmit", "16", ""),
    0x35: Rop("MoveFolder", None, "1", None),
    0x36: Rop("CopyFolder", None, "1", None),
    0x37: Rop("QueryColumnsAll", "", "16x4"),
    0x38: Rop("Abort", "", "1"),
    0x39: Rop("CopyTo", "4 16x4", _PROBLEMS, None),
    0x3A: Rop("CopyToStream", "9", "16", None),
    0x3B: Rop("CloneStream", "1", ""),
    0x3E: Rop("GetPermissionsTable", "2", ""),
    0x3F: Rop("GetRulesTable", "2", ""),
    0x40: Rop("ModifyPermissions", None, ""),
    0x41: Rop("ModifyRules", None, ""),
    0x42: Rop("GetOwningServers", "8"),
    0x43: Rop("LongTermIdFromId", "8", "24"),
    0x44: Rop("IdFromLongTermId", "24", "8"),
    0x45: Rop("PublicFolderIsGhosted", "8"),
    0x46: Rop("OpenEmbeddedMessage", "4"),
    0x47: Rop("SetSpooler", "", ""),
    0x48: Rop("SpoolerLockMessage", "9", ""),
    0x49: Rop("GetAddressTypes", ""),
    0x4A: Rop("TransportSend", ""),
    0x4B: Rop("FastTransferSourceCopyMessages", "1 16x8 2", ""),
    0x4C: Rop("FastTransferSourceCopyFolder", "3", ""),
    0x4D: Rop("FastTransferSourceCopyTo", None, ""),
    0x4E: Rop("FastTransferSourceGetBuffer"),
    0x4F: Rop("FindRow", "1 h 1 h"),
    0x50: Rop("Progress", "1"),
    0x51: Rop("TransportNewMail", "16 z 4", ""),
    0x52: Rop("GetValidAttachments", "", "16x4"),
    0x53: Rop("FastTransferDestinationConfigure", "3", ""),
    0x54: Rop("FastTransferDestinationPutBuffer", "h", "9", "9"),
    0x55: Rop("GetNamesFromPropertyIds", "16x2"),
    0x56: Rop("GetPropertyIdsFromNames", None, "16x2"),
    0x57: Rop("UpdateDeferredActionMessages", "h h", ""),
    0x58: Rop("EmptyFolder", "2", "1", "1"),
    0x59: Rop("ExpandRow", "10"),
    0x5A: Rop("CollapseRow", "8", "4"),
    0x5B: Rop("LockRegionStream", "20", ""),
    0x5C: Rop("UnlockRegionStream", "20", ""),
    0x5D: Rop("CommitStream", "", ""),
    0x5E: Rop("GetStreamSize", "", "4"),
    0x5F: Rop("QueryNamedProperties"),
    0x60: Rop("GetPerUserLongTermIds", "16", "16x24"),
    0x61: Rop("GetPerUserGuid", "24", "16"),
    0x63: Rop("ReadPerUserInformation", "31"),
    0x64: Rop("WritePerUserInformation", None, ""),
    0x66: Rop("SetReadFlags", "2 16x8", "1", "1"),
    0x67: Rop("CopyProperties", "3 16x4", _PROBLEMS, None),
    0x68: Rop("GetReceiveFolderTable", ""),
    0x69: Rop("FastTransferSourceCopyProperties", "4 16x4", ""),
    0x6B: Rop("GetCollapseState", "12", "h"),
    0x6C: Rop("SetCollapseState", "h", "h"),
    0x6D: Rop("GetTransportFolder", "", "8"),
    0x6E: Rop("Pending"),
    0x6F: Rop("OptionsData", "z 1"),
    0x70: Rop("SynchronizationConfigure", None, ""),
    0x72: Rop("SynchronizationImportMessageChange"),
    0x73: Rop("SynchronizationImportHierarchyChange"),
    0x74: Rop("SynchronizationImportDeletes"),
    0x75: Rop("SynchronizationUploadStateStreamBegin", "8", ""),
    0x76: Rop("SynchronizationUploadStateStreamContinue", "l", ""),
    0x77: Rop("SynchronizationUploadStateStreamEnd", "", ""),
    0x78: Rop("SynchronizationImportMessageMove", "l l l l l", "8"),
    0x79: Rop("SetPropertiesNoReplicate", "h", _PROBLEMS),
    0x7A: Rop("DeletePropertiesNoReplicate", "16x4", _PROBLEMS),
    0x7B: Rop("GetStoreState", "", "4"),
    0x7E: Rop("SynchronizationOpenCollector", "2", ""),
    0x7F: Rop("GetLocalReplicaIds", "4", "22"),
    0x80: Rop("SynchronizationImportReadStateChanges", "h", ""),
    0x81: Rop("ResetTable", "", ""),
    0x82: Rop("SynchronizationGetTransferState", "1", ""),
    0x86: Rop("TellVersion", "6", ""),
    0x89: Rop("FreeBookmark", "h", ""),
    0x90: Rop("WriteAndCommitStream", "h", "2", "2"),
    0x91: Rop("HardDeleteMessages", "2 16x8", "1", "1"),
    0x92: Rop("HardDeleteMessagesAndSubfolders", "2", "1", "1"),
    0x93: Rop("SetLocalReplicaMidsetDeleted", "h", ""),
    0xA3: Rop("WriteStreamExtended", "h", "4", "4"),
    0xF9: Rop("Backoff"),
    0xFE: Rop("Logon", "9 h", None, None),
    0xFF: Rop("BufferTooSmall"),
}


def rop_name(rop_id: int) -> str:
    """The name of a ROP, without its prefix `Rop`."""
    return ROPS[rop_id].name if rop_id in ROPS else f"0x{rop_id:02X}"
