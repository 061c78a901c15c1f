"""The way of a message as a story: leg by leg, from server to server, and how it ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from packets import Scene
from smtp_dialogues import BANNER, MODERN, QUIT, hello, mail, scene_of, session

from tlsdecrypt.findings.detective import Detective
from tlsdecrypt.findings.mail_story import mail_stories

if TYPE_CHECKING:
    from tlsdecrypt.findings.story import Story

LOGIN = ["C: AUTH NTLM", "S: 334 ", "C: TlRMTVNTUAABAAAA", "S: 235 2.7.0 ok"]
START = [BANNER, *hello(*MODERN)]


def stories(scene: Scene) -> list[Story]:
    analysis, detective = scene.analysis(), Detective([])
    for conversation in analysis.conversations:
        detective.take(conversation)
    detective.finish(analysis.captures)
    return list(mail_stories(detective.scene))


def test_a_message_is_told_from_the_connection_to_its_queue() -> None:
    (story,) = stories(scene_of(*START, *LOGIN, *mail("avery@contoso.local", "kim@fabrikam.com"), *QUIT))
    assert story.title == "Message from <avery@contoso.local> to kim@fabrikam.com"
    assert (story.verdict, story.state) == ("SVR01.contoso.local took it", "good")
    assert [leg.what.partition(",")[0].partition(":")[0] for leg in story.legs][1:] == [
        "AUTH NTLM", "MAIL FROM", "RCPT TO", "DATA"
    ]  # fmt: skip
    assert [leg.state for leg in story.legs] == ["goes on", "goes on", "goes on", "goes on", "good"]
    assert story.legs[-1].outcome.startswith("250 2.6.0")
    frames = [leg.first_frame or 0 for leg in story.legs]
    assert frames == sorted(frames)


def test_a_refusal_ends_it() -> None:
    refused = [
        "C: MAIL FROM:<a@b.example>",
        "S: 250 2.1.0 OK",
        "C: RCPT TO:<c@d.example>",
        "S: 550 5.7.1 Unable to relay",
    ]
    (story,) = stories(scene_of(*START, *refused, *QUIT))
    assert (story.verdict, story.state) == ("SVR01.contoso.local refused it: 550 5.7.1 Unable to relay", "bad")
    (lost,) = stories(scene_of(*START, *refused[:2], *refused[2:], *mail()[2:], *QUIT))
    assert lost.verdict == "SVR01.contoso.local took it, but for 1 of its recipients"


def test_what_breaks_off_has_no_end() -> None:
    (story,) = stories(scene_of(*START, *mail()[:4]))
    assert (story.verdict, story.state) == ("it was not sent to its end", "unknown")


def test_a_message_is_followed_from_server_to_server() -> None:
    scene = Scene()
    fields = ["Message-ID: <1@contoso.local>"]
    session(scene, *START, *mail(fields=fields), *QUIT)
    session(scene, *START, *mail(fields=fields), *QUIT, client="10.4.2.15", server="10.4.2.16")
    (story,) = stories(scene)
    assert story.connections == (1, 2)
    assert len(story.legs) == 8


def test_several_messages_of_a_session_are_several_stories() -> None:
    twice = [*mail(outcome="250 ok"), "C: RSET", "S: 250 2.0.0 ok", *mail(outcome="550 5.7.1 no")]
    first, second = stories(scene_of(*START, *twice, *QUIT))
    assert (first.state, second.state) == ("good", "bad")


def test_monitors_and_sessions_without_mail_have_none() -> None:
    probe = mail("HealthMailbox1@contoso.local")
    assert stories(scene_of(*START, *probe, *QUIT)) == []
    assert stories(scene_of(*START, *QUIT)) == []
