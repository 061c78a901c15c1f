"""The operations of the interfaces that Outlook calls through an RPC proxy, by their numbers.

[MS-OXCRPC] section 3.1.4 (EMSMDB) and 3.3.4 (AsyncEMSMDB), [MS-OXNSPI] section 3.1.4, [MS-OXABREF] section 3.1.4.
"""

from __future__ import annotations

_NSPI = (
    "Bind Unbind UpdateStat QueryRows SeekEntries GetMatches ResortRestriction DNToMId GetPropList GetProps "
    "CompareMIds ModProps GetSpecialTable GetTemplateInfo ModLinkAtt - QueryColumns - - ResolveNames ResolveNamesW"
)

OPERATIONS: dict[str, dict[int, str]] = {
    "EMSMDB": {
        1: "EcDoDisconnect",
        4: "EcRRegisterPushNotification",
        6: "EcDummyRpc",
        10: "EcDoConnectEx",
        11: "EcDoRpcExt2",
        14: "EcDoAsyncConnectEx",
    },
    "AsyncEMSMDB": {0: "EcDoAsyncWaitEx"},
    "NSPI": {number: f"Nspi{name}" for number, name in enumerate(_NSPI.split()) if name != "-"},
    "RFRI": {0: "RfrGetNewDSA", 1: "RfrGetFQDNFromServerDN"},
}


def operation_name(interface: str, opnum: int) -> str:
    """`EMSMDB/EcDoConnectEx`; the number where the interface or the operation has no name here."""
    return f"{interface}/{OPERATIONS.get(interface, {}).get(opnum, opnum)}"
