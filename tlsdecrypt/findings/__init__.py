"""Conversations become statements of what is wrong with them."""
