"""Plaintext becomes messages."""
