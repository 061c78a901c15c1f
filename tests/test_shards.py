"""Several processes share the connections of captures: what they find together is what one process finds."""

from __future__ import annotations

import json
import os
import pickle
import signal
import threading
from multiprocessing.process import BaseProcess
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from recorded_captures import frames_of, pcap
from recorded_tls import resumed, rsa_store
from sample_cases import CASES, ROOT, keys_of, name_of

from tlsdecrypt import shard_worker, shards
from tlsdecrypt.errors import InputError
from tlsdecrypt.net.segments import SegmentRow, Segments
from tlsdecrypt.net.share import Share
from tlsdecrypt.pipeline import Options, Pipeline, analyze
from tlsdecrypt.redact import Redactor
from tlsdecrypt.report.document import connection_bytes, summary_line
from tlsdecrypt.tls.secrets import SecretStore
from tlsdecrypt.tls.session import KeySource

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tlsdecrypt.shard_worker import Task

SALT = b"the same for all"
MANY = ROOT / "captures" / "exchange.pcapng"


def told(paths: list[str], keys: SecretStore, jobs: int) -> list[bytes]:
    """All that a document says, in the order in which connections ended."""
    redactor = Redactor(salt=SALT)
    pipeline = Pipeline(paths, keys, Options(jobs=jobs))
    conversations = list(pipeline.conversations())
    lines = [connection_bytes(each, redactor) for each in conversations]
    return [*lines, summary_line(pipeline.analysis(conversations), redactor)]


@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_one_two_and_five_processes_tell_the_same(case: dict[str, Any]) -> None:
    try:
        keys = [keys_of(case) for _ in range(3)]
    except InputError:
        pytest.skip("these keys are refused")
    path = [str(ROOT / case["capture"])]
    alone, two, five = (told(path, store, jobs) for store, jobs in zip(keys, (1, 2, 5), strict=True))
    assert two == alone
    assert five == alone


def test_processes_that_are_spawned_do_as_well_as_those_that_are_forked(monkeypatch: pytest.MonkeyPatch) -> None:
    alone = told([str(MANY)], SecretStore(), 1)
    monkeypatch.setattr(shards, "START_METHOD", "spawn")
    assert told([str(MANY)], SecretStore(), 2) == alone


def test_where_a_thread_runs_no_process_is_forked(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    get_context = shards.multiprocessing.get_context
    monkeypatch.setattr(
        shards.multiprocessing, "get_context", lambda method: asked.append(method) or get_context(method)
    )
    over = threading.Event()
    thread = threading.Thread(target=over.wait)
    thread.start()
    try:
        assert told([str(MANY)], SecretStore(), 2) == told([str(MANY)], SecretStore(), 1)
    finally:
        over.set()
        thread.join()
    assert asked == ["spawn"]


def resumed_from(ports: list[int], *, is_parent_last: bool = False) -> bytes:
    """A capture with a session, and those that resume it, each from a port of its own."""
    made = resumed(len(ports) - 1)
    if is_parent_last:
        made.reverse()
    frames = []
    for number, (recording, port) in enumerate(zip(made, ports, strict=True)):
        frames += frames_of(recording.flights, (port, 443), start_ms=500 * number)
    return pcap(frames)


@pytest.mark.parametrize("is_parent_last", [False, True])
def test_a_session_opens_those_that_resume_it_in_other_shares(tmp_path: Path, *, is_parent_last: bool) -> None:
    path = tmp_path / "resumed.pcap"
    path.write_bytes(resumed_from([50_001, 50_003, 50_005, 50_007, 50_009], is_parent_last=is_parent_last))
    for jobs in (2, 5):
        analysis = analyze([str(path)], rsa_store(), Options(jobs=jobs))
        assert [each.tls and each.tls.verdict.code.value for each in analysis.conversations] == ["decrypted"] * 5
        assert sum(bool(each.tls and each.tls.resumed) for each in analysis.conversations) == 4
        assert told([str(path)], rsa_store(), jobs) == told([str(path)], rsa_store(), 1)


def test_the_store_knows_afterwards_what_all_have_learned(tmp_path: Path) -> None:
    paths = [tmp_path / "parent.pcap", tmp_path / "child.pcap"]
    for path, made in zip(paths, resumed(), strict=True):
        path.write_bytes(pcap(frames_of(made.flights)))
    store = rsa_store()
    analyze([str(paths[0])], store, Options(jobs=3))
    assert analyze([str(paths[1])], store, Options(jobs=3)).verdicts == {"decrypted": 1}


def dying_after(messages: int, index: int) -> Callable[[Task], Any]:
    """In place of `work`: the process of one share is killed when it has sent so many messages."""
    parent, work = os.getpid(), shard_worker.work

    def die(task: Task) -> Any:
        generator, answer, sent = work(task), None, 0
        while True:
            try:
                message = generator.send(answer)
            except StopIteration:
                return
            if os.getpid() != parent and task.share.index == index and sent == messages:
                os.kill(os.getpid(), signal.SIGKILL)
            answer = yield message
            sent += 1

    return die


@pytest.mark.skipif(
    shards.START_METHOD != "fork", reason="a process that is spawned does not have the changed function"
)
@pytest.mark.parametrize("messages", range(6))
@pytest.mark.parametrize("index", [0, 1])
def test_the_share_of_a_process_that_dies_is_done_again(
    monkeypatch: pytest.MonkeyPatch, messages: int, index: int
) -> None:
    alone = told([str(MANY)], SecretStore(), 1)
    monkeypatch.setattr(threading, "active_count", lambda: 1)  # other tests may have left threads, which forbid to fork
    monkeypatch.setattr(shard_worker, "work", dying_after(messages, index))
    *lines, summary = told([str(MANY)], SecretStore(), 2)
    assert lines == alone[:-1]
    found, expected = json.loads(summary), json.loads(alone[-1])
    found["notes"].remove(
        f"process {index + 1} of 2 was ended by signal 9; its share of the connections was done again by the first"
    )
    assert found == expected


def test_where_no_process_can_be_started_all_is_done_here(monkeypatch: pytest.MonkeyPatch) -> None:
    alone = told([str(MANY)], SecretStore(), 1)

    def refuse(_: object) -> None:
        raise OSError("no more processes")

    monkeypatch.setattr(BaseProcess, "start", refuse)
    *lines, summary = told([str(MANY)], SecretStore(), 3)
    assert lines == alone[:-1]
    assert summary.count(b" of 3 ended early; its share of the connections was done again") == 3


def test_an_interrupt_ends_all_processes_at_one_batch() -> None:
    pipeline = Pipeline(
        [str(MANY)] * 2, SecretStore(), Options(jobs=3), progress=lambda _done, _total: pipeline.interrupt()
    )
    assert list(pipeline.conversations())
    assert pipeline.is_interrupted
    with pytest.raises(KeyboardInterrupt):
        pipeline.interrupt()


def test_who_listens_no_more_leaves_no_process_behind() -> None:
    source = shards.Shards([str(MANY)], SecretStore(), 3)
    conversations = source.conversations()
    next(conversations)
    processes = [desk.process for desk in source._desks]
    conversations.close()
    assert [each is not None and each.exitcode is not None for each in processes] == [True] * 3


def test_only_files_are_shared_and_only_where_it_is_worth_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards, "_cores", lambda: 7)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    assert shards.jobs_for([str(MANY)], None) == 1
    assert shards.jobs_for([str(MANY)], 3) == 3
    assert shards.jobs_for([str(pipe)], 3) == 1
    assert shards.jobs_for(["-"], 3) == 1
    assert shards.jobs_for([str(MANY), "-"], 3) == 1
    large = tmp_path / "large"
    with large.open("wb") as file:
        file.truncate(shards.LEAST_BYTES)
    assert shards.jobs_for([str(large)], None) == 7
    assert shards.jobs_for([str(MANY), str(tmp_path)], None) == 7


