from __future__ import annotations

import numpy as np
import pytest
import torch

from detectron2.modeling import build_model
from detectron2.structures import Instances
from reference.cases import manifest, random_pinned
from reference.models import unpack_bits
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
    training_samples,
)
from reference.small_models import small_config, small_model, small_samples
from univs.checkpoint import CheckpointMismatchError, load_weights
from univs.config import load_config
from univs.modeling.decoder.vita import frame_queries
from univs.modeling.meta_arch.base import resize_masks
from univs.modeling.meta_arch.vita import as_decoder_output


@pytest.mark.golden("vita", "r50_eval_offline")
@torch.no_grad()
def test_every_stage_of_inference_equals_the_original(case):
    model = filled_object_model(case, object_config(case))
    images = model.preprocess(list(case.tensor("images")))
    for name, feature in model.backbone(images.tensor).items():
        check_part(case, f"backbone_{name}", feature)
    features = model.pixel_features(images)
    for level, feature in enumerate(features.multi_scale):
        check_part(case, f"pixdec_ms{level}", feature)
    check_part(case, "pixdec_mask_features", features.mask_features)
    check_part(case, "pixdec_last_fpn", features.finest)
    output = model.sem_seg_head.decode(features, 1)
    heads = output.heads
    check_part(case, "frame_logits_layers", torch.stack([h.class_logits for h in heads]))
    check_part(case, "frame_masks_layers", torch.stack([h.mask_logits[:, :, 0] for h in heads]))
    queries = frame_queries(output, 1)
    check_part(case, "frame_queries", queries)
    mask_features = model.vita_module.mask_features(features.finest)
    check_part(case, "vita_mask_features", mask_features)
    module = model.vita_module
    with (
        recorded(module.input_proj_dec) as projected,
        recorded_encoder(module) as encoded,
        recorded(*module.transformer_ffn_layers) as decoded,
    ):
        objects = module(queries)
    check_part(case, "vita_input_proj", projected[0].movedim(0, 2))  # T fQ G C
    check_encoded(case, "vita_encoder_layers", encoded())
    check_part(case, "vita_decoder_layers", torch.stack(decoded).movedim(1, 2))
    check_part(case, "vita_pred_logits", objects.final.class_logits[0])
    check_part(case, "vita_pred_mask_embed", objects.final.mask_embeddings[0])
    check_part(case, "vita_pred_fq_embed", objects.frame_identities[None])
    check_part(case, "vita_pred_cq_embed", objects.final.identities[None])

    detected = model.detect_frames(list(case.tensor("images")))
    torch.testing.assert_close(detected.queries, queries[0])
    torch.testing.assert_close(detected.mask_features, mask_features)
    again = model.mask_features(list(case.tensor("images")))
    torch.testing.assert_close(again, mask_features)


@pytest.mark.golden("vita", "r50_eval_image")
@torch.no_grad()
def test_instances_of_a_still_image_equal_the_original(case):
    model = filled_object_model(case, object_config(case))
    image = case.tensor("images")[0]
    with recorded(model.vita_module.mask_embed) as embeddings:
        prediction = model([{"image": [image]}])[0]
    case.check("vita_pred_logits", prediction.class_logits)
    case.check("vita_pred_mask_embed", embeddings[0][0])
    size = tuple(image.shape[-2:])
    instances = model([{"image": image, "height": size[0], "width": size[1]}])[0]["instances"]

    expected = case.arrays
    num_kept = len(expected["topk_query"])
    probabilities = prediction.class_logits.softmax(-1)[:, :-1]
    pairs = probabilities.flatten().topk(num_kept).indices
    best = {divmod(pair, probabilities.shape[1]) for pair in pairs.tolist()}
    labels = expected["classes"].tolist()
    assert best == set(zip(expected["topk_query"].tolist(), labels, strict=True))

    # The order of instances is arbitrary: find each by its class, its mask and its score. Pixels
    # may differ where the logit of a query is 0 within the accuracy of float32.
    masks = unpack_bits(case.tensor("masks_packed"), size[1])
    padded = [4 * side for side in prediction.mask_logits.shape[-2:]]
    logits = resize_masks(prediction.mask_logits[:, 0][None], padded)[0, :, : size[0], : size[1]]
    undecided = (logits.abs() < 1e-4).any(0)
    assert undecided.float().mean() < 0.01
    left = list(range(num_kept))
    tolerance = {"atol": max(2e-4, case.tolerance("scores")["atol"]), "rtol": 1e-4}
    assert len(instances) == num_kept
    for score, label, mask in zip(
        instances.scores, instances.pred_classes, instances.pred_masks, strict=True
    ):
        fitting = [
            row
            for row in left
            if labels[row] == int(label) and not ((masks[row] != mask.bool()) & ~undecided).any()
        ]
        assert fitting
        row = min(fitting, key=lambda row: abs(float(score) - expected["scores"][row]))
        left.remove(row)
        np.testing.assert_allclose(score, expected["scores"][row], **tolerance)


