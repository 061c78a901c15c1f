"""Questions about the program itself: the schema of its documents, its rules, the interfaces that it can capture on."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tlsdecrypt.arguments import Arguments


def answers(arguments: Arguments) -> Iterator[str]:
    """The lines of the answer. Raises InputError where there is none."""
    if arguments.schema:
        from tlsdecrypt.report.schema import schema  # noqa: PLC0415 - few runs need it

        yield from schema().decode().splitlines()
    elif arguments.rules or arguments.explain_rule is not None:
        from tlsdecrypt.report.rules_text import explained_rule, rules_table  # noqa: PLC0415 - the same

        yield from rules_table() if arguments.explain_rule is None else explained_rule(arguments.explain_rule)
    else:
        from tlsdecrypt.capture.live import interfaces  # noqa: PLC0415 - the same

        for name, description in interfaces():
            yield f"{name}  {description}".rstrip()
