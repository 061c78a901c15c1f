"""What numbers of DCE/RPC mean: interfaces that Exchange and Windows use, and why a call or a bind failed."""

from __future__ import annotations

_ACCESS_DENIED = "access denied"

# [MS-DCOM] 1.9, [MS-OXCRPC] 1.9, [MS-NRPC] 1.9 ... each document lists its own.
INTERFACES = {
    "e1af8308-5d1f-11c9-91a4-08002b14a0fa": "epmapper",
    "afa8bd80-7d8a-11c9-bef4-08002b102989": "mgmt",
    "4d9f4ab8-7d1c-11cf-861e-0020af6e7c57": "IActivation",
    "000001a0-0000-0000-c000-000000000046": "IRemoteSCMActivator",
    "99fcfec4-5260-101b-bbcb-00aa0021347a": "IObjectExporter",
    "00000131-0000-0000-c000-000000000046": "IRemUnknown",
    "00000143-0000-0000-c000-000000000046": "IRemUnknown2",
    "70b51430-b6ca-11d0-b9b9-00a0c922e750": "IMSAdminBaseW",
    "8298d101-f992-43b7-8eca-5052d885b995": "IMSAdminBase2W",
    "f612954d-3b0b-4c56-9563-227b7be624b4": "IMSAdminBase3W",
    "f309ad18-d86a-11d0-a075-00c04fb68820": "IWbemLevel1Login",
    "9556dc99-828c-11cf-a37e-00aa003240c7": "IWbemServices",
    "a4f1db00-ca47-1067-b31f-00dd010662da": "EMSMDB",
    "5261574a-4572-206e-b268-6b199213b4e4": "AsyncEMSMDB",
    "f5cc5a18-4264-101a-8c59-08002b2f8426": "NSPI",
    "1544f5e0-613c-11d1-93df-00c04fd7bd09": "RFRI",
    "12345678-1234-abcd-ef00-01234567cffb": "netlogon",
    "12345778-1234-abcd-ef00-0123456789ab": "lsarpc",
    "12345778-1234-abcd-ef00-0123456789ac": "samr",
    "e3514235-4b06-11d1-ab04-00c04fc2dcd2": "drsuapi",
    "338cd001-2244-31f1-aaaa-900038001003": "winreg",
    "367abb81-9844-35f1-ad32-98f038001003": "svcctl",
    "4b324fc8-1670-01d3-1278-5a47bf6ee188": "srvsvc",
    "6bffd098-a112-3610-9833-46c3f87e345a": "wkssvc",
}

# [MS-RPCE] 3.1.1.5.5, C706 appendix E, and codes of Win32 ([MS-ERREF] 2.2) that servers send as they are.
STATUSES = {
    0x00000005: _ACCESS_DENIED,
    0x80070005: _ACCESS_DENIED,
    0x00000721: "a security package failed",
    0x000006BA: "the server is not available",
    0x000006BE: "the call failed",
    0x000006F7: "bad stub data",
    0x000006D1: "the operation number is out of range",
    0x1C010002: "the operation number is out of range",
    0x1C010003: "unknown interface",
    0x1C010006: "wrong boot time",
    0x1C01000B: "protocol error",
    0x1C010013: "out of memory",
    0x1C010014: "the server is too busy",
    0x1C00001A: "unknown context",
    0x1C00001B: "the server's memory is exhausted",
}

# p_reject_reason_t, C706 section 12.6.3.1; 8 and 9 are [MS-RPCE] 2.2.2.5
NAK_REASONS = {
    0: "no reason",
    1: "temporary congestion",
    2: "a local limit is exceeded",
    3: "the called address is unknown",
    4: "the protocol version is not supported",
    8: "the authentication type is not known",
    9: "the checksum is invalid",
}

# p_cont_def_result_t and p_provider_reason_t, C706 section 12.6.3.1
RESULTS = {0: "accepted", 1: "rejected by the user", 2: "rejected by the provider", 3: "negotiated"}
PROVIDER_REASONS = {
    0: "no reason",
    1: "the interface is not supported",
    2: "the transfer syntaxes are not supported",
    3: "a local limit is exceeded",
}

# [MS-RPCE] 2.2.1.1.7 and 2.2.1.1.8
AUTH_TYPES = {0: "none", 9: "SPNEGO", 10: "NTLM", 14: "Schannel", 16: "Kerberos", 68: "Netlogon"}
AUTH_LEVELS = {1: "none", 2: "connect", 3: "call", 4: "packet", 5: "integrity", 6: "privacy"}


def describe_status(status: int) -> str:
    """A fault in words, or its number."""
    return STATUSES.get(status, f"status 0x{status:08x}")
