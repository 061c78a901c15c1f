"""Step, Trace, Scene: what rules look at.

A `Step` is one exchange, a `Trace` one connection with its steps, the `Scene` all connections and what was seen beside
them. They hold what rules need and no contents, so that a scene of many connections stays small: facts that a rule
wants must stand in the annotations of the exchange.
"""

from __future__ import annotations

from collections import defaultdict, deque
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from tlsdecrypt.findings.finding import Evidence, quote
from tlsdecrypt.value import once, replace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tlsdecrypt.app.exchange import Annotations, Exchange
    from tlsdecrypt.conversation import Conversation, KeyFacts
    from tlsdecrypt.flow import Span
    from tlsdecrypt.tls.certificates import CertificateFacts

MAX_TRACES = 50_000  # connections that rules over several see at a time, of 5 KB; the oldest leave first
MAX_STEPS = 200_000  # exchanges of these
ENOUGH_SILENCE_NS = 3_000_000_000  # so long a capture must go on before "no answer" means anything

DerivedT = TypeVar("DerivedT")

_NO_ANNOTATIONS: Annotations = {}


class Step:
    """One exchange: what was asked, and what was answered.

    `protocol` is `http`, `smtp` ...; `verb` the HTTP method or the SMTP verb; `target` the HTTP request target as sent,
    or the SMTP command line; `status` the HTTP status code or the SMTP reply code, None where no answer was seen.
    `is_clear`: it was said in the clear, not inside TLS. `request_length` is bytes of content. `http` is the annotation
    of that name: who asks, which service, and the fields that tell who answered.
    """

    __slots__ = (
        "annotations",
        "faults",
        "host",
        "http",
        "index",
        "is_clear",
        "protocol",
        "request_length",
        "request_span",
        "response_span",
        "status",
        "target",
        "trace",
        "verb",
    )

    def __init__(self, trace: Trace, index: int, exchange: Exchange, *, is_clear: bool) -> None:
        """The facts of an exchange, the `index`-th of its connection."""
        request, response = exchange.request, exchange.response
        self.trace = trace
        self.index = index
        self.is_clear = is_clear
        self.protocol: str = once(exchange.protocol.partition("/")[0])
        self.annotations: Annotations = exchange.annotations
        self.http: dict[str, Any] = exchange.annotations.get("http", _NO_ANNOTATIONS)
        self.faults = exchange.faults
        self.request_span: Span | None = None if request is None else request.span
        self.response_span: Span | None = None if response is None else response.span
        if self.protocol == "http":
            self.verb, self.target, self.host, self.request_length = _asked_in_http(request)
            self.status: int | None = None if response is None else response.status
        else:
            self.verb, self.target = _first(request, "verb") or "", _first(request, "line") or ""
            self.status = _first(response, "code")
            self.host, self.request_length = None, 0

    def __repr__(self) -> str:
        """For engineers."""
        return f"Step({self.trace.id}.{self.index} {self.verb} {self.path} -> {self.status})"

    def about(self, protocol: str) -> dict[str, Any]:
        """The annotation of a protocol (`ews`, `smtp` ...), empty where there is none."""
        found: dict[str, Any] = self.annotations.get(protocol, _NO_ANNOTATIONS)
        return found

    @property
    def service(self) -> str | None:
        """The service that an HTTP request asks (see `app.endpoint`)."""
        service: str | None = self.http.get("service")
        return service

    @property
    def path(self) -> str:
        """The path of an HTTP request in lower case, without its query."""
        path = self.target.partition("?")[0]
        if "://" in path:
            path = "/" + path.partition("://")[2].partition("/")[2]
        return path.lower()

    @property
    def span(self) -> Span:
        """All its frames."""
        if self.request_span is None:
            assert self.response_span is not None
            return self.response_span
        return self.request_span if self.response_span is None else self.request_span.to(self.response_span)

    @property
    def time_ns(self) -> int:
        """When it began."""
        first = self.response_span if self.request_span is None else self.request_span
        assert first is not None
        return first.first_time_ns

    @property
    def think_ns(self) -> int | None:
        """From the last frame of the request to the first of the answer."""
        if self.request_span is None or self.response_span is None:
            return None
        return self.response_span.first_time_ns - self.request_span.last_time_ns

    @property
    def is_from_exchange(self) -> bool:
        """Whether a field shows that Exchange itself answered, and no device in front of it."""
        return any(name in self.http for name in ("x_feserver", "x_beserver", "x_diaginfo", "request_id"))

    @property
    def place(self) -> str:
        """What was asked, as findings are counted: method or verb, and path."""
        return f"{self.verb} {self.path}" if self.protocol == "http" else self.verb

    def asked(self, what: object) -> Evidence:
        """Evidence in the request: a quotation."""
        span = self.request_span or self.span
        return Evidence(span.first_frame, self.trace.id, quote(what))

    def answered(self, what: object) -> Evidence:
        """Evidence in the answer: a quotation."""
        span = self.response_span or self.span
        return Evidence(span.first_frame, self.trace.id, quote(what))

    @property
    def evidence(self) -> tuple[Evidence, ...]:
        """The request line and the status line."""
        asked = self.asked(f"{self.verb} {self.target}" if self.protocol == "http" else self.target or self.verb)
        return (asked,) if self.status is None else (asked, self.answered(f"answered {self.status}"))


