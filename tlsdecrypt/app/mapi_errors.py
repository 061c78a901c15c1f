"""Codes of MAPI over HTTP, of ROPs and of the address book, with what they mean.

[MS-OXCMAPIHTTP] section 2.2.3.3.3 (X-ResponseCode), [MS-OXCDATA] section 2.4 (error codes).
"""

from __future__ import annotations

from typing import NamedTuple


class Code(NamedTuple):
    """The name of a code, and what it means."""

    name: str
    meaning: str


RESPONSE_CODES: dict[int, Code] = {
    0: Code("Success", "done"),
    1: Code("Unknown Failure", "the server failed without saying why"),
    2: Code("Invalid Verb", "the HTTP method is not POST"),
    3: Code("Invalid Path", "the path names no endpoint"),
    4: Code("Invalid Header", "a header of the request cannot be read"),
    5: Code("Invalid Request Type", "the server does not know this X-RequestType"),
    6: Code("Invalid Context Cookie", "the cookie names no session of this server"),
    7: Code("Missing Header", "a header is missing"),
    8: Code("Anonymous Not Allowed", "the client did not log on"),
    9: Code("Too Large", "the request is too large"),
    10: Code("Context Not Found", "the server does not have the session any more"),
    11: Code("No Privilege", "the user has no right to this session"),
    12: Code("Invalid Request Body", "the body of the request cannot be read"),
    13: Code("Missing Cookie", "the cookie of the session did not come"),
    14: Code("Reserved", "a reserved code"),
    15: Code("Invalid Sequence", "requests came out of order"),
    16: Code("Endpoint Disabled", "MAPI over HTTP is switched off there"),
    17: Code("Invalid Response", "the answer of the server behind cannot be read"),
    18: Code("Endpoint Shutting Down", "the server is going into maintenance"),
}

ERRORS: dict[int, Code] = {
    0x000003EB: Code("UnknownUser", "the server does not know the mailbox"),
    0x000003EF: Code("NotInGc", "the user is not in the global catalog that the server asks"),
    0x000003F0: Code("LoginFailure", "the server refused the logon"),
    0x000003F2: Code("LoginPermission", "the account has no right to this mailbox"),
    0x00000478: Code("WrongServer", "the mailbox is on another server"),
    0x00000480: Code("ServerBusy", "the server is too busy"),
    0x000004B6: Code("RpcFormat", "the server cannot read the buffer of ROPs"),
    0x000004B9: Code("NullObject", "the object is not open any more"),
    0x000004D9: Code("QuotaExceeded", "the mailbox is full"),
    0x000004DA: Code("MaxSubmissionExceeded", "the message is larger than may be sent"),
    0x000004DB: Code("MaxAttachmentExceeded", "the attachment is too large"),
    0x000004DC: Code("SendAsDenied", "the account may not send as this sender"),
    0x000004DD: Code("ShutoffQuotaExceeded", "the mailbox is so full that it may not send or receive"),
    0x000004DE: Code("TooManyOpenObjects", "the client holds too many objects open"),
    0x000004DF: Code("ClientVersionBlocked", "this version of the client is blocked"),
    0x000004E0: Code("RpcHttpDisallowed", "the user may not connect over HTTP"),
    0x000004E1: Code("CachedModeRequired", "the user may only connect in cached mode"),
    0x000004E3: Code("FolderCleanupInProgress", "the folder is being cleaned up"),
    0x0000050C: Code("MailboxInTransit", "the mailbox is being moved"),
    0x00000803: Code("NoReceiveFolder", "there is no folder for this class of message"),
    0x00040380: Code("ErrorsReturned", "some properties could not be given"),
    0x00040680: Code("PartialCompletion", "only a part was done"),
    0x80004005: Code("Error", "the call failed without saying why"),
    0x80030005: Code("StreamAccessDenied", "access to the stream is denied"),
    0x80040102: Code("NotSupported", "the server does not support this"),
    0x80040107: Code("InvalidEntryId", "the id of the object is not valid"),
    0x80040108: Code("InvalidObject", "the object is not valid"),
    0x80040109: Code("ObjectModified", "the object was changed by another"),
    0x8004010A: Code("ObjectDeleted", "the object was deleted"),
    0x8004010B: Code("ServerBusy", "the server is too busy"),
    0x8004010D: Code("OutOfDisk", "the server has no space left"),
    0x8004010F: Code("NotFound", "not found"),
    0x80040110: Code("VersionMismatch", "client and server do not fit together"),
    0x80040111: Code("LogonFailed", "the logon failed"),
    0x80040113: Code("UserCancel", "the client cancelled it"),
    0x80040115: Code("NetworkError", "the server could not reach another"),
    0x80040118: Code("InvalidBookmark", "the place in the table is not valid"),
    0x8004011B: Code("CorruptStore", "data of the mailbox are damaged"),
    0x8004011E: Code("InvalidCodepage", "the server does not support the code page of the client"),
    0x80040401: Code("TableTooBig", "the table is too large"),
    0x80040600: Code("CorruptData", "data are damaged"),
    0x80040604: Code("Collision", "an object of this name exists already"),
    0x80070005: Code("AccessDenied", "access is denied"),
    0x8007000E: Code("NotEnoughMemory", "the server has no memory left"),
    0x80070057: Code("InvalidParameter", "a parameter is not valid"),
}

SEND_AS_DENIED = 0x4DC

_WARNINGS = range(0x40000, 0x50000)  # something was done all the same


def hexadecimal(value: int) -> str:
    """As documents spell codes: `0x000004DC`."""
    return f"0x{value:08X}"


def error_name(value: int) -> str:
    """The name of an error code, else the code itself."""
    return ERRORS[value].name if value in ERRORS else hexadecimal(value)


def is_failure(value: int) -> bool:
    """Whether a code says that nothing was done: neither success nor a warning."""
    return value != 0 and value not in _WARNINGS
