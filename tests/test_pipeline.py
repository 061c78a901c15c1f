"""From captures to an analysis: what the layers together say, in whatever order frames and secrets come."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

import pytest
from recorded_captures import frames_of, pcap, pcapng
from recorded_tls import REQUEST, RESPONSE, keylog_store, recording, resumed, rsa_store

from tlsdecrypt.errors import CaptureError
from tlsdecrypt.pipeline import Options, Pipeline, analyze, stream
from tlsdecrypt.tls.private_key import PrivateKey
from tlsdecrypt.tls.secrets import SecretStore

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tlsdecrypt.conversation import Analysis, Conversation

    Write = Callable[..., str]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a file, and gives its path."""

    def write_file(data: bytes, name: str = "one.pcap") -> str:
        path = tmp_path / name
        path.write_bytes(data)
        return str(path)

    return write_file


def codes(analysis: Analysis) -> list[str | None]:
    return [each.tls.verdict.code.value if each.tls else None for each in analysis.conversations]


def lengths(conversation: Conversation) -> tuple[int, int]:
    first, second = conversation.application_data
    return first.length, second.length


def test_a_capture_and_a_key_give_what_was_said(write: Write) -> None:
    path = write(pcap(frames_of(recording().flights)))
    analysis = analyze([path], rsa_store())
    (conversation,) = analysis.conversations
    assert lengths(conversation) == (len(REQUEST), len(RESPONSE))
    assert [exchange.response.status for exchange in conversation.exchanges] == [200]
    assert analysis.keys[0].connections == (conversation.id,)
    assert analysis.verdicts == {"decrypted": 1}
    assert (conversation.span.first_frame, conversation.span.last_frame) == (1, analysis.frames)
    assert conversation.has_syn
    assert {facts.end for facts in conversation.streams} == {"fin"}
    assert codes(analyze([path])) == ["no-key"]


def test_without_the_syn_it_is_the_same(write: Write) -> None:
    for ports in ((50_001, 443), (443, 50_001), (50_001, 50_000)):
        frames = frames_of(recording().flights, ports, has_syn=False)
        (conversation,) = analyze([write(pcap(frames))], rsa_store()).conversations
        assert lengths(conversation) == (len(REQUEST), len(RESPONSE))
        assert (conversation.client.port, conversation.server.port) == ports
        assert not conversation.has_syn


def test_a_lost_segment_is_a_gap_in_what_was_said(write: Write) -> None:
    (conversation,) = analyze(
        [write(pcap(frames_of(recording().flights, lost=frozenset({5}))))], rsa_store()
    ).conversations
    assert conversation.tls is not None
    assert conversation.tls.verdict.code.value == "partly-decrypted"
    assert lengths(conversation) == (len(REQUEST), 0)
    assert conversation.streams[1].missing == len(recording().flights[5][1])
    assert "bytes from the server not captured" in conversation.notes[0].what


@pytest.mark.parametrize("is_parent_last", [False, True])
def test_a_session_and_the_one_that_resumes_it_open_each_other(write: Write, *, is_parent_last: bool) -> None:
    parent, child = resumed()
    first, second = (child, parent) if is_parent_last else (parent, child)
    frames = frames_of(first.flights) + frames_of(second.flights, (50_002, 443), start_ms=500)
    analysis = analyze([write(pcap(frames))], rsa_store())
    assert codes(analysis) == ["decrypted", "decrypted"]
    assert [each.id for each in analysis.conversations] == sorted(each.id for each in analysis.conversations)
    assert [bool(each.tls and each.tls.resumed) for each in analysis.conversations] == [
        is_parent_last,
        not is_parent_last,
    ]


def test_a_store_that_is_kept_opens_what_a_later_capture_resumes(write: Write) -> None:
    store = rsa_store()
    paths = [write(pcap(frames_of(each.flights)), f"{name}.pcap") for name, each in zip("ab", resumed(), strict=True)]
    analyze(paths[:1], store)
    assert codes(analyze(paths[1:], store)) == ["decrypted"]
    assert codes(analyze(paths[1:], rsa_store())) == ["resumed-parent-missing"]


def test_a_key_log_at_the_end_of_a_file_opens_what_came_before(write: Write) -> None:
    made = recording("TLSv1_3", None)
    path = write(pcapng(frames_of(made.flights), made.key_log), "one.pcapng")
    analysis = analyze([path])
    assert codes(analysis) == ["decrypted"]
    assert analysis.captures[0].secrets > 0
    assert analysis.keys[0].connections == (1,)


def test_a_key_log_at_the_end_of_a_pipe_opens_what_waited(tmp_path: Path) -> None:
    made = recording("TLSv1_3", None)
    data = pcapng(frames_of(made.flights), made.key_log)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(data,))
    writer.start()
    store = SecretStore()
    analysis = analyze([str(pipe)], store)
    writer.join()
    assert codes(analysis) == ["decrypted"]
    assert lengths(analysis.conversations[0]) == (len(REQUEST), len(RESPONSE))
    assert not store.is_growing


