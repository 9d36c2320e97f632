"""Steps in coordinates of inputs: what they are, leave alone, and are good for."""

import dataclasses
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from flashvsr_core.tiny_decoder import TinyDecoder
from flashvsr_core.weights.random import CONFIGS
from tests.training.toy import toy_config, toy_source
from training.averaging import tensors_of
from training.feed import Feed
from training.forward.tiny_decoder import convolve, decode_clips
from training.held import Copy
from training.log import read_log
from training.networks import build_tiny_decoder
from training.pass_through import pass_frames_through
from training.position_code import write_code
from training.processes import Processes
from training.stages.distillation import DistillationStage
from training.trainer import RunLimits, Trainer
from training.whitening import Whitening


def pictures(count: int = 8) -> Tensor:
    """(count, 4, 24, 24): far from 0, the last channel 1, the others nearly alike."""
    shared = F.avg_pool2d(torch.randn(count, 1, 28, 28), 5, stride=1)
    detail = 0.05 * torch.randn(count, 3, 24, 24)
    return torch.cat([1.5 + shared + detail, torch.ones(count, 1, 24, 24)], dim=1)


def whitened(conv: nn.Conv2d, x: Tensor, copy: Copy | None = None) -> Whitening:
    network = nn.Sequential(conv)
    whitening = Whitening(network, copy or Copy())
    whitening.observe(conv, x)
    whitening.settle(lambda value: value)
    return whitening


def test_a_step_is_the_one_of_a_convolution_of_centred_inputs_that_do_not_correlate() -> None:
    torch.manual_seed(0)
    conv = nn.Conv2d(4, 3, 3, padding=1)
    x, wanted = pictures(), torch.randn(8, 3, 22, 22)
    whitening = whitened(conv, x)
    patches = F.unfold(x, 3).movedim(1, 2).flatten(0, 1).double()
    mean = patches.mean(dim=0)
    covariance = (patches - mean).T @ (patches - mean) / len(patches)
    values, vectors = torch.linalg.eigh(covariance)
    ridge = 3e-3 * covariance.diagonal().mean()
    root = ((vectors * (values.clamp_min(0) + ridge).rsqrt()) @ vectors.T).float()
    weight = conv.weight.detach().flatten(1)
    v = (weight @ torch.linalg.inv(root)).requires_grad_()
    assert conv.bias is not None
    c = (conv.bias.detach() + weight @ mean.float()).requires_grad_()
    reached = (patches.float() - mean.float()) @ root @ v.T + c
    reached = reached.unflatten(0, (8, -1)).movedim(2, 1).unflatten(2, (22, 22))
    (reached - wanted).square().mean().backward()
    (F.conv2d(x, conv.weight, conv.bias) - wanted).square().mean().backward()

    whitening.enter()
    torch.optim.SGD(conv.parameters(), lr=0.1).step()
    whitening.leave()

    assert v.grad is not None
    assert c.grad is not None
    expected = (v - 0.1 * v.grad) @ root
    assert torch.allclose(conv.weight.flatten(1), expected, atol=1e-4)
    assert torch.allclose(conv.bias, c - 0.1 * c.grad - expected @ mean.float(), atol=1e-4)


@pytest.mark.parametrize("has_bias", [True, False])
def test_what_is_drawn_on_average_changes_by_the_bias_alone(has_bias: bool) -> None:
    torch.manual_seed(0)
    conv = nn.Conv2d(4, 3, 3, bias=has_bias)
    copy = Copy(carried={"0": 4})
    x = pictures()
    whitening = whitened(conv, x, copy)
    before = F.conv2d(x, conv.weight, conv.bias)
    # A gradient without a part that is the same everywhere.
    wave = torch.linspace(-1, 1, 22).expand(8, 3, 22, 22)
    (before * (wave - wave.mean())).mean().backward()
    whitening.enter()
    torch.optim.SGD(conv.parameters(), lr=1.0).step()
    whitening.leave()
    change = F.conv2d(x, conv.weight, conv.bias) - before
    assert change.mean(dim=(0, 2, 3)).abs().max() < 0.02 * change.std()


def test_slots_looked_at_in_turn_count_as_one_look_at_all_of_them() -> None:
    torch.manual_seed(0)
    parts = pictures(), 3 * pictures()

    def stepped(*looks: Tensor) -> Tensor:
        torch.manual_seed(1)
        conv = nn.Conv2d(4, 3, 3)
        whitening = Whitening(nn.Sequential(conv), Copy())
        for x in looks:
            whitening.observe(conv, x)
        whitening.settle(lambda value: value)
        convolve(conv, parts[0]).square().mean().backward()
        whitening.enter()
        torch.optim.SGD(conv.parameters(), lr=1.0).step()
        whitening.leave()
        return conv.weight.detach()

    together = stepped(torch.cat(parts))
    torch.testing.assert_close(stepped(*parts), together, rtol=1e-3, atol=1e-4)
    for part in parts:
        assert not torch.allclose(stepped(part), together, rtol=1e-2, atol=1e-2)


