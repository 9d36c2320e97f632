import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from flashvsr_core import FlashVSR, Size, plan_geometry
from flashvsr_core.errors import WeightsError
from flashvsr_core.weights import WeightsFolder
from flashvsr_core.weights.convert import convert_weights
from flashvsr_core.weights.download import PROMPT_URL, Sources, download_weights
from flashvsr_core.weights.manifest import MANIFEST_FILE, read_manifest
from flashvsr_core.weights.pieces import PIECES
from flashvsr_core.weights.random import CONFIGS, write_random_weights
from flashvsr_core.weights.verify import record_weights, verify_weights

CPU = torch.device("cpu")


@pytest.fixture
def weights(random_weights: Path, tmp_path: Path) -> Path:
    """A copy that a test may break; without a manifest, so that broken files are looked into."""
    folder = tmp_path / "weights"
    shutil.copytree(random_weights, folder)
    (folder / MANIFEST_FILE).unlink()
    return folder


def as_released(folder: Path, target: Path) -> Path:
    """Write the same weights in the authors' names and formats."""
    target.mkdir()
    for piece in PIECES:
        source = folder / piece.converted_file
        if not source.exists() or piece.released_file is None:
            continue
        tensors = load_file(source)
        if piece.name == "dit":
            shutil.copy(source, target / piece.released_file)
            continue
        released: object = tensors
        if piece.name == "prompt":
            released = tensors["context"]
        if piece.name == "wan_vae":
            released = {"model_state": {**tensors, "encoder.conv1.weight": torch.zeros(3)}}
        torch.save(released, target / piece.released_file)
    return target


def output_of(folder: Path, pipeline: str) -> Tensor:
    model = FlashVSR.load(folder, pipeline=pipeline, device="cpu")  # type: ignore[arg-type]
    frames = torch.arange(30 * 40 * 3).remainder(256).to(torch.uint8).view(1, 30, 40, 3)
    return torch.cat(list(model.upscale([frames], plan_geometry(Size(30, 40), scale=2))))


@pytest.mark.parametrize("pipeline", ["tiny", "full"])
def test_released_formats_give_the_same_frames(
    weights: Path, tmp_path: Path, pipeline: str
) -> None:
    released = as_released(weights, tmp_path / "released")
    assert torch.equal(output_of(released, pipeline), output_of(weights, pipeline))


def test_released_names_and_shapes_are_the_authors() -> None:
    config = CONFIGS["released"]
    from flashvsr_core.dit.model import DiT
    from flashvsr_core.lq_projection import LQProjection
    from flashvsr_core.tiny_decoder import TinyDecoder

    with torch.device("meta"):
        sizes = {
            "dit": DiT(config.dit).state_dict(),
            "lq": LQProjection(config.lq_projection, causal=False).state_dict(),
            "tiny": TinyDecoder(config.tiny_decoder).state_dict(),
        }
    counted = {
        name: (len(state), sum(tensor.numel() for tensor in state.values()))
        for name, state in sizes.items()
    }
    assert counted == {
        "dit": (825, 1_418_996_800),
        "lq": (8, 287_845_888),
        "tiny": (66, 45_338_371),
    }


def test_converting_keeps_every_number_and_records_it(weights: Path, tmp_path: Path) -> None:
    released = as_released(weights, tmp_path / "released")
    converted = tmp_path / "converted"
    convert_weights(WeightsFolder(released, version="v1.1"), converted)
    for piece in PIECES:
        if (weights / piece.converted_file).exists():
            before = load_file(weights / piece.converted_file)
            after = load_file(converted / piece.converted_file)
            assert before.keys() == after.keys()
            assert all(torch.equal(before[key], after[key]) for key in before)
    assert WeightsFolder(converted).version == "v1.1"
    with pytest.raises(WeightsError, match="is not empty"):
        convert_weights(WeightsFolder(released), converted)


def change(path: Path, edit: Callable[[dict[str, Tensor]], object]) -> None:
    tensors = load_file(path)
    edit(tensors)
    save_file(tensors, path)


