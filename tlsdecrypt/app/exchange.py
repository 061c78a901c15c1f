"""Exchange: one request and its answer, whatever the protocol."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from tlsdecrypt.value import Hidden, Value, field

if TYPE_CHECKING:
    from tlsdecrypt.flow import Span

Annotations: TypeAlias = dict[str, Any]


class Exchange(Value, frozen=True):
    """One request and its answer.

    `request` and `response` are values of the protocol's own module (`http.HttpRequest`, `mail.MailCommand`), None
    where that side was not seen. Each has a `span`. `annotations` maps a protocol name (`soap`, `ews`,
    `autodiscover`) to plain values (str, int, bool, None, list, dict), free of secrets. `faults` names what was
    broken, one sentence each. `passwords` stood in the content of the request: whoever tells of this exchange must not
    show them, wherever an answer repeats them.
    """

    protocol: str
    request: Any
    response: Any
    annotations: Annotations = field(default_factory=dict)
    faults: tuple[str, ...] = ()
    passwords: Hidden[tuple[str, ...]] = ()

    @property
    def span(self) -> Span:
        """From the first frame of the request to the last of the answer."""
        if self.request is None:
            answer: Span = self.response.span
            return answer
        asked: Span = self.request.span
        return asked if self.response is None else asked.to(self.response.span)

    @property
    def duration_ns(self) -> int | None:
        """From the first frame of the request to the last of the answer, None where one side is missing."""
        if self.request is None or self.response is None:
            return None
        duration_ns: int = self.response.span.last_time_ns - self.request.span.first_time_ns
        return duration_ns
