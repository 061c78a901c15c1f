"""Response codes of Exchange Web Services, by what they mean ([MS-OXWSCDATA] section 2.2.5.24)."""

from __future__ import annotations

SEND_AS = frozenset({"ErrorSendAsDenied"})
ACCESS = frozenset({"ErrorAccessDenied", "ErrorCreateItemAccessDenied"})
IMPERSONATION = frozenset({"ErrorImpersonateUserDenied", "ErrorImpersonationDenied", "ErrorImpersonationFailed"})
MAILBOX = frozenset({"ErrorNonExistentMailbox", "ErrorMailRecipientNotFound", "ErrorMissingEmailAddress"})
ITEM = frozenset({"ErrorItemNotFound", "ErrorFolderNotFound", "ErrorSyncFolderNotFound"})
ACCOUNT = frozenset({"ErrorPasswordExpired", "ErrorPasswordChangeRequired", "ErrorAccountDisabled"})
BUSY = frozenset({"ErrorServerBusy"})
CONNECTIONS = frozenset({"ErrorExceededConnectionCount"})
FIND_COUNT = frozenset({"ErrorExceededFindCountLimit"})
SUBSCRIPTIONS = frozenset({"ErrorExceededSubscriptionCount"})
LOST = frozenset(
    {"ErrorSubscriptionNotFound", "ErrorInvalidSubscription", "ErrorExpiredSubscription", "ErrorReadEventsFailed"}
)
MOVED = frozenset({"ErrorMailboxMoveInProgress", "ErrorMailboxFailover", "ErrorMailboxStoreUnavailable"})
VERSION = frozenset(
    {
        "ErrorInvalidServerVersion",
        "ErrorInvalidSchemaVersionForMailboxVersion",
        "ErrorWrongServerVersion",
        "ErrorWrongServerVersionDelegate",
        "ErrorIncorrectSchemaVersion",
    }
)
SCHEMA = frozenset({"ErrorSchemaValidation", "ErrorInvalidRequest"})
QUOTA = frozenset({"ErrorQuotaExceeded", "ErrorMessageSizeExceeded", "ErrorSubmissionQuotaExceeded"})
PROXY = frozenset(
    {
        "ErrorNoDestinationCASDueToKerberosRequirements",
        "ErrorNoDestinationCASDueToSSLRequirements",
        "ErrorNoDestinationCASDueToVersionMismatch",
        "ErrorNoRespondingCASInDestinationSite",
    }
)
INTERNAL = frozenset({"ErrorInternalServerError", "ErrorInternalServerTransientError"})
TIMEOUT = frozenset({"ErrorTimeoutExpired", "ErrorBatchProcessingStopped"})
NO_FREE_BUSY_ACCESS = frozenset({"ErrorNoFreeBusyAccess"})
ORGANIZATION_RELATIONSHIP = frozenset({"ErrorInvalidOrganizationRelationshipForFreeBusy"})
NOT_FEDERATED = frozenset({"ErrorOrganizationNotFederated", "ErrorInvalidFederatedOrganizationId"})
AVAILABILITY_PROXY = frozenset({"ErrorProxyRequestProcessingFailed", "ErrorProxyRequestNotAllowed"})
AVAILABILITY_DISCOVERY = frozenset(
    {"ErrorAutoDiscoverFailed", "ErrorAddressSpaceNotFound", "ErrorAvailabilityConfigNotFound"}
)
RESULT_TOO_BIG = frozenset({"ErrorResultSetTooBig"})
LIST_LIMIT = frozenset({"ErrorFreeBusyDLLimitReached", "ErrorMailboxDataArrayTooBig"})
TIMEOUT_EXPIRED = frozenset({"ErrorTimeoutExpired"})
HARMLESS = frozenset(
    {
        "ErrorNameResolutionNoResults",
        "ErrorNameResolutionMultipleResults",
        "ErrorNameResolutionNoMailbox",
        "ErrorFolderExists",
        "ErrorUserNotUnifiedMessagingEnabled",
        "ErrorMailTipsDisabled",
        "ErrorNoPropertyTagForCustomProperties",
        "ErrorOccurrenceCrossingBoundary",
        "ErrorIrresolvableConflict",
        "ErrorDelegateNoUser",
        "ErrorCalendarOccurrenceIsDeletedFromRecurrence",
        "ErrorInvalidSyncStateData",
        "ErrorIncorrectUpdatePropertyCount",
        "ErrorPhotoNotFound",
        "ErrorItemSavePropertyError",
    }
)
"""What clients meet in everyday work, and go on from."""

TOLD_ELSEWHERE = frozenset().union(
    SEND_AS,
    ACCESS,
    IMPERSONATION,
    MAILBOX,
    ITEM,
    ACCOUNT,
    BUSY,
    CONNECTIONS,
    FIND_COUNT,
    SUBSCRIPTIONS,
    LOST,
    MOVED,
    VERSION,
    SCHEMA,
    QUOTA,
    PROXY,
    INTERNAL,
    TIMEOUT,
    NO_FREE_BUSY_ACCESS,
    ORGANIZATION_RELATIONSHIP,
    NOT_FEDERATED,
    AVAILABILITY_PROXY,
    AVAILABILITY_DISCOVERY,
    RESULT_TOO_BIG,
    LIST_LIMIT,
    TIMEOUT_EXPIRED,
)
"""Codes that have a rule of their own."""