def test_detail_behind_an_offset_is_learned_much_sooner() -> None:
    def error_of(*, is_whitened: bool) -> float:
        torch.manual_seed(0)
        conv = nn.Conv2d(4, 1, 3)
        x = pictures()
        wanted = 10 * (x[:, :1, 1:-1, 1:-1] - x[:, 1:2, 1:-1, 1:-1])
        whitening = whitened(conv, x)
        optimizer = torch.optim.Adam(conv.parameters(), lr=0.02)
        for step in range(100):
            for group in optimizer.param_groups:
                group["lr"] = 0.02 * (1 - step / 100)
            optimizer.zero_grad()
            loss = (convolve(conv, x) - wanted).square().mean()
            loss.backward()
            if is_whitened:
                whitening.enter()
            optimizer.step()
            if is_whitened:
                whitening.leave()
        return float(loss.detach() / wanted.square().mean())

    assert error_of(is_whitened=True) < 0.5 * error_of(is_whitened=False)


def test_what_is_held_stays_as_it_is() -> None:
    torch.manual_seed(0)
    sizes = CONFIGS["nano"].tiny_decoder
    decoder = build_tiny_decoder(CONFIGS["nano"])
    copy = pass_frames_through(TinyDecoder(sizes))
    copy.hold(decoder)
    whitening = Whitening(decoder, copy)
    low = torch.rand(1, 3, 5, 64, 64) - 0.5
    latents = write_code(torch.randn(1, 16, 2, 8, 8))
    decode_clips(decoder, latents, low, whitening.watched)
    whitening.settle(lambda value: value)
    before = {name: p.detach().clone() for name, p in decoder.named_parameters()}
    decode_clips(decoder, latents, low).square().mean().backward()
    whitening.enter()
    torch.optim.Adam(decoder.parameters(), lr=1e-4).step()
    whitening.leave()
    moved = 0
    for name, parameter in decoder.named_parameters():
        change = parameter.detach() - before[name]
        held = copy.held.get(name, torch.zeros_like(parameter, dtype=torch.bool))
        assert not change[held].any(), name
        moved += int(change[~held].any())
    # What others read begins at 0: only these get a gradient yet.
    assert moved > 9


def test_the_distillation_whitens_the_decoder_and_nothing_else(
    toy_runs: Path, tmp_path: Path
) -> None:
    plain = toy_config("distillation")
    optimizer = dataclasses.replace(plain.optimizer, whitened=True)
    for earlier in ("latent", "decoder", "full_attention", "streaming"):
        (tmp_path / earlier).symlink_to(toy_runs / earlier)
    steps = {}
    for config in (plain, dataclasses.replace(plain, optimizer=optimizer)):
        stage = DistillationStage(config, tmp_path, torch.device("cpu"))
        (student, *_) = stage.players
        assert (student.whitened is not None) == config.optimizer.whitened
        (batch,) = Feed(toy_source(config), config, [0], torch.device("cpu")).at(0)
        before = {k: v.clone() for k, v in tensors_of(stage.pieces).items()}
        if student.whitened:
            student.whitened.look(batch)
            student.whitened.whitening.settle(lambda value: value)
        student.objective(batch, {}).loss.backward()
        if student.whitened:
            student.whitened.whitening.enter()
        torch.optim.SGD(student.objective.parameters(), lr=1e-3).step()
        if student.whitened:
            student.whitened.whitening.leave()
        after = tensors_of(stage.pieces)
        steps[config.optimizer.whitened] = {k: after[k] - before[k] for k in before}
    moved = 0
    for name, step in steps[False].items():
        is_alike = torch.allclose(step, steps[True][name], rtol=1e-3, atol=1e-7)
        if name.startswith("tiny_decoder/") and step.ndim == 4:
            assert is_alike != bool(step.any()), name
            moved += not is_alike
        elif not name.startswith("tiny_decoder/"):
            assert is_alike, name
    assert moved > 9


def test_the_decoder_stage_learns_whitened_and_goes_on(toy_runs: Path, tmp_path: Path) -> None:
    plain = toy_config("decoder")
    optimizer = dataclasses.replace(plain.optimizer, lr=1e-3, whitened=True)
    config = dataclasses.replace(plain, optimizer=optimizer, steps=12)
    (tmp_path / "latent").symlink_to(toy_runs / "latent")
    for last in (8, 12):
        processes = Processes.join("cpu")
        source = toy_source(config)
        trainer = Trainer(config, tmp_path, source, processes, resume=last > 8)
        assert trainer.run(RunLimits(steps=last)) == last
    pixel = [line["pixel"] for line in read_log(tmp_path / "decoder" / "log.jsonl")]
    assert len(pixel) == 12
    assert sum(pixel[-3:]) < 0.9 * sum(pixel[:3])
