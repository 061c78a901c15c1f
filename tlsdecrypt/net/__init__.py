"""FrameBatch values become ordered bytes of TCP connections."""