class Trace:
    """One connection: who, when, what of TCP and TLS, and its steps in the order in which they were said.

    `streams`, `tcp` and `tls` are those of the `Conversation`. After the rules of one connection have run, what only
    these need (offered suites, handshake messages) is dropped.
    """

    __slots__ = (
        "application_lengths",
        "client",
        "has_syn",
        "id",
        "is_opened",
        "notes",
        "protocol",
        "server",
        "span",
        "steps",
        "streams",
        "tcp",
        "tls",
    )

    def __init__(self, conversation: Conversation) -> None:
        """The facts of a conversation."""
        self.id = conversation.id
        self.client = conversation.client
        self.server = conversation.server
        self.span = conversation.span
        self.has_syn = conversation.has_syn
        self.streams = conversation.streams
        self.tcp = conversation.tcp
        self.tls = conversation.tls
        self.protocol = conversation.application_protocol
        self.is_opened = conversation.is_decrypted
        self.application_lengths = tuple(each.length for each in conversation.application_data)
        self.notes = conversation.notes
        clear = conversation.clear_exchanges
        self.steps: tuple[Step, ...] = tuple(
            Step(self, index, exchange, is_clear=index < clear) for index, exchange in enumerate(conversation.exchanges)
        )

    def __repr__(self) -> str:
        """For engineers."""
        return f"Trace({self.id} {self.client} -> {self.server}, {len(self.steps)} steps)"

    @property
    def server_name(self) -> str | None:
        """The name that the client asked for in TLS: the hidden one, where a server accepted that."""
        if self.tls is None:
            return None
        is_hidden = self.tls.encrypted_client_hello == "accepted"
        return self.tls.inner_server_name if is_hidden else self.tls.server_name

    @property
    def names(self) -> frozenset[str]:
        """The names by which the client called the server, in lower case and without port: SNI and Host."""
        hosts = {step.host.rpartition(":")[0] or step.host for step in self.steps if step.host}
        return frozenset(name.lower() for name in {*hosts, self.server_name} if name)

    @property
    def certificate(self) -> CertificateFacts | None:
        """The server's own certificate, where one was seen that can be read."""
        if self.tls is None or not self.tls.server_certificates:
            return None
        own = self.tls.server_certificates[0]
        return None if own.fault else own

    @property
    def has_gaps(self) -> bool:
        """Whether bytes of either side are missing: between others, or such as only the peer's acknowledgment shows."""
        is_lost = self.tcp is not None and any(side.is_lost for side in self.tcp.sides)
        return is_lost or any(stream.gaps for stream in self.streams)

    @property
    def is_two_sided(self) -> bool:
        """Whether segments of both sides were captured."""
        return all(stream.segments for stream in self.streams)

    @property
    def pair(self) -> tuple[str, str]:
        """The addresses of client and server."""
        return self.client.address, self.server.address

    def saw(self, frame: int | None, what: object) -> Evidence:
        """Evidence on this connection."""
        return Evidence(frame, self.id, quote(what))

    @property
    def opening(self) -> Evidence:
        """Evidence: that the client connected."""
        return self.saw(self.span.first_frame, f"{self.client} connects to {self.server}")

    def settle(self) -> None:
        """Drop what no rule over several connections needs.

        All that was said in the handshake is kept where nothing was said behind it; else of its messages only the
        Certificates. What is the same on many connections is kept once.
        """
        tls = self.tls
        if tls is None:
            return
        messages, suites = tls.messages, tls.offered_cipher_suites
        if any(self.application_lengths):
            messages, suites = tuple(each for each in messages if each.name == "certificate"), ()
        self.server = once(self.server)
        self.tls = replace(tls.settled(), messages=messages, offered_cipher_suites=suites)

    def forget(self) -> None:
        """Let go of the steps, which point back here."""
        self.steps = ()


