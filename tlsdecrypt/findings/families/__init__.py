"""The rules: one family a module, found by themselves (see `findings.rule`)."""