@pytest.mark.slow
@pytest.mark.golden("vita", "r50_train_losses")
def test_training_losses_and_gradients_equal_the_original(case):
    config = object_config(case)
    model = filled_object_model(case, config).train()
    samples = training_samples(case)
    with random_pinned():
        losses = model(samples)
        images = model.preprocess([frame for sample in samples for frame in sample["image"]])
        targets = model.targets(samples, images)
        with torch.no_grad():
            output, finest = model.detect(images)
            frames = [target.frame(t) for target in targets for t in range(target.ids.shape[1])]
            matches = model.criterion.match(output, frames)
            queries = frame_queries(output, model.num_layers)  # L B*T fQ C
            objects = model.vita_module(queries.unflatten(1, (len(samples), -1)).flatten(0, 1))
            mask_features = model.vita_module.mask_features(finest).unflatten(0, (len(samples), -1))
            heads = as_decoder_output(objects, mask_features).heads
            clip_matches = model.vita_criterion.matcher(heads, targets * model.num_layers)
    names = case.meta["loss_names"]
    assert sorted(losses) == sorted(names)
    np.testing.assert_allclose(
        torch.stack([losses[name] for name in names]).detach(),
        case.arrays["losses"],
        atol=max(5e-4, case.tolerance("losses")["atol"]),
        rtol=1e-4,
    )
    case.check("total_loss", sum(losses.values())[None])
    for index, target in enumerate(targets):
        case.check(f"clip{index}_target_labels", target.labels)
        valid = target.ids != -1
        shifted = torch.where(valid, target.ids - target.ids[valid].min(), -1)
        case.check(f"clip{index}_target_ids", shifted)
    flat = [match for head in [*matches[1:], matches[0]] for match in head]
    expected = case.arrays["frame_indices"]
    np.testing.assert_array_equal(padded_matches(flat, expected), expected)
    logits = torch.stack([head.class_logits for head in output.heads])
    check_part(case, "frame_logits_layers", logits)
    flat = [match for head in clip_matches for match in head]
    expected = case.arrays["clip_indices"]
    np.testing.assert_array_equal(padded_matches(flat, expected), expected)
    shape = case.arrays["vita_pred_logits"].shape[:2]
    check_part(case, "vita_pred_logits", objects.final.class_logits.unflatten(0, shape))
    check_part(case, "vita_pred_mask_embed", objects.final.mask_embeddings.unflatten(0, shape))

    sum(losses.values()).backward()
    check_gradients(case, model)


@pytest.mark.parametrize("name", manifest("vita"))
def test_names_and_shapes_equal_the_published_model(name):
    published = manifest("vita")[name]
    config = load_config(own_config(published["config_file"]), ["MODEL.DEVICE", "meta"])
    with torch.device("meta"):
        model = build_model(config)
    shapes = {key: list(tensor.shape) for key, tensor in model.state_dict().items()}
    assert shapes == published["state_dict"]
    assert sum(p.numel() for p in model.parameters()) == published["num_parameters"]


