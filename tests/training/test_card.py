"""The card of the model that comes along says what the code says."""

import re
from pathlib import Path

import pytest
import torch

from flashvsr_core.dit.model import DiT
from flashvsr_core.lq_projection import LQProjection
from flashvsr_core.tiny_decoder import TinyDecoder
from flashvsr_core.wan_vae import WanVAE
from flashvsr_core.weights.names import find_weights
from flashvsr_core.weights.random import CONFIGS
from training.data.catalogue import credits_table, read_catalogue

ROOT = Path(__file__).parents[2]
CARD = ROOT / "training" / "cards" / "nano.md"


@pytest.fixture(scope="module")
def card() -> str:
    return CARD.read_text(encoding="utf-8")


def test_sizes_are_those_of_the_networks(card: str) -> None:
    config = CONFIGS["nano"]
    with torch.device("meta"):
        pieces = {
            "dit": DiT(config.dit),
            "lq_projection": LQProjection(config.lq_projection, causal=True),
            "tiny_decoder": TinyDecoder(config.tiny_decoder),
            "wan_vae": WanVAE(config.wan_vae),
        }
    counts = {
        name: sum(tensor.numel() for tensor in piece.state_dict().values())
        for name, piece in pieces.items()
    }
    told = re.findall(r"^\| `(\w+)` \| .* \| ([\d,]+) \|$", card, re.MULTILINE)
    assert {name: int(count.replace(",", "")) for name, count in told} == counts
    assert f"{sum(counts.values()) / 1e6:.1f} million weights" in card


def test_every_source_is_named_with_its_licence(card: str) -> None:
    assert credits_table(read_catalogue()) in card


def test_the_card_lies_beside_the_weights(card: str) -> None:
    assert (find_weights("nano") / "README.md").read_text(encoding="utf-8") == card
    assert "Not measured yet" not in card
