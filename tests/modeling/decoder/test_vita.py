from __future__ import annotations

from collections import deque
from itertools import count

import pytest
import torch
import torch.nn.functional as F

from reference.live_tensors import LiveTensors
from reference.object_models import (
    check_encoded,
    check_gradients,
    check_part,
    decoder_sublayers,
    filled_object_module,
    object_config,
    recorded,
    recorded_encoder,
)
from univs.modeling.decoder import DecoderOutput, QueryPredictions, temporal_windows, vita
from univs.modeling.decoder.temporal_windows import in_windows
from univs.modeling.decoder.vita import ObjectPredictions, VitaObjectModule, frame_queries


@pytest.mark.golden("vita", "object_module_eval")
@torch.no_grad()
def test_objects_of_videos_of_any_length_equal_the_original(case):
    module = filled_object_module(case, VitaObjectModule(object_config(case)))
    queries = case.tensor("frame_queries")  # 1 T fQ C
    lengths = {int(name[1:].partition("_")[0]) for name in case.arrays if name[1:2].isdigit()}
    for length in sorted(lengths):
        with (
            recorded_encoder(module) as encoded,
            recorded(*decoder_sublayers(module)) as decoded,
        ):
            output = module(queries[:, :length])
        check_part(case, f"T{length}_pred_logits", output.final.class_logits[None])
        check_part(case, f"T{length}_pred_mask_embed", output.final.mask_embeddings[None])
        check_part(case, f"T{length}_pred_cq_embed", output.final.identities[None])
        check_part(case, f"T{length}_pred_fq_embed", output.frame_identities[None])
        if f"T{length}_encoder_layers" in case.arrays:
            check_encoded(case, f"T{length}_encoder_layers", encoded())
            sublayers = torch.stack(decoded).movedim(1, 2).unflatten(0, (-1, 3))
            check_part(case, f"T{length}_decoder_sublayers", sublayers)
        if f"T{length}_shift_mask_frames" in case.arrays:
            mask = original_shift_mask(length, module.window, (module.window + 1) // 2)
            case.check(f"T{length}_shift_mask_frames", mask)


def window_numbers(num_frames: int, window: int, shift: int = 0) -> torch.Tensor:
    """Which window each frame is in, ``(T,)``."""
    numbers = count()

    def number(tokens: torch.Tensor) -> torch.Tensor:
        return torch.stack([torch.full_like(one, next(numbers)) for one in tokens])

    parts = in_windows([number], [torch.zeros(1, num_frames, 1, 1)], window, shift)
    return torch.cat(list(parts), dim=1).flatten()


def original_shift_mask(num_frames: int, window: int, shift: int) -> torch.Tensor:
    """The windows of a shifted layer as a mask of the padded and rolled video, ``(N, W, W)``."""
    numbers = window_numbers(num_frames, window, shift)
    padded = F.pad(numbers, (0, -num_frames % window), value=torch.nan)
    slots = padded.roll(shift).view(-1, window)
    return torch.where(slots[:, :, None] == slots[:, None], 0.0, -1000.0)


def check_predictions(case, head: str, predictions: ObjectPredictions, shape: tuple) -> None:
    check_part(case, f"{head}_pred_logits", predictions.class_logits.unflatten(0, shape))
    check_part(case, f"{head}_pred_mask_embed", predictions.mask_embeddings.unflatten(0, shape))
    check_part(case, f"{head}_pred_cq_embed", predictions.identities.unflatten(0, shape))


@pytest.mark.golden("vita", "object_module_train")
def test_predictions_and_gradients_in_training_equal_the_original(case):
    config = object_config(case)
    module = filled_object_module(case, VitaObjectModule(config)).train()
    queries = case.tensor("frame_queries").requires_grad_()  # L B*T fQ C
    num_frames = config.INPUT.SAMPLING_FRAME_NUM
    shape = (len(queries), queries.shape[1] // num_frames)
    output = module(queries.unflatten(1, (-1, num_frames)).flatten(0, 1))
    heads = {f"aux{i}": head for i, head in enumerate(output.auxiliary)} | {"last": output.final}
    loss = output.frame_identities.square().mean()
    for name, head in heads.items():
        check_predictions(case, name, head, shape)
        for part in (head.class_logits, head.mask_embeddings, head.identities):
            loss = loss + part.square().mean()
    check_part(case, "pred_fq_embed", output.frame_identities.unflatten(0, shape))
    case.check("loss", loss[None])
    loss.backward()
    check_part(case, "grad_frame_queries", queries.grad)
    check_gradients(case, module)


def small_module(**options) -> VitaObjectModule:
    arguments = {
        "in_channels": 8,
        "num_classes": 3,
        "hidden_dim": 8,
        "num_frame_queries": 4,
        "num_video_queries": 5,
        "nheads": 2,
        "dim_feedforward": 16,
        "enc_layers": 4,
        "dec_layers": 2,
        "window": 3,
        "pre_norm": False,
        "mask_dim": 8,
        "enforce_input_project": True,
        "deep_supervision": True,
        "embeds_frames": True,
        "embeds_video": True,
    }
    torch.manual_seed(0)
    return VitaObjectModule(**(arguments | options)).eval()


def frames(num_frames: int, groups: int = 1) -> torch.Tensor:
    torch.manual_seed(num_frames)
    return torch.randn(groups, num_frames, 4, 8)


@torch.no_grad()
@pytest.mark.parametrize("num_frames", [1, 2, 3, 4, 7, 9])
def test_videos_of_a_batch_do_not_touch_each_other(num_frames):
    module, queries = small_module(), frames(num_frames, groups=2)
    both = module(queries)
    alone = module(queries[1:])
    torch.testing.assert_close(both.final.class_logits[1:], alone.final.class_logits)
    assert both.frame_identities.shape == (2, num_frames, 4, 8)
    assert both.auxiliary == []


def encoded(module: VitaObjectModule, queries: torch.Tensor) -> torch.Tensor:
    return torch.cat(module.encode([queries]), dim=1)


@torch.no_grad()
def test_frames_reach_each_other_through_shifted_windows_only_in_evaluation():
    module, queries = small_module(), frames(9)
    changed = queries.clone()
    changed[:, 2] += 1
    moved = (encoded(module, queries) - encoded(module, changed)).abs().amax((0, 2, 3)) > 1e-6
    assert moved[3:5].all()  # the next window, by the shift
    module.train()
    moved = (encoded(module, queries) - encoded(module, changed)).abs().amax((0, 2, 3)) > 1e-6
    assert moved.tolist() == [True] * 3 + [False] * 6


@torch.no_grad()
def test_one_window_is_full_attention_in_training():
    windowed, full = small_module(window=5).train(), small_module(window=0).train()
    full.load_state_dict(windowed.state_dict())
    for num_frames in (5, 3):
        queries = frames(num_frames)
        torch.testing.assert_close(encoded(windowed, queries), encoded(full, queries))


@torch.no_grad()
def test_gradients_are_finite_where_a_window_is_not_full():
    module = small_module()
    with torch.enable_grad():
        module(frames(4)).final.class_logits.sum().backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in module.parameters())


def test_similarity_embeddings_can_be_left_out():
    output = small_module(embeds_frames=False, embeds_video=False)(frames(2))
    assert output.frame_identities is None and output.final.identities is None


def test_more_layers_than_the_frame_decoder_has_is_an_error():
    head = QueryPredictions(torch.zeros(1, 2, 3), torch.zeros(1, 2, 1, 4, 4), torch.zeros(1, 2, 8))
    output = DecoderOutput(final=head, auxiliary=[head, head])
    assert frame_queries(output, 2).shape == (2, 1, 2, 8)
    with pytest.raises(ValueError, match="LAST_LAYER_NUM is 3"):
        frame_queries(output, 3)


@torch.no_grad()
@pytest.mark.parametrize("window", [3, 0])
@pytest.mark.parametrize("pre_norm", [False, True])
def test_a_video_in_parts_gives_what_it_gives_at_once(monkeypatch, window, pre_norm):
    module, queries = small_module(window=window, pre_norm=pre_norm), frames(200, groups=2)
    monkeypatch.setattr(vita, "_FRAMES_AT_ONCE", 200)
    expected = module(queries)
    monkeypatch.setattr(vita, "_FRAMES_AT_ONCE", 7)
    monkeypatch.setattr(temporal_windows, "_WINDOWS_AT_ONCE", 5)
    for part_length in (1, 5, 64, 200):
        with recorded(*module.enc_ffn) as windows:
            found = module.associate(queries.split(part_length, dim=1))
        torch.testing.assert_close(found.final.class_logits, expected.final.class_logits)
        torch.testing.assert_close(found.final.mask_embeddings, expected.final.mask_embeddings)
        if window:
            assert max(map(len, windows)) == 2 * 5


@torch.no_grad()
def test_a_long_video_takes_no_memory_beside_one_copy_of_its_tokens(monkeypatch):
    monkeypatch.setattr(temporal_windows, "_WINDOWS_AT_ONCE", 2)
    monkeypatch.setattr(vita, "_FRAMES_AT_ONCE", 6)
    module, beside_tokens = small_module(), []
    for num_frames in (200, 1000):
        with LiveTensors() as tensors:
            parts = deque(frames(1) for _ in range(num_frames))
            token_bytes = tensors.now
            module.associate(parts.popleft() for _ in range(num_frames))
        beside_tokens.append(tensors.peak - token_bytes)
    assert token_bytes == 1000 * 4 * 8 * 4
    assert abs(beside_tokens[1] - beside_tokens[0]) < 0.02 * token_bytes
