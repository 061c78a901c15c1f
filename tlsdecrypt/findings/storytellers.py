"""The table of stories: who tells which."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from tlsdecrypt.findings.authentication_story import authentication_stories
from tlsdecrypt.findings.autodiscover_journey import autodiscover_journeys
from tlsdecrypt.findings.hybrid_chain import hybrid_chains
from tlsdecrypt.findings.mail_story import mail_stories

if TYPE_CHECKING:
    from tlsdecrypt.findings.scene import Scene
    from tlsdecrypt.findings.story import Story

STORYTELLERS = (autodiscover_journeys, hybrid_chains, authentication_stories, mail_stories)


def tell_stories(scene: Scene) -> tuple[Story, ...]:
    """All stories of a scene, kind by kind."""
    return tuple(chain.from_iterable(tell(scene) for tell in STORYTELLERS))