def test_several_captures_are_one_story(write: Write) -> None:
    frames = frames_of(recording().flights)
    cut = len(frames) // 2
    paths = [write(pcap(frames[cut:]), "a-later.pcap"), write(pcap(frames[:cut]), "b-first.pcap")]
    analysis = analyze(paths, rsa_store())
    assert codes(analysis) == ["decrypted"]
    assert len(analysis.captures) == 2
    assert analysis.frames == len(frames)


def test_one_unreadable_capture_does_not_spoil_the_others(write: Write) -> None:
    good, bad = write(pcap(frames_of(recording().flights))), write(b"this is no capture", "bad.pcap")
    analysis = analyze([bad, good], rsa_store())
    assert codes(analysis) == ["decrypted"]
    assert len(analysis.errors) == 1
    assert "bad.pcap" in analysis.errors[0]
    with pytest.raises(CaptureError):
        analyze([bad])


def test_hosts_and_ports_choose_connections(write: Write) -> None:
    frames = frames_of(recording().flights) + frames_of(recording().flights, (50_002, 8443), start_ms=3)
    path = write(pcap(frames))

    def ports(**chosen: tuple[str, ...] | tuple[int, ...]) -> list[int]:
        analysis = analyze([path], rsa_store(), Options(**chosen))  # type: ignore[arg-type]
        return [each.server.port for each in analysis.conversations]

    assert ports() == [443, 8443]
    assert ports(ports=(8443,)) == [8443]
    assert ports(ports=(50_001,)) == [443]
    assert ports(hosts=("198.51.100.20",)) == [443, 8443]
    assert ports(hosts=("MAIL.contoso.com",), ports=(443,)) == [443]
    assert ports(hosts=("other.example",)) == []


def test_conversations_come_as_they_end(write: Write) -> None:
    frames = frames_of(recording().flights) + frames_of(recording().flights, (50_002, 443), start_ms=500)
    found = list(stream([write(pcap(frames))], rsa_store()))
    assert [each.client.port for each in found] == [50_001, 50_002]


def test_progress_is_told_to_the_end(write: Write) -> None:
    data, told = pcap(frames_of(recording().flights)), []
    analyze([write(data)], rsa_store(), progress=lambda done, total: told.append((done, total)))
    assert told[-1] == (len(data), len(data))


def test_what_was_read_is_told_when_it_is_interrupted(write: Write) -> None:
    frames = frames_of(recording().flights) + frames_of(recording().flights, (50_002, 443), start_ms=500)
    paths = [write(pcap(frames[: len(frames) // 2]), "a.pcap"), write(pcap(frames[len(frames) // 2 :]), "b.pcap")]
    pipeline = Pipeline(paths, rsa_store(), progress=lambda _done, _total: pipeline.interrupt())
    analysis = pipeline.analysis(list(pipeline.conversations()))
    assert pipeline.is_interrupted
    assert codes(analysis) == ["decrypted"]
    with pytest.raises(KeyboardInterrupt):
        pipeline.interrupt()


def test_an_interrupt_ends_the_wait_for_a_pipe(tmp_path: Path) -> None:
    """Nothing more comes through the pipe, but it stays open."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    data, is_done = pcap(frames_of(recording().flights)), threading.Event()

    def write_and_wait() -> None:
        with pipe.open("wb") as sink:
            sink.write(data)
            sink.flush()
            is_done.wait(20)

    writer = threading.Thread(target=write_and_wait)
    writer.start()
    try:
        pipeline = Pipeline([str(pipe)], rsa_store(), progress=lambda done, _total: done < len(data) or is_done.set())
        assert codes(pipeline.analysis(list(pipeline.conversations()))) == ["decrypted"]
    finally:
        is_done.set()
        writer.join()


def test_a_wrong_secret_is_named(write: Write) -> None:
    made = recording("TLSv1_2", "ECDHE-RSA-CHACHA20-POLY1305")
    path = write(pcap(frames_of(made.flights)))
    other = recording("TLSv1_2", "ECDHE-RSA-AES128-GCM-SHA256")
    assert codes(analyze([path], keylog_store(other.key_log))) == ["no-secret"]


def test_a_thread_decrypts_ahead_what_one_process_reads(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    threads: set[str] = set()
    decrypt = PrivateKey.decrypt_pre_master_secret

    def observed(key: PrivateKey, encrypted: bytes) -> bytes | None:
        threads.add(threading.current_thread().name)
        return decrypt(key, encrypted)

    monkeypatch.setattr(PrivateKey, "decrypt_pre_master_secret", observed)
    analysis = analyze([write(pcap(frames_of(recording().flights)))], keys=rsa_store())
    assert codes(analysis) == ["decrypted"]
    assert threads
    assert threading.current_thread().name not in threads
