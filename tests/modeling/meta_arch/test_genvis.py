from __future__ import annotations

import numpy as np
import pytest
import torch

from detectron2.modeling import build_model
from reference.cases import manifest, random_pinned
from reference.object_models import (
    check_encoded,
    check_gradients,
    check_part,
    filled_object_model,
    object_config,
    own_config,
    padded_matches,
    recorded,
    recorded_encoder,
    stored_assignment,
    training_samples,
)
from reference.small_models import small_config, small_model, small_samples
from univs.checkpoint import CheckpointMismatchError, load_weights
from univs.config import load_config


@pytest.mark.golden("genvis", "r50_online_eval", "r50_semi_online_eval")
@torch.no_grad()
def test_every_stage_of_inference_equals_the_original(case):
    model = filled_object_model(case, object_config(case))
    assert model.clip_length == case.meta["len_clip_window"]
    frames = list(case.tensor("images"))
    first = model.preprocess(frames[: model.clip_length])
    for name, feature in model.backbone(first.tensor).items():
        check_part(case, f"clip0_backbone_{name}", feature)
    features = model.pixel_features(first)
    check_part(case, "clip0_pixdec_mask_features", features.mask_features)
    check_part(case, "clip0_pixdec_last_fpn", features.finest)
    heads = model.sem_seg_head.decode(features, 1).heads
    logits = torch.stack([head.class_logits for head in heads])
    check_part(case, "clip0_frame_logits_layers", logits)
    masks = torch.stack([head.mask_logits[:, :, 0] for head in heads])
    check_part(case, "clip0_frame_masks_layers", masks)

    module, last_head = model.vita_module, []
    hook = model.sem_seg_head.predictor.register_forward_hook(
        lambda _module, _inputs, output: last_head.append(output.final.queries)
    )
    first_cross_attention = module.transformer_cross_attention_layers[0]
    decoder_inputs, outputs = [], []
    first_cross_attention.register_forward_pre_hook(
        lambda _module, inputs: decoder_inputs.append(inputs[0])
    )
    module.register_forward_hook(lambda _module, _inputs, output: outputs.append(output))
    with (
        recorded(module.vita_mask_features) as mask_features,
        recorded_encoder(module) as encoded,
        recorded(*module.transformer_ffn_layers) as decoded,
        recorded(module.pre_query_embed_v) as query_values,
    ):
        predictions = model([{"image": frames}])[0]
    hook.remove()
    assert [p.mask_logits.shape[1] for p in predictions] == case.meta["clips"]
    check_part(case, "frame_queries", torch.cat(last_head)[None])
    check_part(case, "vita_mask_features", torch.cat(mask_features))
    check_encoded(case, "clip0_encoder_out", encoded()[-1, : model.clip_length])
    carried = [module.query_feat.weight[None], *(output.decoded for output, _ in outputs)]
    keys = torch.cat(carried[:-1])
    check_part(case, "pre_query_k", module.pre_query_embed_k(keys)[:, :, None])
    check_part(case, "pre_query_v", torch.cat(query_values)[:, :, None])
    check_part(case, "decoder_input", torch.cat(decoder_inputs)[:, :, None])
    layers = torch.stack(decoded).unflatten(0, (len(outputs), -1)).movedim(2, 3)
    check_part(case, "decoder_layers", layers)
    check_part(case, "pred_logits", torch.stack([p.class_logits for p in predictions]))
    embeddings = torch.cat([output.final.mask_embeddings for output, _ in outputs])
    check_part(case, "pred_mask_embed", embeddings)
    prototypes = outputs[-1][1]
    check_part(case, "memory_k", prototypes.keys[0].movedim(1, 0))
    check_part(case, "memory_v", prototypes.values[0].movedim(1, 0))


@pytest.mark.slow
@pytest.mark.golden("genvis", "r50_online_train", "r50_semi_online_train")
def test_training_losses_and_gradients_equal_the_original(case):
    model = filled_object_model(case, object_config(case)).train()
    samples = training_samples(case)
    outputs, calls = [], []
    model.vita_module.register_forward_hook(lambda _m, _inputs, output: outputs.append(output[0]))
    model.genvis_criterion.register_forward_hook(
        lambda _m, inputs, output: calls.append((*inputs, *output))
    )
    with random_pinned():
        losses = model(samples)
    names = case.meta["loss_names"]
    assert sorted(losses) == sorted(names)
    case.check("losses", torch.stack([losses[name] for name in names]))
    case.check("total_loss", sum(losses.values())[None])

    num_videos = len(samples)
    seen = [torch.zeros(len(target)).bool() for target in calls[0][1]]
    valid, new = [], []  # indexed by clip, then by video
    for clip, (_, targets, _, _, _, _, assignment) in enumerate(calls):
        visible = [target.masks.flatten(1).any(1) for target in targets]
        valid.append(visible)
        new.append([now & ~before for now, before in zip(visible, seen, strict=True)])
        seen = [now | before for now, before in zip(visible, seen, strict=True)]
        expected = case.arrays[f"clip{clip}_indices"]
        np.testing.assert_array_equal(*stored_assignment(assignment, seen, like=expected))
        shape = (-1, num_videos)
        final = outputs[clip].final
        check_part(case, f"clip{clip}_pred_logits", final.class_logits.unflatten(0, shape))
        check_part(case, f"clip{clip}_pred_mask_embed", final.mask_embeddings.unflatten(0, shape))
    for b in range(num_videos):
        case.check(f"video{b}_target_labels", calls[0][1][b].labels)
        case.check(f"video{b}_valid_inst", torch.stack([of_clip[b] for of_clip in valid]).byte())
        case.check(f"video{b}_new_inst", torch.stack([of_clip[b] for of_clip in new]).byte())
        ids = torch.stack([call[1][b].ids for call in calls])  # clip N W
        shifted = torch.where(ids != -1, ids - ids[ids != -1].min(), -1)
        case.check(f"video{b}_target_ids", shifted)
    # Matches of the frames, clip by clip, in the order layer, video, frame.
    clip_length = model.clip_length
    layers = []
    for layer in range(model.num_layers):
        for b in range(num_videos):
            for call in calls:
                layers += call[3][layer][b * clip_length : (b + 1) * clip_length]
    expected = case.arrays["frame_indices_last3"]
    np.testing.assert_array_equal(padded_matches(layers, expected), expected)

    sum(losses.values()).backward()
    check_gradients(case, model)


