"""Ordered bytes become plaintext, as far as the secrets reach."""