@dataclass(repr=False)
class Scene:
    """All connections of an analysis (the last `MAX_TRACES`), and what was seen beside them.

    `keys` are the secrets that were given. `surroundings` holds the DNS messages, ARP and ICMP (see
    `net.surroundings`), None where nothing was looked at. `end_ns` is the time of the last frame of all captures, None
    where there is none.
    """

    traces: deque[Trace] = field(default_factory=deque)
    surroundings: Any = None
    keys: tuple[KeyFacts, ...] = ()
    start_ns: int | None = None
    end_ns: int | None = None
    forgotten: int = 0
    _steps: int = 0
    _derived: dict[Any, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        """For engineers."""
        return f"Scene({len(self.traces)} connections)"

    def add(self, trace: Trace) -> None:
        """One connection more; the oldest leave where the bounds are reached."""
        self.traces.append(trace)
        self._steps += len(trace.steps)
        while len(self.traces) > MAX_TRACES or (self._steps > MAX_STEPS and len(self.traces) > 1):
            oldest = self.traces.popleft()
            self._steps -= len(oldest.steps)
            oldest.forget()
            self.forgotten += 1

    def arrange(self) -> None:
        """All connections are there: order them by their first frames' times."""
        self.traces = deque(sorted(self.traces, key=lambda trace: (trace.span.first_time_ns, trace.id)))

    @cached_property
    def steps(self) -> list[Step]:
        """All steps, in the order of time."""
        return sorted((step for trace in self.traces for step in trace.steps), key=lambda step: step.time_ns)

    @cached_property
    def steps_by_service(self) -> dict[str | None, list[Step]]:
        """The HTTP steps of each service (None: of no known one), in the order of time."""
        found: dict[str | None, list[Step]] = defaultdict(list)
        for step in self.steps:
            if step.protocol == "http":
                found[step.service].append(step)
        return found

    @cached_property
    def shown(self) -> list[list[Trace]]:
        """Connections on which a server showed a certificate that can be read.

        Those stand together that showed the same one on the same port to clients that asked for the same names.
        """
        found: dict[Any, list[Trace]] = defaultdict(list)
        for trace in self.traces:
            certificate = trace.certificate
            if certificate is not None:
                hosts = frozenset(step.host for step in trace.steps)
                found[trace.server, certificate.sha1_thumbprint, trace.server_name, hosts].append(trace)
        return list(found.values())

    @cached_property
    def by_pair(self) -> dict[tuple[str, str], list[Trace]]:
        """Connections by the addresses of client and server."""
        return self._index(lambda trace: trace.pair)

    @cached_property
    def by_client(self) -> dict[str, list[Trace]]:
        """Connections by the client's address."""
        return self._index(lambda trace: trace.client.address)

    @cached_property
    def by_server(self) -> dict[str, list[Trace]]:
        """Connections by the server's address."""
        return self._index(lambda trace: trace.server.address)

    def _index(self, key: Any) -> dict[Any, list[Trace]]:
        found: dict[Any, list[Trace]] = defaultdict(list)
        for trace in self.traces:
            found[key(trace)].append(trace)
        return found

    def derived(self, build: Callable[[Scene], DerivedT]) -> DerivedT:
        """What `build` makes of the whole scene, made once however many rules ask for it."""
        if build not in self._derived:
            self._derived[build] = build(self)
        made: DerivedT = self._derived[build]
        return made

    def later(self, step: Step) -> Iterator[Step]:
        """The HTTP or SMTP steps of the same client and service that began after `step` did."""
        others = self.steps_by_service[step.service] if step.protocol == "http" else self.steps
        client = step.trace.client.address
        for other in others:
            if other.time_ns > step.time_ns and other.trace.client.address == client and other is not step:
                yield other

    def goes_on_after(self, time_ns: int) -> bool:
        """Whether the capture went on for long enough after a moment that silence means something (guard 1)."""
        return self.end_ns is not None and self.end_ns - time_ns >= ENOUGH_SILENCE_NS

    def has_silence(self, trace: Trace) -> bool:
        """Whether an answer that is missing at the end of `trace` really never came (guard 1)."""
        return trace.is_two_sided and not trace.has_gaps and self.goes_on_after(trace.span.last_time_ns)


def _asked_in_http(request: Any) -> tuple[str, str, str | None, int]:
    """Method, target, host and length of the content."""
    return (
        ("", "", None, 0) if request is None else (request.method, request.target, request.host, request.content_length)
    )


def _first(value: Any, *names: str) -> Any:
    """The first of some attributes that `value` has; None where it has none."""
    return next((getattr(value, name) for name in names if hasattr(value, name)), None)
