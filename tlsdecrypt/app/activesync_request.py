"""What the body of an ActiveSync request asks ([MS-ASCMD] section 2.2.1).

Keys of `activesync`, each only where it says something:

- `heartbeat_s`: how long the client would wait for changes (Ping, Sync); `folders`: how many it names
- `sync_key`: of FolderSync and its kin; `is_initial`: a sync key is 0, the client begins from nothing
- `collections`: of Sync and GetItemEstimate, `{"id", "class", "sync_key", "sent": changes of the client}`
- `policy_type`, `policy_phase` (`asks for the policy`, `confirms the policy`, `confirms the wipe`), and
  `policy_confirmed`: the status that the client reports of it
- `device`: `{"model", "os", "friendly_name", "user_agent"}` of DeviceInformation; `sets_recovery_password`
- `mail_length`: bytes of the MIME message that is sent; `query_length`: characters that are searched for
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tlsdecrypt.app.xml import put

if TYPE_CHECKING:
    from tlsdecrypt.app.wbxml import Element

MAX_COLLECTIONS = 20
MAX_VALUE = 100  # characters
SECONDS_OF_MINUTE = 60

_CHANGES = ("Add", "Change", "Delete", "Fetch")
_DEVICE = {"Model": "model", "OS": "os", "FriendlyName": "friendly_name", "UserAgent": "user_agent"}


def put_request_body(facts: dict[str, Any], root: Element) -> None:
    """Set the keys that the root element of a request gives."""
    put(facts, heartbeat_s=_heartbeat(root), sync_key=_value(root.text_at("SyncKey")))
    collections = [_collection(each) for each in root.all("Collections", "Collection")]
    folders = len(collections) or sum(1 for _ in root.all("Folders", "Folder"))
    keys = [each.get("sync_key") for each in collections] + [facts.get("sync_key")]
    put(
        facts,
        folders=folders or None,
        collections=collections[:MAX_COLLECTIONS],
        is_initial=True if "0" in keys else None,
    )
    if root.name == "Provision":
        _put_policy(facts, root)
    information = root.find("DeviceInformation", "Set") or root.find("DeviceInformation")
    if information is not None:
        device = {name: _value(information.text_at(tag)) for tag, name in _DEVICE.items()}
        put(facts, device={name: value for name, value in device.items() if value})
    if root.find("DevicePassword", "Set") is not None:
        facts["sets_recovery_password"] = True
    mime = root.find("Mime")
    query = root.find("Store", "Query") or root.find("ExecuteSearch", "MailBoxSearchCriterion", "Query")
    put(facts, mail_length=mime.length if mime is not None else None)
    put(facts, query_length=query.length if query is not None and query.length else None)


def _value(text: str | None) -> str | None:
    return text[:MAX_VALUE] if text else None


def number(text: str | None) -> int | None:
    """A decimal number of reasonable size, None for anything else."""
    stripped = (text or "").strip()
    return int(stripped) if stripped.isascii() and stripped.isdigit() and len(stripped) < 10 else None  # noqa: PLR2004  as many digits as fit in 32 bits


def _heartbeat(root: Element) -> int | None:
    """Seconds; Wait counts minutes ([MS-ASCMD] section 2.2.3.198)."""
    seconds = number(root.text_at("HeartbeatInterval"))
    minutes = number(root.text_at("Wait"))
    return seconds if minutes is None else minutes * SECONDS_OF_MINUTE


def _collection(element: Element) -> dict[str, Any]:
    found: dict[str, Any] = {}
    commands = element.find("Commands")
    sent = sum(each.name in _CHANGES for each in commands.children) if commands is not None else 0
    put(
        found,
        id=_value(element.text_at("CollectionId")),
        sync_key=_value(element.text_at("SyncKey")),
        sent=sent or None,
    )
    put(found, **{"class": _value(element.text_at("Class"))})
    return found


def _put_policy(facts: dict[str, Any], root: Element) -> None:
    """Which leg of provisioning this is ([MS-ASPROV] section 3.1.5.1)."""
    policy = root.find("Policies", "Policy")
    wiped = any(root.find(name) is not None for name in ("RemoteWipe", "AccountOnlyRemoteWipe"))
    status = number(policy.text_at("Status")) if policy is not None else None
    if wiped:
        phase = "confirms the wipe"
    elif policy is not None:
        phase = "confirms the policy" if policy.find("PolicyKey") is not None else "asks for the policy"
    else:
        phase = None
    put(
        facts,
        policy_type=_value(policy.text_at("PolicyType")) if policy is not None else None,
        policy_phase=phase,
        policy_confirmed=status,
    )