@pytest.fixture(scope="module")
def config():
    return small_config("Vita")


@pytest.mark.parametrize("num_frames", [1, 3, 7])
def test_clips_shorter_and_longer_than_the_window_train(config, num_frames):
    model = small_model(config).train()
    losses = model(small_samples(2, num_frames))
    assert len(losses) == 3 * 4 + 3 * 2 + 1  # frame heads, decoder layers, similarity
    sum(losses.values()).backward()
    assert all(p.grad.isfinite().all() for p in model.parameters() if p.grad is not None)
    assert all(p.grad is not None for p in model.vita_module.parameters())


def test_a_clip_without_objects_and_one_with_more_than_queries_train(config):
    model = small_model(config).train()
    num_queries = config.MODEL.VITA.NUM_OBJECT_QUERIES
    for num_objects in (0, num_queries + 3):
        losses = model(small_samples(1, 2, num_objects=num_objects))
        assert all(loss.isfinite() for loss in losses.values())


def test_a_still_image_is_a_clip_of_one_frame(config):
    model = small_model(config).train()
    clip = small_samples(1, 1)[0]
    fields = clip["instances"][0]
    image = {"image": clip["image"][0], "instances": Instances(fields.image_size)}
    image["instances"].gt_classes, image["instances"].gt_masks = fields.gt_classes, fields.gt_masks
    with random_pinned():
        expected, actual = model([clip]), model([image])
    assert actual == expected
    assert not image["instances"].has("gt_ids")  # the sample is left as it was


def test_clips_of_different_lengths_are_an_error(config):
    samples = [*small_samples(1, 2), *small_samples(1, 3)]
    with pytest.raises(ValueError, match="same number of frames, got 2 and 3"):
        small_model(config).train()(samples)


def test_a_frozen_detector_neither_trains_nor_drops_nor_has_losses():
    config = small_config("Vita", ["MODEL.VITA.FREEZE_DETECTOR", True])
    model = small_model(config).train()
    detector = (model.backbone, model.sem_seg_head)
    assert model.vita_module.training
    assert not any(module.training for part in detector for module in part.modules())
    losses = model(small_samples(1, 2))
    assert losses and all(name.startswith("loss_vita_") for name in losses)
    sum(losses.values()).backward()
    assert all(p.grad is None for part in detector for p in part.parameters())
    assert model.vita_module.vita_mask_features.weight.grad is not None


def test_weight_of_the_similarity_loss_is_configurable():
    losses = {}
    for weight in (0.0, 0.5, 1.0):
        config = small_config("Vita", ["MODEL.VITA.SIM_WEIGHT", weight])
        with random_pinned():
            losses[weight] = small_model(config).train()(small_samples(1, 2))
    assert "loss_vita_sim" not in losses[0.0]
    torch.testing.assert_close(losses[1.0]["loss_vita_sim"], 2 * losses[0.5]["loss_vita_sim"])


def test_reduced_precision_trains(config):
    model = small_model(config).train()
    with torch.autocast("cpu", torch.bfloat16):
        losses = model(small_samples(1, 2))
    sum(losses.values()).backward()
    assert all(loss.isfinite() and loss.dtype == torch.float32 for loss in losses.values())


def test_hidden_sizes_must_agree():
    with pytest.raises(ValueError, match="MODEL.VITA.HIDDEN_DIM is 64"):
        build_model(small_config("Vita", ["MODEL.VITA.HIDDEN_DIM", 64]))


def test_weights_of_genvis_are_not_those_of_vita(config, tmp_path):
    path = tmp_path / "genvis.pth"
    torch.save({"model": small_model(small_config("Genvis")).state_dict()}, path)
    with pytest.raises(CheckpointMismatchError) as caught:
        load_weights(small_model(config), path, strict=True)
    assert "vita_module.pre_query_embed_k" in str(caught.value)
