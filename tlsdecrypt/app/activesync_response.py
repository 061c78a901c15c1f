"""What the body of an ActiveSync answer says ([MS-ASCMD] section 2.2.1, [MS-ASPROV] section 2.2).

Keys of `activesync`, each only where it says something:

- `status`, `status_name`, `meaning`, `is_error`, `error_code`, `statuses`: see `activesync`
- `collections`: those of the request, with `status`, `meaning`, `new_sync_key`, `received` (changes of the server),
  `more_available`
- `changed_folders`: ids that Ping names; `folder_changes`: how many FolderSync tells; `estimate`: items that wait
- `heartbeat_limit_s`, `max_folders`, `wait_limit` (of Sync, in the unit of the request): what the server allows instead
- `policy_status`, `policy_meaning`, `has_policy` (a policy was sent), `policy` (its settings by name); `remote_wipe`:
  `device` or `account`
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tlsdecrypt.app.activesync_request import MAX_COLLECTIONS, MAX_VALUE, number
from tlsdecrypt.app.activesync_status import describe_policy_status, describe_status
from tlsdecrypt.app.xml import put

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tlsdecrypt.app.wbxml import Element

MAX_STATUSES = 200
MAX_STATUS_DEPTH = 5
MAX_SETTINGS = 60  # of a policy

_CHANGES = ("Add", "Change", "Delete", "SoftDelete")
_WITHOUT_STATUS = frozenset({"ApplicationData", "Properties", "Policies", "Data"})  # what is inside has its own meaning


def put_response_body(facts: dict[str, Any], root: Element) -> None:
    """Set the keys that the root element of an answer gives."""
    command = root.name
    facts.setdefault("command", command)
    put_status(facts, command, list(_statuses(root)))
    _put_collections(facts, root)
    changes = root.find("Changes")
    put(
        facts,
        changed_folders=_ids(root) if command == "Ping" else None,
        folder_changes=number(changes.text_at("Count")) if changes is not None else None,
        estimate=number(root.text_at("Response", "Collection", "Estimate")),
        heartbeat_limit_s=number(root.text_at("HeartbeatInterval")),
        wait_limit=number(root.text_at("Limit")),
        max_folders=number(root.text_at("MaxFolders")),
    )
    if command == "Provision":
        _put_policy(facts, root)


def put_status(facts: dict[str, Any], command: str | None, values: list[int]) -> None:
    """Set the status that counts among `values`: the first that is an error, else the first."""
    described = [(value, describe_status(command, value)) for value in values]
    if not described:
        return
    value, status = next(((value, status) for value, status in described if status.is_error), described[0])
    put(
        facts,
        status=value,
        status_name=status.name,
        meaning=status.meaning,
        is_error=status.is_error or None,
        error_code=status.name if status.is_error else None,
        statuses=sorted(set(values)) if len(set(values)) > 1 else None,
    )


def _statuses(root: Element) -> Iterator[int]:
    """The Status values that belong to the command, those near the root first."""
    level = [root]
    count = 0
    for _ in range(MAX_STATUS_DEPTH):
        for element in level:
            for each in element.children:
                if each.name == "Status" and (value := number(each.text)) is not None and count < MAX_STATUSES:
                    count += 1
                    yield value
        level = [each for element in level for each in element.children if each.name not in _WITHOUT_STATUS]


def _put_collections(facts: dict[str, Any], root: Element) -> None:
    """The answer for each folder, beside what was asked of it."""
    asked = {each.get("id"): each for each in facts.get("collections", ())}
    answered = []
    for element in root.all("Collections", "Collection"):
        found: dict[str, Any] = dict(asked.get(element.text_at("CollectionId"), {}))
        status = number(element.text_at("Status"))
        commands = element.find("Commands")
        put(
            found,
            id=_value(element.text_at("CollectionId")),
            status=status,
            meaning=describe_status(root.name, status).meaning if status is not None else None,
            new_sync_key=_value(element.text_at("SyncKey")),
            received=sum(each.name in _CHANGES for each in commands.children) if commands is not None else None,
            more_available=element.find("MoreAvailable") is not None or None,
        )
        answered.append(found)
        if len(answered) >= MAX_COLLECTIONS:
            break
    put(facts, collections=answered)


def _ids(root: Element) -> list[str]:
    found = [each.text_at("Id") or each.text for each in root.all("Folders", "Folder")]
    return [each[:MAX_VALUE] for each in found[:MAX_COLLECTIONS]]


def _settings(document: Element | None) -> dict[str, str]:
    """What the policy demands: `DevicePasswordEnabled` 1 and the like."""
    settings = document.children[:MAX_SETTINGS] if document is not None else ()
    return {each.name: each.text[:MAX_VALUE] for each in settings if each.text}


def _value(text: str | None) -> str | None:
    return text[:MAX_VALUE] if text else None


def _put_policy(facts: dict[str, Any], root: Element) -> None:
    policy = root.find("Policies", "Policy")
    if policy is not None:
        status = number(policy.text_at("Status"))
        described = describe_policy_status(status) if status is not None else None
        put(
            facts,
            policy_type=_value(policy.text_at("PolicyType")),
            policy_status=status,
            policy_meaning=described.meaning if described is not None else None,
            has_policy=policy.find("Data") is not None or None,
            policy=_settings(policy.find("Data", "EASProvisionDoc")),
        )
    if root.find("RemoteWipe") is not None:
        facts["remote_wipe"] = "device"
    elif root.find("AccountOnlyRemoteWipe") is not None:
        facts["remote_wipe"] = "account"