def rename_first(tensors: dict[str, Tensor]) -> None:
    tensors["blocks.0.self_attn.query.weight"] = tensors.pop("blocks.0.self_attn.q.weight")


@pytest.mark.parametrize(
    ("edit", "sentence"),
    [
        (
            lambda t: t.pop("blocks.1.ffn.0.bias"),
            r"dit\.safetensors lacks .*'blocks\.1\.ffn\.0\.bias'",
        ),
        (rename_first, r"lacks the tensor 'blocks\.0\.self_attn\.q\.weight'"),
        (
            lambda t: t.update(extra=torch.zeros(1)),
            r"has the tensor 'extra', which",
        ),
        (
            lambda t: t.update({"head.head.bias": torch.zeros(5)}),
            r"has 'head\.head\.bias' as \(5,\) where this model needs \(64,\)",
        ),
        (lambda t: t.pop("patch_embedding.weight"), r"lacks the tensor 'patch_embedding\.weight'"),
    ],
)
def test_the_first_wrong_key_is_named(
    weights: Path, edit: Callable[[dict[str, Tensor]], object], sentence: str
) -> None:
    change(weights / "dit.safetensors", edit)
    with pytest.raises(WeightsError, match=sentence):
        WeightsFolder(weights).dit(CPU, torch.float32)


def test_a_file_that_is_no_weights_file_is_named(weights: Path) -> None:
    (weights / "tiny_decoder.safetensors").write_bytes(b"<html>not found</html>")
    with pytest.raises(WeightsError, match=r"tiny_decoder\.safetensors cannot be read as weights"):
        WeightsFolder(weights).tiny_decoder(CPU, torch.float32)


