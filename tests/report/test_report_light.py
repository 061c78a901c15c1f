"""What is kept of each conversation until the end: a kilobyte, and what many have in common once."""

from __future__ import annotations

import pickle

from sample_conversations import conversation, session

from tlsdecrypt.report.tellers import light

BYTES = 700  # of one conversation, beside what it shares with others


def test_what_many_conversations_have_in_common_is_kept_once() -> None:
    first, second = (light(pickle.loads(pickle.dumps(conversation(number, session())))) for number in (1, 2))
    assert first.tls is not None
    assert second.tls is not None
    assert first.server is second.server
    assert first.tls.verdict is second.tls.verdict
    assert first.tls.key is second.tls.key
    assert first.tls.server_certificates is second.tls.server_certificates


def test_each_conversation_more_costs_little() -> None:
    kept = [light(conversation(number, session())) for number in range(200)]
    alone, together = (len(pickle.dumps(each)) for each in (kept[:1], kept))
    assert (together - alone) / (len(kept) - 1) < BYTES


def test_what_summaries_count_is_still_there() -> None:
    whole = conversation(1, session())
    kept = light(whole)
    assert kept.tls is not None
    assert whole.tls is not None
    assert (kept.id, kept.client, kept.server, kept.is_decrypted) == (
        whole.id,
        whole.client,
        whole.server,
        whole.is_decrypted,
    )
    assert (kept.tls.verdict, kept.tls.cipher_suite, kept.tls.session_id) == (
        whole.tls.verdict,
        whole.tls.cipher_suite,
        whole.tls.session_id,
    )
    assert (kept.exchanges, kept.notes, kept.tls.messages) == ((), (), ())
