from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close

from reference.tarvis import check, filled, recorded, strided
from univs.modeling.decoder.layers import MultiheadAttention
from univs.modeling.prompts.tarvis_object_encoder import (
    Exemplars,
    ObjectEncoder,
    OwnTokensAttention,
    PixelTokens,
    cells_of_pixels,
    nearest_cells,
)


def published_encoder() -> ObjectEncoder:
    encoder = ObjectEncoder(
        embed_dim=256,
        num_heads=8,
        feedforward_dim=2048,
        num_layers=4,
        background_grid=(4, 4),
    )
    return filled(encoder, "object_encoder.")


def small_encoder() -> ObjectEncoder:
    torch.manual_seed(0)
    return ObjectEncoder(
        embed_dim=16, num_heads=2, feedforward_dim=32, num_layers=2, background_grid=(2, 2)
    )


def exemplars_of(case, scenario: str) -> Exemplars:
    counts = case.meta["object_query_counts"][scenario]
    parts = case.meta["model"]["queries per mask object (eval)"]
    num_points = counts.count(1)
    masks = case.tensor("masks").bool()[: counts.count(parts)]
    points = case.tensor("points")[len(case.arrays["points"]) - num_points :]
    point_frames = case.tensor("point_frames")[len(points) - num_points :][:num_points]
    height, width = case.arrays["masks"].shape[-2:]
    # (y, x) of the image without padding -> (x, y) of the padded one
    unpadded = torch.tensor([height - case_padding(case)[1], width - case_padding(case)[0]])
    points = (points * unpadded / torch.tensor([height, width])).flip(1)
    return Exemplars(torch.arange(masks.shape[1]), masks, points, point_frames)


def case_padding(case) -> tuple[int, int]:
    """Right and bottom padding, which the case tells in words only."""
    words = case.meta["calls"][0].split("(right ")[1].rstrip(")").replace(",", "").split()
    return int(words[0]), int(words[2])


@pytest.mark.golden("tarvis", "object_encoder_isolated")
@torch.no_grad()
def test_queries_equal_the_original(case):
    encoder = published_encoder()
    maps = [case.tensor(name) for name in ("map32", "map16", "map8", "map4")]
    parts = case.meta["model"]["queries per mask object (eval)"]
    for scenario, counts in case.meta["object_query_counts"].items():
        layers = zip(
            encoder.self_attn_layers, encoder.cross_attn_layers, encoder.ffn_layers, strict=True
        )
        with recorded(block for layer in layers for block in layer) as outputs:
            encoded = encoder(maps, exemplars_of(case, scenario), parts)
        assert encoded.counts == counts
        check(case, f"{scenario}/bg_queries", encoded.background)
        check(case, f"{scenario}/object_queries", encoded.objects)
        for index, output in enumerate(outputs):
            name = f"{scenario}/layer{index // 3}_{('self', 'cross', 'ffn')[index % 3]}"
            if name in case.arrays:
                check(case, name, strided(output.reshape(-1, output.shape[-1]), 4))


def test_attention_to_own_tokens_is_masked_attention_with_repeated_tokens():
    torch.manual_seed(0)
    own, dense = OwnTokensAttention(16, 2), MultiheadAttention(16, 2)
    torch.nn.init.xavier_uniform_(own.in_proj_weight)
    dense.load_state_dict(own.state_dict())
    owners = torch.tensor([0, 0, 1, 2, 2, 2])
    repeats = torch.tensor([3, 1, 2, 1, 1, 5])
    features, positions, query = torch.randn(6, 16), torch.randn(6, 16), torch.randn(3, 16)
    actual = own(query, PixelTokens(features, positions, owners, repeats.float()))
    keys = (features + positions).repeat_interleave(repeats, 0)
    blocked = owners.repeat_interleave(repeats) != torch.arange(3)[:, None]
    values = features.repeat_interleave(repeats, 0)
    assert_close(actual, dense(query[None], keys[None], values[None], blocked)[0])


def test_gradients_reach_the_maps_through_points_only():
    encoder = small_encoder()
    maps = [torch.randn(1, 16, 2 * s, 2 * s, requires_grad=True) for s in (1, 2, 4, 8)]
    masks = torch.zeros(1, 1, 64, 64, dtype=torch.bool)
    masks[0, 0, 8:20, 8:20] = True
    no_points = Exemplars(torch.tensor([0]), masks, torch.zeros(0, 2), torch.zeros(0).long())
    encoder(maps, no_points, 4).objects.sum().backward()
    assert all(feature.grad is None for feature in maps)
    point = Exemplars(torch.tensor([0]), masks[:0], torch.tensor([[0.3, 0.6]]), torch.tensor([0]))
    encoder(maps, point, 4).objects.square().sum().backward()
    assert all(feature.grad.abs().sum() > 0 for feature in maps)


@torch.no_grad()
def test_two_points_at_one_place_give_the_same_queries():
    encoder = small_encoder().eval()
    maps = [torch.randn(1, 16, 2 * s, 2 * s) for s in (1, 2, 4, 8)]
    nothing = torch.zeros(0, 1, 64, 64, dtype=torch.bool)
    points = torch.tensor([[0.3, 0.6], [0.3, 0.6], [0.9, 0.1]])
    encoded = encoder(maps, Exemplars(torch.tensor([0]), nothing, points, torch.zeros(3).long()), 4)
    assert encoded.counts == [1, 1, 1]
    assert_close(encoded.objects[0], encoded.objects[1])
    assert not torch.allclose(encoded.objects[0], encoded.objects[2])


@torch.no_grad()
def test_objects_that_leave_no_background_are_fine():
    encoder = small_encoder().eval()
    maps = [torch.randn(1, 16, 2 * s, 2 * s) for s in (1, 2, 4, 8)]
    everything = torch.ones(2, 1, 64, 64, dtype=torch.bool)
    exemplars = Exemplars(torch.tensor([0]), everything, torch.zeros(0, 2), torch.zeros(0).long())
    encoded = encoder(maps, exemplars, 4)
    assert encoded.background.isfinite().all() and encoded.objects.shape == (8, 16)


def test_pixels_and_points_fall_into_the_nearest_cells():
    pixels = torch.arange(2 * 8 * 8)
    cells = cells_of_pixels(pixels, (8, 8), (2, 2)).view(2, 8, 8)
    assert cells[1, 3, 4] == 4 + 1 and cells[0, 4, 3] == 2
    points = torch.tensor([[0.0, 1.0], [0.49, 0.51]])
    assert nearest_cells(points, (2, 4)).tolist() == [[0, 1], [1, 1]]


def test_an_empty_grid_is_refused():
    with pytest.raises(ValueError, match="BACKGROUND_GRID"):
        ObjectEncoder(
            embed_dim=16, num_heads=2, feedforward_dim=8, num_layers=1, background_grid=(0, 4)
        )
