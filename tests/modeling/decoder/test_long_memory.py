from __future__ import annotations

import pytest
import torch

from univs.modeling.decoder.long_memory import LongMemoryAttentionLayer


@pytest.mark.parametrize("pre_norm", [False, True])
@pytest.mark.parametrize("scale", [1.0, 30.0])
def test_parts_give_what_the_whole_memory_gives(pre_norm, scale):
    torch.manual_seed(0)
    layer = LongMemoryAttentionLayer(16, 4, pre_norm=pre_norm).double()
    queries = torch.randn(2, 5, 16).double().requires_grad_()
    memory = (scale * torch.randn(2, 23, 16)).double().requires_grad_()
    position, memory_position = torch.randn(5, 16), torch.randn(23, 16)
    found = []
    for lengths in ([23], [1, 10, 12]):
        parts = memory.split(lengths, dim=1)
        output = layer(queries, parts, position, memory_position.split(lengths))
        gradients = torch.autograd.grad(output.square().sum(), [queries, memory])
        found.append((output, *gradients))
    for whole, cut in zip(*found, strict=True):
        torch.testing.assert_close(whole, cut)


def test_large_scores_of_late_parts_do_not_overflow():
    layer = LongMemoryAttentionLayer(8, 2)
    memory = [torch.randn(1, 3, 8), 1e4 * torch.randn(1, 3, 8), torch.randn(1, 3, 8)]
    output = layer(torch.randn(1, 4, 8), memory, torch.zeros(4, 8), [torch.zeros(3, 8)] * 3)
    assert output.isfinite().all()


def test_half_precision_stays_half_precision():
    layer = LongMemoryAttentionLayer(8, 2).bfloat16()
    memory = [torch.randn(1, 3, 8).bfloat16() for _ in range(2)]
    zeros = torch.zeros(3, 8).bfloat16()
    assert layer(memory[0], memory, zeros, [zeros, zeros]).dtype == torch.bfloat16
