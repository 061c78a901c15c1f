"""Captures made of what a run read: with what was said in place of its encryption, or with the secrets that open it."""
