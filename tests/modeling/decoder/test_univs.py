from __future__ import annotations

import pytest
import torch

from univs.modeling.concepts import ConceptTable
from univs.modeling.decoder import VideoMultiScaleMaskedTransformerDecoderUniVS
from univs.modeling.decoder.layers import CrossAttentionLayer, SelfAttentionLayer
from univs.modeling.decoder.predictions import PromptQueries
from univs.modeling.decoder.prompt_attention import (
    SelfAttentionKind,
    prompt_cross_attention,
    separated_self_attention,
)
from univs.modeling.decoder.prompt_embedding import mean_of_tokens
from univs.modeling.decoder.univs import mix_with_learnable, similarity_to_prompts
from univs.modeling.prompts.prompt_types import (
    CategoryPrompts,
    ExpressionPrompts,
    PromptTokens,
    VisualPrompts,
)

WIDTH, TEXT_DIM, LEARNABLE = 16, 12, 5


def decoder_of(**options) -> VideoMultiScaleMaskedTransformerDecoderUniVS:
    torch.manual_seed(0)
    concepts = ConceptTable(torch.randn(7, TEXT_DIM), {"shapes": (0, 3), "stuff": (3, 4)})
    arguments = {
        "hidden_dim": WIDTH,
        "num_queries": LEARNABLE,
        "nheads": 2,
        "dim_feedforward": 32,
        "dec_layers": 4,
        "num_prompt_layers": -1,
        "pre_norm": False,
        "mask_dim": 8,
        "enforce_input_project": False,
        "concepts": concepts,
        "text_looks_at_image": True,
        "self_attention": SelfAttentionKind.SEPARATE,
        "time_encoding": "ArbitraryT",
    }
    return VideoMultiScaleMaskedTransformerDecoderUniVS(WIDTH, **(arguments | options)).eval()


def clip(decoder, clips: int = 1, frames: int = 2, indices=None):
    torch.manual_seed(1)
    scales = [torch.randn(clips * frames, WIDTH, 2**i, 3 * 2**i) for i in range(3)]
    indices = torch.arange(frames).expand(clips, -1) if indices is None else indices
    return decoder.encode_memory(scales, indices), torch.randn(clips * frames, 8, 8, 24)


def visual_prompts(count: int, clips: int = 1, frames: int = 1, length: int = 3) -> VisualPrompts:
    torch.manual_seed(2)
    shape = (clips, frames, count, length, WIDTH)
    return VisualPrompts.of(PromptTokens(torch.randn(shape), torch.randn(shape)))


def expressions(count: int) -> ExpressionPrompts:
    torch.manual_seed(3)
    return ExpressionPrompts(torch.randn(1, count, 6, TEXT_DIM), torch.randn(1, count, TEXT_DIM))


@pytest.mark.parametrize("kind", list(SelfAttentionKind))
def test_separated_self_attention_is_attention_with_a_mask(kind):
    torch.manual_seed(0)
    layer = SelfAttentionLayer(WIDTH, 2)
    frames, prompts = 3, 2
    total = LEARNABLE + prompts
    queries, position = torch.randn(2, 2, frames, total, WIDTH).unbind(0)
    query = torch.arange(frames * total) % total  # frame by frame
    is_prompt = query >= LEARNABLE
    hidden = {
        SelfAttentionKind.ALL: torch.zeros(len(query), len(query), dtype=torch.bool),
        SelfAttentionKind.SEPARATE: is_prompt[:, None] != is_prompt,
        SelfAttentionKind.BLOCKED: (is_prompt[:, None] != is_prompt)
        | (is_prompt[:, None] & (query[:, None] != query)),
        SelfAttentionKind.PROMPTS_SEE_ALL: ~is_prompt[:, None] & is_prompt,
    }[kind]
    expected = layer(queries.flatten(1, 2), position.flatten(1, 2), hidden)
    actual = separated_self_attention(layer, queries, position, LEARNABLE, kind)
    torch.testing.assert_close(actual.flatten(1, 2), expected)


@pytest.mark.parametrize("has_positions", [True, False])
def test_tokens_shared_by_frames_are_attended_to_as_if_repeated(has_positions):
    torch.manual_seed(0)
    layer = CrossAttentionLayer(WIDTH, 2)
    queries, position = torch.randn(2, 2, 3, 4, WIDTH).unbind(0)
    tokens, places = torch.randn(2, 2, 1, 4, 5, WIDTH).unbind(0)
    shared = PromptQueries(queries, position, tokens, places if has_positions else None)
    repeated = PromptQueries(
        queries,
        position,
        tokens.expand(-1, 3, -1, -1, -1),
        places.expand(-1, 3, -1, -1, -1) if has_positions else None,
    )
    torch.testing.assert_close(
        prompt_cross_attention(layer, queries, position, shared),
        prompt_cross_attention(layer, queries, position, repeated),
    )


def test_blank_tokens_do_not_count_in_the_mean():
    tokens = torch.tensor([[[2.0, 4.0], [0.0, 0.0], [4.0, 0.0]], [[0.0, 0.0]] * 3])
    assert mean_of_tokens(tokens).tolist() == [[3.0, 2.0], [0.0, 0.0]]


