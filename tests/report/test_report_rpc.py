"""Exchanges of DCE/RPC in the document and in the text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tlsdecrypt.app.dcerpc import DcerpcRequest, DcerpcResponse
from tlsdecrypt.app.exchange import Exchange
from tlsdecrypt.flow import Span
from tlsdecrypt.report.exchange_document import exchange_document
from tlsdecrypt.report.text_exchange import answer_of, asked_of

if TYPE_CHECKING:
    from tlsdecrypt.redact import Redactor

ASKED = DcerpcRequest("CALL", "IMSAdminBaseW operation 4", 6, Span(3, 3, 0, 0))
DENIED = DcerpcResponse("fault", 5, 0, Span(4, 4, 1, 1))
FACTS = {"dcerpc": {"interface": "IMSAdminBaseW", "opnum": 4, "result": "fault", "meaning": "access denied"}}


def test_a_fault_reads_as_values_and_as_a_line(redactor: Redactor) -> None:
    told = exchange_document(Exchange("dcerpc", ASKED, DENIED, FACTS), redactor)
    assert {key: told["request"][key] for key in ("verb", "line", "content_length", "frames")} == {
        "verb": "CALL",
        "line": "IMSAdminBaseW operation 4",
        "content_length": 6,
        "frames": [3, 3],
    }
    assert (told["response"]["kind"], told["response"]["code"]) == ("fault", 5)
    assert (asked_of(told), answer_of(told)) == ("CALL IMSAdminBaseW operation 4", ("fault access denied", "bad"))


def test_an_exchange_with_one_side_says_so(redactor: Redactor) -> None:
    unasked = exchange_document(Exchange("dcerpc", None, DENIED, FACTS), redactor)
    assert asked_of(unasked) == "(request not seen)"
    unanswered = exchange_document(Exchange("dcerpc", ASKED, None), redactor)
    assert answer_of(unanswered) == ("no answer seen", "bad")


def test_an_accepted_bind_is_good(redactor: Redactor) -> None:
    bound = DcerpcResponse("bind_ack", 0, 0, Span(4, 4, 1, 1))
    told = exchange_document(Exchange("dcerpc", ASKED, bound, {"dcerpc": {"result": "accepted"}}), redactor)
    assert answer_of(told) == ("bind_ack", "good")
