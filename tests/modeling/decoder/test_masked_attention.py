from __future__ import annotations

import torch
from torch import nn

from univs.modeling.decoder import (
    MultiScaleMaskedTransformerDecoder,
    VideoMultiScaleMaskedTransformerDecoder,
)
from univs.modeling.decoder.layers import MultiheadAttention
from univs.modeling.decoder.masked_attention import attention_mask, open_empty_rows


def decoder_of(kind, **options):
    arguments = {
        "num_classes": 3,
        "hidden_dim": 16,
        "num_queries": 5,
        "nheads": 2,
        "dim_feedforward": 32,
        "dec_layers": 4,
        "pre_norm": False,
        "mask_dim": 8,
        "enforce_input_project": False,
    }
    torch.manual_seed(0)
    return kind(16, **(arguments | options)).eval()


def memory(clips: int, frames: int) -> tuple[list[torch.Tensor], torch.Tensor]:
    torch.manual_seed(1)
    scales = [torch.randn(clips * frames, 16, 2**i, 3 * 2**i) for i in range(3)]
    return scales, torch.randn(clips * frames, 8, 8, 24)


def test_attention_equals_torch_with_a_mask_per_head():
    torch.manual_seed(0)
    ours, theirs = MultiheadAttention(16, 4), nn.MultiheadAttention(16, 4, batch_first=True)
    nn.init.xavier_uniform_(ours.in_proj_weight)
    theirs.load_state_dict(ours.state_dict())
    query, memory = torch.randn(2, 5, 16), torch.randn(2, 7, 16)
    blocked = torch.rand(2, 5, 7) > 0.7
    expected, _ = theirs(query, memory, memory, attn_mask=blocked.repeat_interleave(4, 0))
    torch.testing.assert_close(ours(query, memory, memory, blocked), expected)


@torch.no_grad()
def test_a_clip_of_one_frame_is_an_image_up_to_the_frame_encoding():
    scales, features = memory(2, 1)
    image = decoder_of(MultiScaleMaskedTransformerDecoder)
    output = image(scales, features)
    assert len(output.heads) == 5
    assert output.final.mask_logits.shape == (2, 5, 1, 8, 24)
    assert output.final.class_logits.shape == (2, 5, 4)


@torch.no_grad()
def test_clips_of_a_batch_do_not_touch_each_other():
    decoder = decoder_of(VideoMultiScaleMaskedTransformerDecoder)
    scales, features = memory(2, 3)
    both = decoder(scales, features, num_frames=3).final
    second = decoder([x[3:] for x in scales], features[3:], num_frames=3).final
    torch.testing.assert_close(both.mask_logits[1:], second.mask_logits)
    torch.testing.assert_close(both.class_logits[1:], second.class_logits)


@torch.no_grad()
def test_the_order_of_frames_matters_for_clips_only():
    scales, features = memory(1, 3)
    flipped = [x.flip(0) for x in scales], features.flip(0)
    for kind, same in (
        (MultiScaleMaskedTransformerDecoder, True),
        (VideoMultiScaleMaskedTransformerDecoder, False),
    ):
        decoder = decoder_of(kind)
        forward = decoder(scales, features, num_frames=3).final.class_logits
        backward = decoder(*flipped, num_frames=3).final.class_logits
        assert torch.allclose(forward, backward, atol=1e-5) == same


def test_attention_is_blocked_strictly_below_one_half():
    logits = torch.tensor([-1.0, 0.0, 2.0]).view(1, 1, 1, 1, 3)
    assert attention_mask(logits, (1, 3)).tolist() == [[[True, False, False]]]


def test_rows_that_block_everything_are_opened():
    blocked = torch.tensor([[[True, True], [True, False]]])
    assert open_empty_rows(blocked).tolist() == [[[False, False], [True, False]]]


def test_memory_is_projected_when_channels_differ():
    decoder = decoder_of(MultiScaleMaskedTransformerDecoder, hidden_dim=24)
    names = {name for name, _ in decoder.named_parameters()}
    assert "input_proj.0.weight" in names
    scales, features = memory(1, 1)
    assert decoder(scales, features).final.queries.shape == (1, 5, 24)
