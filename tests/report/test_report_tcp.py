"""What the segments of a connection say, in the document and in the text."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sample_conversations import conversations

from tlsdecrypt.conversation import StreamFacts
from tlsdecrypt.flow import Direction
from tlsdecrypt.net.tcp_facts import Reset, SideFacts, Sighting, TcpFacts, ZeroWindow
from tlsdecrypt.report.connection_document import connection_document
from tlsdecrypt.report.tcp_document import describe_failure
from tlsdecrypt.value import replace

if TYPE_CHECKING:
    from tlsdecrypt.redact import Redactor

SAMPLE = conversations()[0]
SYNS = (Sighting(1, 0), Sighting(2, 1_000_000_000))
RESET = Reset(Direction.SERVER_TO_CLIENT, 3, 2, 61, 7)
SIDES = (
    SideFacts(ttl=64, mac="02:00:00:00:00:01", repeats=3, most_repeats=2, filled=1, unacknowledged=9),
    SideFacts(zero_windows=1, zero_window=ZeroWindow(9, 0, 1_500_000), fin=Sighting(11, 5)),
)


def test_the_document_tells_how_a_connection_came_about_and_what_became_of_its_segments(redactor: Redactor) -> None:
    facts = TcpFacts(syns=SYNS, syn_count=2, syn_ack=Sighting(4, 4), reset=RESET, sides=SIDES)
    told = connection_document(replace(SAMPLE, tcp=facts), redactor)["tcp"]
    assert (told["syns"], told["syn_ack_frame"], told["refused"]) == (2, 4, False)
    assert told["reset"] == {"sender": "server", "frame": 3, "ttl": 61, "ip_id": 7}
    client, server = told["client"], told["server"]
    assert (client["retransmissions"], client["most_repeats"], client["mac"], client["unacknowledged"]) == (
        4,
        2,
        "02:00:00:00:00:01",
        9,
    )
    assert (server["zero_window_ms"], server["fin_frame"], client["zero_window_ms"]) == (1.5, 11, None)


def test_where_nothing_is_known_of_the_segments_the_document_has_no_such_names(redactor: Redactor) -> None:
    assert set(connection_document(SAMPLE, redactor)["tcp"]) == {"syn_seen", "client", "server"}


@pytest.mark.parametrize(
    ("facts", "answers", "words"),
    [
        (TcpFacts(syns=SYNS, syn_count=2, reset=RESET), 1, "refused"),
        (TcpFacts(syns=SYNS, syn_count=7), 0, "7 SYNs, no answer seen"),
        (TcpFacts(syns=SYNS, syn_count=2, syn_ack=Sighting(3, 3)), 4, None),
        (TcpFacts(), 0, None),
    ],
)
def test_the_text_says_why_nothing_was_said(facts: TcpFacts, answers: int, words: str | None) -> None:
    streams = StreamFacts(segments=2), StreamFacts(segments=answers)
    assert describe_failure(replace(SAMPLE, tcp=facts, streams=streams)) == words
