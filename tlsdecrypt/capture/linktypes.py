"""Link types: what files call them, as the one LINKTYPE_ value of https://www.tcpdump.org/linktypes.html."""

from __future__ import annotations

NONE = -1  # what no LINKTYPE_ value stands for
LOOPBACK = 0
ETHERNET = 1
TOKEN_RING = 6
FDDI = 10
RAW_IP = 101
IEEE802_11 = 105

# Some systems wrote their own DLT_ value into files, where the LINKTYPE_ value belongs.
_FROM_DLT = {
    11: 100,  # DLT_ATM_RFC1483
    12: RAW_IP,  # DLT_RAW nearly everywhere (DLT_LOOP on OpenBSD, whose files say 108)
    14: RAW_IP,  # DLT_RAW on OpenBSD
    15: 102,  # DLT_SLIP_BSDOS
    16: 103,  # DLT_PPP_BSDOS
    19: 106,  # DLT_ATM_CLIP
}


def normalised(link_type: int) -> int:
    """The LINKTYPE_ value of a link type as a file names it."""
    return _FROM_DLT.get(link_type, link_type)
