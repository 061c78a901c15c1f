"""The story of a login: its legs in order, who, by which scheme, and how it ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from login_dialogues import MARKER, ask, basic, ntlm, scene_of
from ntlm_peers import ntlm_login

from tlsdecrypt.findings import story as stories
from tlsdecrypt.findings.authentication_story import authentication_stories
from tlsdecrypt.findings.detective import Detective

if TYPE_CHECKING:
    import pytest
    from packets import Say

    from tlsdecrypt.findings.story import Story

BASIC_OFFER = ['WWW-Authenticate: Basic realm="x"']


def told(*dialogues: list[Say]) -> list[Story]:
    detective = Detective([])
    analysis = scene_of(*dialogues).analysis()
    for conversation in analysis.conversations:
        detective.take(conversation)
    detective.finish(analysis.captures)
    return list(authentication_stories(detective.scene))


def test_the_legs_of_ntlm_are_told_in_order() -> None:
    [story] = told([*ask(), *ntlm(ntlm_login(), "200 OK")])
    assert [leg.state for leg in story.legs] == ["goes on", "goes on", "good"]
    assert story.legs[0].what.endswith("no login")
    assert story.legs[0].outcome == "401, offers Negotiate, NTLM"
    assert "NTLM challenge of" in story.legs[1].outcome
    assert "NTLM type 3 as CONTOSO\\avery (NTLMv2" in story.legs[2].what
    assert "channel binding absent" in story.legs[2].what
    assert (story.verdict, story.state) == ("CONTOSO\\avery gets in with NTLM type 3", "good")
    assert story.legs[0].first_frame is not None
    assert story.connections == (story.legs[0].connection,)


def test_the_same_leg_again_and_again_is_told_once() -> None:
    [story] = told([*ask(basic(), offers=BASIC_OFFER) * 3])
    assert len(story.legs) == 1
    assert "(3 times)" in story.legs[0].what
    assert (story.verdict, story.state) == ("avery@contoso.com is refused 3 times with Basic", "bad")
    assert MARKER not in repr(story)


def test_what_works_at_once_and_what_monitors_do_is_no_story() -> None:
    assert told([*ask(basic(), "200 OK", []) * 5]) == []
    assert told([*ask(basic("HealthMailbox1@contoso.com")) * 3]) == []


def test_a_login_that_is_not_finished_says_so() -> None:
    [story] = told([*ask(), *ntlm(ntlm_login())[:2]])
    assert (story.verdict, story.state) == ("the login was not finished", "unknown")
    [story] = told([*ask(), *ask(offers=BASIC_OFFER)])
    assert story.verdict == "the client was asked to log in, and did not"


def test_stories_and_legs_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tlsdecrypt.findings.authentication_story.MAX_LEGS", 2)
    monkeypatch.setattr("tlsdecrypt.findings.authentication_story.MAX_STORIES", 1)
    login = [*ask(), *ntlm(ntlm_login(), "200 OK")]
    [story] = told(login, login)
    assert (len(story.legs), story.left_out) == (2, 1)
    assert stories.MAX_LEGS == 100