def test_a_pickle_that_runs_code_is_not_run(weights: Path, tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (Path.touch, (Path(tmp_path / "ran"),))  # type: ignore[return-value]

    (weights / "tiny_decoder.safetensors").unlink()
    torch.save({"decoder.1.weight": Evil()}, weights / "TCDecoder.ckpt")
    with pytest.raises(WeightsError, match="cannot be read as weights"):
        WeightsFolder(weights).tiny_decoder(CPU, torch.float32)
    assert not (tmp_path / "ran").exists()


def test_missing_things_are_named(weights: Path, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="There is no weights folder"):
        WeightsFolder(tmp_path / "nowhere")
    (weights / "prompt.safetensors").unlink()
    with pytest.raises(WeightsError, match=r"lacks posi_prompt\.pth or prompt\.safetensors"):
        WeightsFolder(weights).prompt()


def test_a_changed_byte_is_noticed_at_every_load(random_weights: Path, tmp_path: Path) -> None:
    folder = tmp_path / "weights"
    shutil.copytree(random_weights, folder)
    WeightsFolder(folder).dit(CPU, torch.float32)
    data = bytearray((folder / "dit.safetensors").read_bytes())
    data[-1] ^= 1
    (folder / "dit.safetensors").write_bytes(data)
    with pytest.raises(WeightsError, match=r"is not the file that manifest\.json recorded"):
        WeightsFolder(folder).dit(CPU, torch.float32)
    findings = {finding.piece: finding for finding in verify_weights(WeightsFolder(folder))}
    assert not findings["dit"].is_good
    assert findings["lq_projection"].is_good


def test_a_v1_projection_is_refused_beside_a_v1_1_dit(weights: Path) -> None:
    record_weights(weights, "v1.1")
    assert WeightsFolder(weights).lq_projection(CPU, torch.float32).causal
    manifest = json.loads((weights / MANIFEST_FILE).read_text())
    manifest["files"]["lq_projection.safetensors"]["version"] = "v1"
    (weights / MANIFEST_FILE).write_text(json.dumps(manifest))
    with pytest.raises(WeightsError, match=r"mixes a v1\.1 dit and a v1 lq_projection"):
        WeightsFolder(weights)


def test_a_version_that_contradicts_the_manifest_is_refused(weights: Path) -> None:
    assert not WeightsFolder(weights).lq_projection(CPU, torch.float32).causal
    assert WeightsFolder(weights, version="v1.1").lq_projection(CPU, torch.float32).causal
    record_weights(weights, "v1")
    with pytest.raises(WeightsError, match=r"holds version v1, not v1\.1"):
        WeightsFolder(weights, version="v1.1")


@pytest.mark.parametrize("text", ["{", "[]", '{"files": {"a": {"sha": 1}}}'])
def test_a_broken_manifest_is_an_error(weights: Path, text: str) -> None:
    (weights / MANIFEST_FILE).write_text(text)
    with pytest.raises(WeightsError, match=r"manifest\.json is not a weights manifest"):
        WeightsFolder(weights)


def test_the_manifest_says_how_colours_are_matched(weights: Path, tmp_path: Path) -> None:
    path = weights / MANIFEST_FILE
    assert not path.exists()
    assert read_manifest(weights).color == "adain"
    record_weights(weights, "v1.1")
    manifest = json.loads(path.read_text())
    del manifest["color"]  # as older releases wrote it
    path.write_text(json.dumps(manifest))
    assert read_manifest(weights).color == "adain"
    path.write_text(json.dumps(manifest | {"color": "source"}))
    convert_weights(WeightsFolder(weights), tmp_path / "converted")
    record_weights(weights, "v1.1")
    for folder in (weights, tmp_path / "converted"):
        assert FlashVSR.load(folder, device="cpu").network.color == "source"
    path.write_text(json.dumps(manifest | {"color": "sepia"}))
    with pytest.raises(WeightsError, match=r"asks for the colour fix 'sepia'"):
        WeightsFolder(weights)


def test_random_weights_are_the_same_for_the_same_seed(
    random_weights: Path, tmp_path: Path
) -> None:
    again = write_random_weights(tmp_path / "again", "tiny-test")
    assert again == read_manifest(random_weights)
    assert write_random_weights(tmp_path / "other", "tiny-test", seed=1) != again


def local_sources(released: Path, calls: list[str]) -> Sources:
    """The hub and the prompt's address, played by a local folder."""

    def from_hub(repository: str, name: str, revision: str | None, folder: Path) -> str:
        calls.append(name)
        assert repository == "JunhaoZhuang/FlashVSR-v1.1"
        shutil.copy(released / name, folder / name)
        return revision or "abc123"

    def url(address: str, path: Path) -> None:
        calls.append(path.name)
        assert address == PROMPT_URL
        shutil.copy(released / path.name, path)

    return Sources(from_hub, url)


def test_a_download_records_what_came_and_goes_on_where_it_stopped(
    weights: Path, tmp_path: Path
) -> None:
    released = as_released(weights, tmp_path / "released")
    target = tmp_path / "target"
    calls: list[str] = []
    sources = local_sources(released, calls)
    manifest = download_weights(target, "v1.1", sources=sources)
    assert len(calls) == 5
    assert manifest.files["TCDecoder.ckpt"].source == "JunhaoZhuang/FlashVSR-v1.1@abc123"
    assert WeightsFolder(target).version == "v1.1"
    assert all(finding.is_good for finding in verify_weights(WeightsFolder(target)))
    (target / "TCDecoder.ckpt").unlink()
    calls.clear()
    download_weights(target, "v1.1", sources=sources)
    assert calls == ["TCDecoder.ckpt"]
    with pytest.raises(WeightsError, match=r"already holds version v1\.1"):
        download_weights(target, "v1", sources=sources)


@pytest.mark.hub
def test_the_prompt_can_be_fetched(tmp_path: Path) -> None:
    from flashvsr_core.weights.download import _fetch_url

    _fetch_url(PROMPT_URL, tmp_path / "posi_prompt.pth")
    shape = torch.load(tmp_path / "posi_prompt.pth", weights_only=True).shape
    assert shape == (1, 512, 4096)


def test_an_unreachable_address_is_one_sentence(tmp_path: Path) -> None:
    from flashvsr_core.weights.download import _fetch_url

    with pytest.raises(WeightsError, match=r"posi_prompt\.pth could not be downloaded .* network"):
        _fetch_url("http://127.0.0.1:9/posi_prompt.pth", tmp_path / "posi_prompt.pth")
    assert list(tmp_path.iterdir()) == []