@pytest.mark.parametrize("kind", [kind for kind in SelfAttentionKind if kind.value != "all"])
@torch.no_grad()
def test_learnable_queries_never_see_prompts(kind):
    decoder = decoder_of(self_attention=kind)
    memory, features = clip(decoder)
    alone = decoder(memory, features).final
    for prompts in (visual_prompts(2), CategoryPrompts(torch.tensor([[1, 4]]))):
        prompted = decoder(memory, features, prompts).final
        torch.testing.assert_close(prompted.mask_logits[:, :LEARNABLE], alone.mask_logits)
        torch.testing.assert_close(prompted.class_logits[:, :LEARNABLE], alone.class_logits)


@torch.no_grad()
def test_the_order_of_prompts_is_the_order_of_their_masks():
    decoder = decoder_of()
    memory, features = clip(decoder)
    prompts, order = visual_prompts(3), torch.tensor([2, 0, 1])
    straight = decoder(memory, features, prompts).final.mask_logits[:, LEARNABLE:]
    permuted = decoder(memory, features, VisualPrompts.of(prompts.own.select(order))).final
    torch.testing.assert_close(permuted.mask_logits[:, LEARNABLE:], straight[:, order])


@torch.no_grad()
def test_expressions_do_not_depend_on_each_other():
    decoder = decoder_of()
    memory, features = clip(decoder)
    both = expressions(2)
    one = ExpressionPrompts(both.words[:, 1:], both.sentences[:, 1:])
    torch.testing.assert_close(
        decoder(memory, features, both).final.mask_logits[:, -1],
        decoder(memory, features, one).final.mask_logits[:, -1],
    )


@torch.no_grad()
def test_no_prompts_are_as_good_as_none():
    decoder = decoder_of()
    memory, features = clip(decoder)
    alone = decoder(memory, features).final.mask_logits
    for prompts in (CategoryPrompts(torch.zeros(1, 0, dtype=torch.int64)), expressions(0)):
        output = decoder(memory, features, prompts)
        torch.testing.assert_close(output.final.mask_logits, alone)
        assert output.prompts is None


@torch.no_grad()
def test_clips_of_a_batch_do_not_touch_each_other():
    decoder = decoder_of()
    memory, features = clip(decoder, clips=2)
    prompts = visual_prompts(2, clips=2)
    both = decoder(memory, features, prompts).final.mask_logits
    second = type(memory)(
        [x[1:] for x in memory.features],
        [x[1:] for x in memory.positions],
        memory.frame_positions[1:],
    )
    tokens = PromptTokens(prompts.own.features[1:], prompts.own.positions[1:])
    alone = decoder(second, features[2:], VisualPrompts.of(tokens)).final.mask_logits
    torch.testing.assert_close(both[1:], alone)


@torch.no_grad()
def test_time_is_told_by_index_or_by_place():
    later = torch.tensor([[10, 11]])
    for encoding, same in (("ArbitraryT", False), ("FixedT", True)):
        decoder = decoder_of(time_encoding=encoding)
        first, _ = clip(decoder)
        second, _ = clip(decoder, indices=later)
        assert torch.equal(first.positions[0], second.positions[0]) == same


def test_masks_of_expressions_are_mixed_with_the_learnable_query_most_like_them():
    queries = torch.zeros(1, 1, 4, 2)
    queries[0, 0] = torch.tensor([[1.0, 0.0], [0.0, 3.0], [0.0, 2.0], [5.0, 1.0]])
    similarity = similarity_to_prompts(queries, num_learnable=2)
    assert similarity.shape == (1, 4, 2)
    masks = torch.arange(4.0).view(1, 4, 1, 1, 1)
    mixed = mix_with_learnable(masks, similarity, num_learnable=2)
    assert mixed.flatten().tolist() == [0.0, 1.0, 1.5, 1.5]


def test_training_keeps_all_heads_and_reaches_the_parameters_of_its_prompts():
    decoder = decoder_of().train()
    memory, features = clip(decoder, frames=3)
    output = decoder(memory, features, expressions(2))
    assert len(output.heads) == 5
    sum(head.mask_logits.sum() + head.class_logits.sum() for head in output.heads).backward()
    reached = {name for name, p in decoder.named_parameters() if p.grad is not None}
    assert {"prompt_grounding.weight", "text2vis_projection.weight"} <= reached
    assert not {"prompt_sot.weight", "prompt_detection.weight", "reid_temp.weight"} & reached


def test_only_the_final_head_is_kept_at_inference():
    decoder = decoder_of()
    assert len(decoder(*clip(decoder)).heads) == 1


@torch.no_grad()
def test_wrong_prompts_are_named():
    decoder = decoder_of()
    memory, features = clip(decoder)
    with pytest.raises(ValueError, match="prompts for 2 clips, but 1 clips"):
        decoder(memory, features, visual_prompts(1, clips=2))
    wide = ExpressionPrompts(torch.zeros(1, 2, 6, 20), torch.zeros(1, 2, 20))
    with pytest.raises(ValueError, match="have 20 channels, but the model is made for 12"):
        decoder(memory, features, wide)
    with pytest.raises(ValueError, match="sentence features of expression prompts"):
        ExpressionPrompts(torch.zeros(1, 2, 6, 20), torch.zeros(1, 3, 20))
