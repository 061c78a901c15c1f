"""What the Status values of ActiveSync mean ([MS-ASCMD] section 2.2.2 for all commands, 2.2.3.177 for each)."""

from __future__ import annotations

from typing import NamedTuple

SUCCESS = 1


class Status(NamedTuple):
    """The name of a status, what it means, and whether the client can go on without doing anything about it."""

    name: str
    meaning: str
    is_error: bool = True


_COMMON: dict[int, tuple[str, str]] = {
    101: ("InvalidContent", "the body is not what this command takes"),
    102: ("InvalidWBXML", "the body is no valid WBXML"),
    103: ("InvalidXML", "the XML in the request breaks the schema"),
    104: ("InvalidDateTime", "a time in the request cannot be read"),
    105: ("InvalidCombinationOfIDs", "ids in the request exclude one another"),
    106: ("InvalidIDs", "an id in the request is not valid"),
    107: ("InvalidMIME", "the MIME message in the request cannot be read"),
    108: ("DeviceIdMissingOrInvalid", "the device id is missing or not valid"),
    109: ("DeviceTypeMissingOrInvalid", "the device type is missing or not valid"),
    110: ("ServerError", "the server failed, and trying again at once is of no use"),
    111: ("ServerErrorRetryLater", "the server failed for the moment"),
    112: ("ActiveDirectoryAccessDenied", "the server may not write the device object in Active Directory"),
    113: ("MailboxQuotaExceeded", "the mailbox is full"),
    114: ("MailboxServerOffline", "the mailbox server cannot be reached"),
    115: ("SendQuotaExceeded", "the mailbox is over the size up to which it may send"),
    116: ("MessageRecipientUnresolved", "a recipient is not known"),
    117: ("MessageReplyNotAllowed", "a reply to this message is not allowed"),
    118: ("MessagePreviouslySent", "this message was sent before"),
    119: ("MessageHasNoRecipient", "the message has no recipient"),
    120: ("MailSubmissionFailed", "the server could not send the message"),
    121: ("MessageReplyFailed", "the server could not make the reply"),
    122: ("AttachmentIsTooLarge", "an attachment is too large"),
    123: ("UserHasNoMailbox", "the user has no mailbox"),
    124: ("UserCannotBeAnonymous", "a user has to log on"),
    125: ("UserPrincipalCouldNotBeFound", "the user was not found in Active Directory"),
    126: ("UserDisabledForSync", "ActiveSync is switched off for this user"),
    127: ("UserOnNewMailboxCannotSync", "this server cannot serve a mailbox of a newer Exchange"),
    128: ("UserOnLegacyMailboxCannotSync", "this server cannot serve a mailbox of an older Exchange"),
    129: ("DeviceIsBlockedForThisUser", "this device is blocked or quarantined for the user"),
    130: ("AccessDenied", "the user has no right to do this"),
    131: ("AccountDisabled", "the account is disabled"),
    132: ("SyncStateNotFound", "the server has no sync state for this device"),
    133: ("SyncStateLocked", "the sync state is in use by another request"),
    134: ("SyncStateCorrupt", "the sync state on the server is damaged"),
    135: ("SyncStateAlreadyExists", "a sync state exists already"),
    136: ("SyncStateVersionInvalid", "the sync state is of another version of the server"),
    137: ("CommandNotSupported", "the server does not know this command"),
    138: ("VersionNotSupported", "the server does not speak this protocol version"),
    139: ("DeviceNotFullyProvisionable", "the device cannot keep all of the policy, and the policy insists"),
    140: ("RemoteWipeRequested", "the device shall erase itself"),
    141: ("LegacyDeviceOnStrictPolicy", "the device knows no policies, and the policy insists"),
    142: ("DeviceNotProvisioned", "the device has to fetch the policy first"),
    143: ("PolicyRefresh", "the policy has changed, and the device has to fetch it again"),
    144: ("InvalidPolicyKey", "the policy key of the device is not valid any more"),
    145: ("ExternallyManagedDevicesNotAllowed", "the device is managed by others, and the policy forbids that"),
    146: ("NoRecurrenceInCalendar", "the calendar item has no recurrence"),
    147: ("UnexpectedItemClass", "the item is of another class than expected"),
    148: ("RemoteServerHasNoSSL", "the server behind this one does not speak TLS"),
    149: ("InvalidStoredRequest", "the server has no earlier request that this short one could repeat"),
    150: ("ItemNotFound", "the item was not found"),
    151: ("TooManyFolders", "there are more folders than the server can list"),
    152: ("NoFoldersFound", "no folder was found"),
    153: ("ItemsLostAfterMove", "items got lost while they were moved"),
    154: ("FailureInMoveOperation", "items could not be moved"),
    155: ("MoveCommandDisallowed", "this way of moving is not allowed"),
    156: ("MoveCommandInvalidDestination", "the folder to move to is not valid"),
    160: ("AvailabilityTooManyRecipients", "the availability of too many people was asked"),
    161: ("AvailabilityDLLimitReached", "a distribution list has too many members to ask"),
    162: ("AvailabilityTransientFailure", "availability could not be read for the moment"),
    163: ("AvailabilityFailure", "availability could not be read"),
    164: ("BodyPartPreferenceTypeNotSupported", "the server cannot give the body in this form"),
    165: ("DeviceInformationRequired", "the device has to tell what it is first"),
    166: ("InvalidAccountId", "the account id is not valid"),
    167: ("AccountSendDisabled", "this account may not send"),
    168: ("IRM_FeatureDisabled", "rights management is switched off"),
    169: ("IRM_TransientError", "rights management failed for the moment"),
    170: ("IRM_PermanentError", "rights management failed"),
    171: ("IRM_InvalidTemplateID", "the rights template is not known"),
    172: ("IRM_OperationNotPermitted", "the rights of the message forbid this"),
    173: ("NoPicture", "the contact has no picture"),
    174: ("PictureTooLarge", "the picture is too large"),
    175: ("PictureLimitReached", "no more pictures are given"),
    176: ("BodyPart_ConversationTooLarge", "the conversation is too large"),
    177: ("MaximumDevicesReached", "the user has as many devices as are allowed"),
}

