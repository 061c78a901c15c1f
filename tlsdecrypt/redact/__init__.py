"""Secrets masked, with pseudonyms that are stable within one run."""

from tlsdecrypt.redact.redactor import Redactor

__all__ = ["Redactor"]
