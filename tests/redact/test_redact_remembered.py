"""What is remembered of texts, so that they are not searched again, hides no secret that is learned later."""

from __future__ import annotations

import pytest

from tlsdecrypt.redact import Redactor
from tlsdecrypt.redact.in_place import InPlaceMasker


def test_a_text_that_was_shown_is_masked_once_a_secret_in_it_is_known() -> None:
    redactor = Redactor(salt=b"salt")
    assert redactor.text("the word is swordfish-42") == "the word is swordfish-42"
    redactor.learn("swordfish-42")
    for _ in range(2):
        assert "swordfish" not in redactor.text("the word is swordfish-42")
    other = redactor.for_document()
    assert "swordfish" not in other.text("the word is swordfish-42")


def test_what_one_document_learns_another_masks_in_texts_that_it_has_shown_before() -> None:
    redactor = Redactor(salt=b"salt")
    first, second = redactor.for_document(), redactor.for_document()
    assert second.text("swordfish-42 again") == "swordfish-42 again"
    first.learn("swordfish-42")
    for _ in range(2):
        assert "swordfish" not in second.text("swordfish-42 again")


@pytest.mark.parametrize("secrets", [1, 40])
def test_a_short_text_is_masked_where_it_is_as_long_as_the_shortest_secret(secrets: int) -> None:
    redactor = Redactor(salt=b"salt")
    for number in range(secrets):
        redactor.learn(f"a-long-secret-{number:03}")
    redactor.learn("fish")
    assert redactor.text("fish") == redactor.text(" fish").strip() != "fish"
    assert redactor.text("fi sh") != "fi sh"


@pytest.mark.parametrize("secret", ["********", "00000000", "AAAAAAAA"])
def test_what_was_overwritten_already_is_left_as_it_is(secret: str) -> None:
    redactor = Redactor(salt=b"salt")
    redactor.value("password", secret)  # as it is found in what was masked before
    data = b"\x30\n" + secret.encode() + b"\n\0 and swordfish-42"
    assert InPlaceMasker(redactor).repeated(data) == data
    redactor.learn("swordfish-42")
    assert InPlaceMasker(redactor).repeated(data) == data.replace(b"swordfish-42", b"*" * 12)
