import sys
from importlib.util import find_spec

import pytest
import torch
from torch import Tensor

from flashvsr_core.dit.attention import BACKEND_NAMES, available_backends, choose_backend
from flashvsr_core.errors import AttentionUnavailableError

CPU = torch.device("cpu")


def dense_float64(q: Tensor, k: Tensor, v: Tensor, mask: Tensor) -> Tensor:
    """Masked softmax attention written out, with 0 for rows without a key."""
    allowed = mask.repeat_interleave(128, 1).repeat_interleave(128, 2)
    scores = torch.einsum("qhd,khd->hqk", q.double(), k.double()) / 128**0.5
    weights = scores.masked_fill(~allowed, -torch.inf).softmax(-1).nan_to_num(0.0)
    return torch.einsum("hqk,khd->qhd", weights, v.double())


def random_case(device: torch.device, dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    q = torch.randn(5 * 128, 3, 128)
    k, v = torch.randn(2, 7 * 128, 3, 128)
    mask = torch.rand(3, 5, 7) < 0.4
    mask[1, 2] = False
    mask[:, 4] = False
    mask[2, 0] = True
    return q.to(device, dtype), k.to(device, dtype), v.to(device, dtype), mask.to(device)


@pytest.mark.parametrize("name", available_backends(CPU))
def test_backend_agrees_with_dense_float64_under_the_same_mask(name: str) -> None:
    q, k, v, mask = random_case(CPU, torch.float32)
    out = choose_backend(name, CPU).attend(q, k, v, mask)
    expected = dense_float64(q, k, v, mask)
    assert (out.double() - expected).norm() / expected.norm() < 1e-6
    assert (out[4 * 128 :] == 0).all()
    assert (out[2 * 128 : 3 * 128, 1] == 0).all()


@pytest.mark.gpu
@pytest.mark.parametrize("name", BACKEND_NAMES)
def test_backend_agrees_on_a_gpu(name: str) -> None:
    device = torch.device("cuda")
    if name not in available_backends(device):
        pytest.skip(f"{name} does not run on this machine")
    q, k, v, mask = random_case(device, torch.bfloat16)
    out = choose_backend(name, device).attend(q, k, v, mask)
    expected = dense_float64(q, k, v, mask)
    assert (out.double() - expected).norm() / expected.norm() < 5e-3
    assert (out[4 * 128 :] == 0).all()


def test_the_cpu_prefers_the_reference() -> None:
    assert available_backends(CPU)[0] == "reference"


@pytest.mark.skipif(find_spec("block_sparse_attn") is not None, reason="it is installed here")
def test_a_backend_that_does_not_run_here_is_never_replaced_silently() -> None:
    with pytest.raises(AttentionUnavailableError, match="choose one of: reference, flex"):
        choose_backend("block_sparse_attn", CPU)
    with pytest.raises(AttentionUnavailableError, match="'dense' does not run here"):
        choose_backend("dense", CPU)


def test_the_cuda_package_is_called_as_it_wants_to_be(monkeypatch: pytest.MonkeyPatch) -> None:
    """The package cannot be had without a GPU: its documented call, computed by the reference."""
    import types

    seen = {}

    def block_sparse_attn_func(
        q: Tensor,
        k: Tensor,
        v: Tensor,
        cu_seqlens_q: Tensor,
        cu_seqlens_k: Tensor,
        head_mask_type: Tensor,
        streaming_info: Tensor | None,
        base_blockmask: Tensor,
        max_seqlen_q_: int,
        max_seqlen_k_: int,
        p_dropout: float,
        *,
        deterministic: bool = False,
        softmax_scale: float | None = None,
        is_causal: bool = False,
        exact_streaming: bool = False,
        return_attn_probs: bool = False,
    ) -> Tensor:
        assert streaming_info is None
        assert not is_causal
        assert not exact_streaming
        assert not return_attn_probs
        assert not deterministic
        assert softmax_scale is None
        assert p_dropout == 0
        assert cu_seqlens_q.tolist() == [0, max_seqlen_q_] == [0, len(q)]
        assert cu_seqlens_k.tolist() == [0, max_seqlen_k_] == [0, len(k)]
        assert head_mask_type.tolist() == [1] * q.shape[1]
        seen["mask"] = base_blockmask
        out = choose_backend("reference", CPU).attend(q, k, v, base_blockmask[0])
        empty = ~base_blockmask[0].any(-1).T.repeat_interleave(128, 0)
        return out.masked_fill(empty.unsqueeze(-1), torch.nan)

    package = types.ModuleType("block_sparse_attn")
    package.block_sparse_attn_func = block_sparse_attn_func  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "block_sparse_attn", package)
    from flashvsr_core.dit.attention.block_sparse import attend

    q, k, v, mask = random_case(CPU, torch.float32)
    assert torch.equal(
        attend(q, k, v, mask), choose_backend("reference", CPU).attend(q, k, v, mask)
    )
    assert torch.equal(seen["mask"][0], mask)
    monkeypatch.delitem(sys.modules, "flashvsr_core.dit.attention.block_sparse")