def test_every_segment_is_of_one_share_whichever_way_it_goes() -> None:
    generator = np.random.default_rng(1)
    ports = generator.integers(1, 65536, (500, 2)).tolist()
    ends = generator.integers(0, 2**32, (500, 2)).tolist()
    there = [SegmentRow(0, a, b, p, q, 0, 0, 0, 0, 0, 0, 0) for (a, b), (p, q) in zip(ends, ports, strict=True)]
    back = [SegmentRow(0, b, a, q, p, 0, 0, 0, 0, 0, 0, 0) for (a, b), (p, q) in zip(ends, ports, strict=True)]
    dealt = [Share(index, 3).rows(Segments.of_rows(there)).tolist() for index in range(3)]
    assert sorted(row for share in dealt for row in share) == list(range(500))
    assert [Share(index, 3).rows(Segments.of_rows(back)).tolist() for index in range(3)] == dealt


@pytest.mark.parametrize("step", [1, 2])
def test_connections_of_one_client_are_dealt_out_evenly(step: int) -> None:
    rows = [SegmentRow(0, 1, 2, 40_000 + step * number, 443, 0, 0, 0, 0, 0, 0, 0) for number in range(16)]
    assert [len(Share(index, 2).rows(Segments.of_rows(rows))) for index in range(2)] == [8, 8]


def test_no_secret_is_in_what_a_task_shows_of_itself() -> None:
    store = rsa_store()
    task = shard_worker.Task(("one.pcap",), store, Share(0, 2))
    store.is_shared = True
    store.learn(b"m" * 48, KeySource("private key", "server.pem"), session_id=b"s")
    shown = repr(task) + repr(store) + repr(store.take_news())
    assert "mmmm" not in shown
    assert "PRIVATE" not in shown


def test_a_store_survives_the_way_to_another_process() -> None:
    store = rsa_store()
    store.add_psk(b"me", b"psk", "--psk me")
    store.add_keylog(b"CLIENT_RANDOM " + b"00" * 32 + b" " + b"11" * 48 + b"\n", "keys.log")
    again = pickle.loads(pickle.dumps(store))
    assert again.sources == store.sources
    assert again.keylog_secret("CLIENT_RANDOM", bytes(32)) == (b"\x11" * 48, "keys.log")
    spki = store.private_keys[0].spki_sha256
    assert again.key_for_spki(spki).key.private_numbers() == store.private_keys[0].key.private_numbers()