_HARMLESS_COMMON = frozenset({173, 174, 175})

_BY_COMMAND: dict[str, dict[int, str]] = {
    "Sync": {
        3: "the sync key is not valid: the client has to begin again with key 0",
        4: "the request breaks the protocol",
        5: "the server failed",
        6: "the server cannot read an item that the client sent",
        7: "client and server changed the same item, and the server's change stays",
        8: "the item or the folder is gone",
        9: "the server cannot store the change",
        12: "folders have changed: the client has to run FolderSync",
        13: "the request is too short: the server has nothing stored to complete it",
        14: "the wait is outside of what the server allows",
        15: "too many folders at once",
        16: "the server asks to try again",
    },
    "FolderSync": {
        6: "the server failed",
        9: "the sync key is not valid: the client has to begin again with key 0",
        10: "the request breaks the protocol",
        11: "an unknown error",
        12: "an error that the server cannot name",
    },
    "Ping": {
        1: "the heartbeat ended without changes",
        2: "folders have changes",
        3: "the request lacks what the server has not stored",
        4: "the request breaks the protocol",
        5: "the heartbeat is outside of what the server allows",
        6: "more folders than the server watches",
        7: "folders have changed: the client has to run FolderSync",
        8: "the server failed",
    },
    "Provision": {2: "the request breaks the protocol", 3: "the server failed", 4: "the device is managed by others"},
    "GetItemEstimate": {
        2: "a folder is not valid",
        3: "the folder was not synchronised before",
        4: "the sync key is not valid",
    },
    "MoveItems": {
        1: "the item or its folder is gone",
        2: "the folder to move to is gone",
        3: "moved",
        4: "the item is in that folder already",
        5: "several items have this id, or the move failed",
        7: "the item or the folder is locked",
    },
    "MeetingResponse": {2: "the meeting request is gone", 3: "the mailbox failed", 4: "the server failed"},
    "ItemOperations": {
        2: "the request breaks the protocol",
        3: "the server failed",
        4: "the link is not valid",
        5: "access is denied",
        6: "not found",
        7: "the server could not connect to where it is",
        8: "the range is not valid",
        9: "the store is not known",
        10: "the file is empty",
        11: "the item is too large",
        12: "it cannot be read or written",
        14: "it cannot be converted",
        15: "the attachment is not valid",
        16: "access to it is denied",
        17: "only a part was done",
        18: "credentials are needed",
    },
    "Search": {
        2: "the request breaks the protocol",
        3: "the server failed",
        4: "the link is not valid",
        5: "access is denied",
        6: "not found",
        7: "the server could not connect to where it is",
        8: "the query is too complex",
        9: "the index is not ready",
        10: "the search took too long",
        11: "folders have changed: the client has to run FolderSync",
        12: "the range lies beyond what is given",
        13: "access is blocked by policy",
        14: "credentials are needed",
    },
    "Settings": {
        2: "the request breaks the protocol",
        3: "access is denied",
        4: "the server is not available",
        5: "arguments are not valid",
        6: "arguments contradict each other",
        7: "the policy forbids it",
    },
    "ResolveRecipients": {5: "the request breaks the protocol", 6: "the server failed"},
    "FolderCreate": {
        2: "a folder of this name exists",
        3: "the folder is one of the system",
        5: "the parent folder is gone",
        6: "the server failed",
        9: "the sync key is not valid",
        10: "the request breaks the protocol",
        11: "an unknown error",
        12: "an error that the server cannot name",
    },
    "FolderDelete": {
        3: "the folder is one of the system",
        4: "the folder is gone",
        6: "the server failed",
        9: "the sync key is not valid",
        10: "the request breaks the protocol",
        11: "an unknown error",
    },
    "ValidateCert": {
        2: "the request breaks the protocol",
        3: "the signature cannot be checked",
        4: "the certificate comes from an untrusted source",
        5: "the chain is not built correctly",
        6: "the certificate is not for signing mail",
        7: "the certificate is not valid at this time",
        8: "times in the chain do not fit",
        9: "ids in the certificate do not fit",
        10: "the signature lacks information",
        13: "revoked",
        14: "the server of revocations cannot be reached",
        15: "a certificate of the chain is revoked",
        16: "the revocation is not known",
        17: "the server failed",
    },
    "Find": {2: "the request breaks the protocol", 3: "the server failed", 4: "the range is not valid"},
}
_BY_COMMAND["FolderUpdate"] = {**_BY_COMMAND["FolderDelete"], 2: "a folder of this name exists"}
_POLICY = {
    2: "there is no policy for this client",
    3: "the server does not know this type of policy",
    4: "the policy on the server is damaged",
    5: "the client confirms a policy with the wrong key",
}
_GOOD = {"Ping": frozenset({1, 2}), "MoveItems": frozenset({3})}


def describe_status(command: str | None, value: int) -> Status:
    """What `value` of the Status element means in an answer to `command`."""
    meaning = _BY_COMMAND.get(command or "", {}).get(value)
    if meaning is not None:
        return Status(str(value), meaning, is_error=value not in _GOOD.get(command or "", ()))
    if value == SUCCESS:
        return Status("1", "success", is_error=False)
    if value in _COMMON:
        name, meaning = _COMMON[value]
        return Status(name, meaning, is_error=value not in _HARMLESS_COMMON)
    return Status(str(value), "a status that [MS-ASCMD] does not name")


def describe_policy_status(value: int) -> Status:
    """What `value` means inside of a Policy element of Provision ([MS-ASPROV] section 2.2.2.54)."""
    if value == SUCCESS:
        return Status("1", "success", is_error=False)
    return Status(str(value), _POLICY.get(value, "a status that [MS-ASPROV] does not name"))
