"""The card of the model that comes along says what the code says."""

import re
from pathlib import Path

import pytest
from safetensors.torch import load_file

from flashvsr_core.weights.names import find_weights
from flashvsr_core.weights.pieces import DIT, LQ_PROJECTION, TINY_DECODER, WAN_VAE
from training.data.catalogue import credits_table, read_catalogue

ROOT = Path(__file__).parents[2]
CARD = ROOT / "training" / "cards" / "nano.md"


@pytest.fixture(scope="module")
def card() -> str:
    return CARD.read_text(encoding="utf-8")


def test_sizes_are_those_of_the_weights(card: str) -> None:
    counts = {
        piece.name: sum(
            tensor.numel()
            for tensor in load_file(find_weights("nano") / piece.converted_file).values()
        )
        for piece in (DIT, LQ_PROJECTION, TINY_DECODER, WAN_VAE)
    }
    told = re.findall(r"^\| `(\w+)` \| .* \| ([\d,]+) \|$", card, re.MULTILINE)
    assert {name: int(count.replace(",", "")) for name, count in told} == counts
    assert f"{sum(counts.values()) / 1e6:.1f} million weights" in card


def test_every_source_is_named_with_its_licence(card: str) -> None:
    assert credits_table(read_catalogue()) in card


def test_the_card_lies_beside_the_weights(card: str) -> None:
    assert (find_weights("nano") / "README.md").read_text(encoding="utf-8") == card
    assert "Not measured yet" not in card