@pytest.mark.parametrize("name", manifest("genvis"))
def test_names_and_shapes_equal_the_published_model(name):
    published = manifest("genvis")[name]
    config = load_config(own_config(published["config_file"]), ["MODEL.DEVICE", "meta"])
    with torch.device("meta"):
        model = build_model(config)
    shapes = {key: list(tensor.shape) for key, tensor in model.state_dict().items()}
    assert shapes == published["state_dict"]
    trainable = sum(p.numel() for p in model.parameters() if p.requires_grad)
    assert trainable == published["num_trainable"]


@pytest.fixture(scope="module")
def config():
    return small_config("Genvis", ["MODEL.GENVIS.LEN_CLIP_WINDOW", 2])


@pytest.mark.parametrize("num_objects", [0, 2, 9])
def test_any_number_of_objects_trains(config, num_objects):
    model = small_model(config).train()
    losses = model(small_samples(2, 4, num_objects=num_objects))
    assert {name.rpartition("_")[2] for name in losses} == {"clip0", "clip1"}
    sum(losses.values()).backward()
    assert all(p.grad.isfinite().all() for p in model.vita_module.parameters())


def test_the_similarity_loss_can_count_in_the_last_clip_only(config):
    options = ["MODEL.GENVIS.LEN_CLIP_WINDOW", 2, "MODEL.GENVIS.SIM_LAST_CLIP_ONLY", True]
    everywhere = small_model(config).train()
    at_the_end = small_model(small_config("Genvis", options)).train()
    losses = []
    for model in (everywhere, at_the_end):
        torch.manual_seed(1)
        losses.append(model(small_samples(1, 4)))
    assert set(losses[0]) - set(losses[1]) == {"loss_genvis_sim_clip0"}
    for name, loss in losses[1].items():
        torch.testing.assert_close(loss, losses[0][name])


def test_a_video_that_is_no_whole_number_of_clips_is_an_error(config):
    with pytest.raises(ValueError, match="SAMPLING_FRAME_NUM is 3, which is not a multiple"):
        small_model(config).train()(small_samples(1, 3))


def test_clips_of_no_frame_are_an_error():
    with pytest.raises(ValueError, match="LEN_CLIP_WINDOW"):
        build_model(small_config("Genvis", ["MODEL.GENVIS.LEN_CLIP_WINDOW", 0]))


def test_gradients_reach_the_first_clip_through_the_prototypes(config):
    model = small_model(config).train()
    losses = model(small_samples(1, 4))
    last = sum(loss for name, loss in losses.items() if name.endswith("_clip1"))
    last.backward()
    assert model.vita_module.query_feat.weight.grad.abs().sum() > 0
    assert model.vita_module.pre_memory_embed_v.weight.grad.abs().sum() > 0


def test_a_frozen_swin_drops_no_paths_in_training():
    options = [
        *("MODEL.BACKBONE.NAME", "D2SwinTransformer"),
        *("MODEL.SWIN.EMBED_DIM", 24, "MODEL.SWIN.DEPTHS", [1, 1, 2, 1]),
        *("MODEL.SWIN.NUM_HEADS", [1, 2, 2, 4], "MODEL.SWIN.WINDOW_SIZE", 4),
        *("MODEL.SWIN.DROP_PATH_RATE", 0.9),
    ]
    queries = {}
    for is_frozen in (True, False):
        frozen = ["MODEL.VITA.FREEZE_DETECTOR", is_frozen]
        model = small_model(small_config("Genvis", [*options, *frozen])).train()
        images = model.preprocess(small_samples(1, 2)[0]["image"])
        queries[is_frozen] = [model.detect(images)[0].final.queries for _ in range(2)]
    torch.testing.assert_close(*queries[True])
    assert not torch.allclose(*queries[False])


def test_a_whole_video_can_be_one_clip(config):
    model, frames = small_model(config), small_samples(1, 4)[0]["image"]
    one_clip, _ = model.predict_next(frames, None)
    whole = model.predict_clip(frames)
    torch.testing.assert_close(whole.class_logits, one_clip.class_logits)
    torch.testing.assert_close(whole.mask_logits, one_clip.mask_logits)


def test_training_can_start_from_vita(config, tmp_path):
    path = tmp_path / "vita.pth"
    vita = small_model(small_config("Vita"))
    torch.save({"model": vita.state_dict()}, path)
    model = small_model(config)
    report = load_weights(model, path)
    assert not report.misshaped and not report.unexpected
    assert sorted({name.rpartition(".")[0] for name in report.missing}) == [
        "genvis_criterion",
        *(f"vita_module.pre_{side}_embed_{kind}" for side in ("memory", "query") for kind in "kv"),
    ]
    with pytest.raises(CheckpointMismatchError, match="does not fit the model completely"):
        load_weights(model, path, strict=True)
