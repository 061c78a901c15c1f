"""PowerShell remoting: commands and errors are told, values and scripts are not."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from app_exchanges import annotations_of
from hypothesis import given
from hypothesis import strategies as st
from pypsrp.messages import Message
from pypsrp.powershell import Fragmenter
from pypsrp.serializer import Serializer
from wsman_peers import (
    ERROR_RECORD,
    FQ_ID,
    MESSAGE,
    SECRET,
    command_request,
    create_request,
    fault_response,
    fragments_of,
    receive_response,
)

from tlsdecrypt.app.psrp import describe_messages, messages_of

SOAP = ["Content-Type: application/soap+xml;charset=UTF-8"]
SEALED = ['Content-Type: multipart/encrypted;protocol="application/HTTP-Kerberos-session-encrypted";boundary="Sealed"']


def _wsman(content: bytes, **answer: Any) -> dict[str, Any]:
    annotations = annotations_of("POST /powershell?PSVersion=5.1", SOAP, content, answer_fields=SOAP, **answer)
    assert SECRET not in json.dumps(annotations)
    assert base64.b64encode(SECRET.encode()).decode()[4:16] not in json.dumps(annotations)
    wsman: dict[str, Any] = annotations["wsman"]
    return wsman


def test_opening_a_runspace_is_told() -> None:
    wsman = _wsman(create_request())
    assert (wsman["action"], wsman["application"]) == ("Create", {"PSVersion": "5.1"})
    assert wsman["resource"] == "http://schemas.microsoft.com/powershell/Microsoft.Exchange"
    assert wsman["request"]["messages"] == ["SESSION_CAPABILITY", "INIT_RUNSPACEPOOL"]


def test_commands_of_pypsrp_are_told_by_name_and_their_parameters_without_values() -> None:
    commands = _wsman(command_request())["request"]["commands"]
    assert commands == [
        {"name": "Set-HybridMailflow", "parameters": ["Identity", "Password"]}, {"name": "(script)", "is_script": True},
    ]  # fmt: skip


@pytest.mark.parametrize("size", [50, 300, 100_000])
def test_an_error_record_is_told_however_it_is_cut_into_fragments(size: int) -> None:
    answer = _wsman(command_request(), answer=receive_response(size=size))["response"]
    assert [(each["id"], each["message"]) for each in answer["errors"]] == [(FQ_ID, MESSAGE)]
    assert answer["errors"][0]["exception"] == "System.Management.Automation.RemoteException"
    assert answer["state"] == "completed"


def test_pypsrp_reads_the_fragments_of_these_tests() -> None:
    """The second opinion on what the answers are made of."""
    fragments = b"".join(fragments_of(3, 0x00041005, ERROR_RECORD, 100))
    [message] = Fragmenter(100_000, Serializer()).defragment(fragments)
    assert isinstance(message, Message)
    assert message.data.fq_error == FQ_ID  # type: ignore[union-attr]


def test_a_fault_has_its_code_and_machine() -> None:
    wsman = _wsman(command_request(), status="500 Internal Server Error", answer=fault_response())
    assert (wsman["fault_code"], wsman["fault_message"], wsman["machine"]) == (
        5, "Access is denied.", "ex01.contoso.com",
    )  # fmt: skip


def test_a_sealed_body_is_named_and_not_read() -> None:
    wsman = annotations_of("POST /wsman", SEALED, b"--Sealed\r\n\x01\x02", answer_fields=SEALED)["wsman"]
    assert wsman["sealed"] == "Kerberos"
    assert "no TLS key opens it" in wsman["summary"]


def test_streams_that_are_no_fragments_are_survived() -> None:
    body = receive_response().replace(b'">AAAA', b'">====')
    assert "errors" not in _wsman(command_request(), answer=body).get("response", {})


def test_what_goes_on_from_another_envelope_is_no_message() -> None:
    assert messages_of(fragments_of(3, 0x00041005, ERROR_RECORD, 100)[1]) == []


def test_cut_fragments_give_what_was_there() -> None:
    whole = b"".join(fragments_of(3, 0x00041005, ERROR_RECORD))
    for length in range(0, len(whole), 7):
        found = describe_messages(messages_of(whole[:length]))
        assert json.loads(json.dumps(found)) == found


@given(st.binary(max_size=200))
def test_no_bytes_make_it_fail(data: bytes) -> None:
    for fragments in (data, b"".join(fragments_of(1, 0x00021006, data.decode("latin-1")))):
        found = describe_messages(messages_of(fragments))
        assert json.loads(json.dumps(found)) == found


def test_fragments_without_end_are_bounded() -> None:
    assert len(messages_of(b"".join(fragments_of(n, 0x00041004, "<S/>")[0] for n in range(1_500)))) == 200
