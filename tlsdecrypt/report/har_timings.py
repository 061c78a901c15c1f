"""The timings of a HAR entry (HAR 1.2, `timings`), from the times of frames: milliseconds, -1 where not known.

`connect` and `ssl` go with the first exchange of a connection: from the SYN to its answer, and from the first
ClientHello to the last Finished of the handshake before the exchange. As HAR wants it, `ssl` is part of `connect`.
`dns` is put in at the end of a run (see `har_lookups`). What a client waited between connecting and asking belongs to
nobody: the entry begins earlier by as much as looking up and connecting took, so that its parts add up, and
`_request_start` holds when the first byte of the request was seen.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tlsdecrypt.report.quantities import MILLISECOND

if TYPE_CHECKING:
    from tlsdecrypt.app.exchange import Exchange
    from tlsdecrypt.conversation import Conversation
    from tlsdecrypt.tls.session import TlsSession

UNKNOWN = -1
MAX_MESSAGES = 64  # of a first handshake; renegotiations come later

_HELLO, _FINISHED = "client_hello", "finished"
_ADDED = ("blocked", "dns", "connect", "send", "wait", "receive")  # `ssl` is in `connect` already


def timings(conversation: Conversation, index: int) -> dict[str, float]:
    """All seven of them, of the exchange at `index`."""
    exchange = conversation.exchanges[index]
    tcp = _tcp(conversation) if index == 0 else UNKNOWN
    ssl = _ssl(conversation.tls, exchange) if index == conversation.clear_exchanges else UNKNOWN
    return {
        "blocked": UNKNOWN,
        "dns": UNKNOWN,
        "connect": UNKNOWN if max(tcp, ssl) < 0 else max(tcp, 0) + max(ssl, 0),
        "ssl": ssl,
        **_message_times(exchange),
    }


def total(parts: dict[str, float]) -> float:
    """The `time` of the entry: all parts that are known."""
    return round(sum(parts[name] for name in _ADDED if parts[name] > 0), 6)


def _message_times(exchange: Exchange) -> dict[str, float]:
    """Sending the request, waiting for the first byte of the answer, receiving it."""
    asked, answered = exchange.request, exchange.response
    send = _between(asked.span.first_time_ns, asked.span.last_time_ns) if asked else UNKNOWN
    receive = _between(answered.span.first_time_ns, answered.span.last_time_ns) if answered else UNKNOWN
    wait = _between(asked.span.last_time_ns, answered.span.first_time_ns) if asked and answered else UNKNOWN
    return {"send": send, "wait": wait, "receive": receive}


def _between(start_ns: int, end_ns: int) -> float:
    """Never negative: servers answer before they have read all, and clocks of taps differ."""
    return max(end_ns - start_ns, 0) / MILLISECOND


def _tcp(conversation: Conversation) -> float:
    """From the first SYN to the SYN-ACK."""
    facts = conversation.tcp
    if facts is None or not facts.syns or facts.syn_ack is None:
        return UNKNOWN
    return _between(facts.syns[0].time_ns, facts.syn_ack.time_ns)


def _ssl(tls: TlsSession | None, exchange: Exchange) -> float:
    """From the ClientHello to the last Finished; where the request went ahead of it (0-RTT), to the request."""
    messages = tls.messages[:MAX_MESSAGES] if tls else ()
    hellos = [message.span.first_time_ns for message in messages if message.name == _HELLO]
    finished = [message.span.last_time_ns for message in messages if message.name == _FINISHED]
    if not hellos or not finished:
        return UNKNOWN
    asked_ns = exchange.span.first_time_ns
    return _between(hellos[0], max((each for each in finished if each <= asked_ns), default=asked_ns))
