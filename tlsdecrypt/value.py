"""Value: what passes between layers is a value, frozen and slotted, made ten times faster than a frozen dataclass.

A connection of two exchanges makes some forty of them, and the program defines a hundred kinds before it reads the
first frame: both were a good part of its time.
"""

from __future__ import annotations

from functools import cache, lru_cache
from typing import Annotated, Any, Final, TypeVar, dataclass_transform

from msgspec import Struct, field
from msgspec.structs import force_setattr, replace

__all__ = ["Hidden", "Value", "field", "force_setattr", "once", "replace"]

KEPT_ONCE: Final = 4096  # see `once`

_T = TypeVar("_T")
Hidden = Annotated[_T, "hidden"]  # a field that no repr shows: secrets, and what is too long to be read


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
class Value(Struct, frozen=True, gc=False):
    """A frozen value, compared by its fields; fields annotated as `Hidden` are not shown by its repr.

    The garbage collector does not look at values: none can hold itself.
    """

    def __repr__(self) -> str:
        """As a call that makes it, without what is hidden."""
        shown = (f"{name}={getattr(self, name)!r}" for name in _shown_fields(type(self)))
        return f"{type(self).__qualname__}({', '.join(shown)})"


@cache
def _shown_fields(cls: type[Value]) -> tuple[str, ...]:
    """The fields of a class that its repr shows; annotations stay text until somebody asks."""
    annotations: dict[str, Any] = {}
    for each in reversed(cls.__mro__):
        annotations |= vars(each).get("__annotations__", {})
    return tuple(name for name in cls.__struct_fields__ if not str(annotations[name]).startswith("Hidden["))


@lru_cache(maxsize=KEPT_ONCE)
def once(value: _T) -> _T:
    """The first of those that are equal: for what is kept of many connections, and is the same in most."""
    return value
