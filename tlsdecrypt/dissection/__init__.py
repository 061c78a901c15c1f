"""What no decoder understands, as Wireshark's dissectors understand it."""
