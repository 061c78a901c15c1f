"""Open an encrypted capture, get the answer."""
