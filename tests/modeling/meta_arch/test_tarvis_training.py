from __future__ import annotations

from fnmatch import fnmatch

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from detectron2.config import CfgNode
from detectron2.modeling import build_model
from detectron2.structures import BitMasks, Instances
from reference.cases import random_pinned
from reference.models import CONFIGS
from reference.tarvis import (
    bits,
    check,
    filled_model,
    frames,
    published_names,
    tarvis_config,
)
from univs.config import load_config
from univs.modeling.losses.point_sampling import sample_points
from univs.modeling.losses.semantic_points import IGNORE_LABEL
from univs.modeling.tarvis_targets import object_targets

VOCABULARIES = ("CITYSCAPES_VPS", "KITTI_STEP", "OVIS", "VIPSEG", "YOUTUBE_VIS")


def training_config(case, options: tuple = ()) -> CfgNode:
    config = tarvis_config(case.meta["model"]["MODEL.BACKBONE"])
    model = case.meta["model"]
    losses = model["other loss settings"]
    config.MODEL.MASK_FORMER.TRAIN_NUM_POINTS = model["NUM_SAMPLED_POINTS_FOR_MASK_LOSS"]
    loss = config.MODEL.TARVIS.LOSS
    loss.PANOPTIC_SEMANTIC_NUM_POINTS = model["PANOPTIC_SEMANTIC_NUM_POINTS"]
    loss.INSTANCE_SEMANTIC_WEIGHT = losses["INSTANCE_SEMANTIC_WEIGHT_CROSS_ENTROPY"]
    loss.PANOPTIC_SEMANTIC_WEIGHT = losses["PANOPTIC_SEMANTIC_WEIGHT_CROSS_ENTROPY"]
    loss.IGNORE_NULL_CLASSES = losses["SEMANTIC_IGNORE_NULL_CLASSES"]
    loss.SEMANTIC_REGULARIZATION = losses["SEMANTIC_REGULARIZATION_LOSS"]
    config.merge_from_list(list(options))
    return config


def instances_of(masks: torch.Tensor, classes: torch.Tensor) -> list[Instances]:
    """One ``Instances`` for each frame of masks ``(N, T, H, W)``."""
    per_frame = []
    for frame in masks.unbind(1):
        instances = Instances(tuple(frame.shape[-2:]))
        instances.gt_classes = classes
        instances.gt_ids = torch.arange(len(classes))
        instances.gt_masks = BitMasks(frame)
        per_frame.append(instances)
    return per_frame


def vocabulary_of(case) -> str:
    """The data set that the case names; "" if its objects are given."""
    if "class_ids_0" not in case.arrays:
        return ""
    named = [name for name in VOCABULARIES if f"({name})" in case.meta["what"]]
    return named[0] if named else "KITTI_STEP"  # as in the case that a variant refers to


def training_batch(case) -> list[dict]:
    images, num_frames = frames(case), case.arrays["images"].shape[1]
    vocabulary = vocabulary_of(case)
    batch = []
    for index in range(len(case.arrays["images"])):
        masks = bits(case, f"instance_masks_{index}")
        classes = torch.zeros(len(masks), dtype=torch.long)
        if vocabulary:
            classes = case.tensor(f"class_ids_{index}") - 1
        sample = {
            "image": images[index * num_frames : (index + 1) * num_frames],
            "instances": instances_of(masks, classes),
            "vocabulary": vocabulary,
        }
        if (name := f"semantic_masks_{index}") in case.arrays:
            ignored = bits(case, f"ignore_masks_{index}")
            sample["sem_seg"] = case.tensor(name).long().masked_fill(ignored, IGNORE_LABEL)
        batch.append(sample)
    return batch


# Loss of the original -> names of ours that add up to it, without the suffix of the head.
_TOTALS = {
    "instance_seg/loss_total": ("loss_ce", "loss_mask", "loss_dice"),
    "semantic_seg/loss_total": ("loss_semantic",),
    "panoptic_seg/loss_instance_total": ("loss_ce", "loss_mask", "loss_dice"),
    "panoptic_seg/loss_semantic_total": ("loss_semantic",),
    "panoptic_seg/loss_total": ("loss_ce", "loss_mask", "loss_dice", "loss_semantic"),
    "vos/loss_total": ("loss_mask", "loss_dice"),
}
_PARTS = {
    "instance_seg/loss_mask_ce": "loss_mask",
    "instance_seg/loss_mask_dice": "loss_dice",
    "instance_seg/loss_cls": "loss_ce",
    "panoptic_seg/loss_instance_mask_ce": "loss_mask",
    "panoptic_seg/loss_instance_mask_dice": "loss_dice",
    "panoptic_seg/loss_instance_cls": "loss_ce",
    "vos/loss_ce": "loss_mask",
    "vos/loss_dice": "loss_dice",
}


def loss_bounds(case, name: str) -> dict[str, float]:
    """The tolerance that a case recommends for an array of losses."""
    recommended = case.meta["tolerance"]["recommended"]["losses"]
    bounds = {"rtol": recommended["rtol"], "atol": recommended["atol"]}
    for patterns, text in recommended.items():
        if isinstance(text, str) and any(fnmatch(name, p) for p in patterns.split(" and ")):
            kind, value = text.split()
            bounds[kind] = float(value)
    return bounds


def by_head(losses: dict, name: str, num_heads: int) -> torch.Tensor:
    auxiliary = [losses[f"{name}_{index}"] for index in range(num_heads - 1)]
    return torch.stack([*auxiliary, losses[name]])


def assert_losses(case, losses: dict, weights: dict[str, float]) -> None:
    """Compare weighted losses with the unweighted ones of a case, for all of its heads."""
    stored = [name for name in case.arrays if name.startswith("loss/")]
    assert stored
    for name in stored:
        key, num_heads = name.removeprefix("loss/"), len(case.arrays[name])
        bounds = loss_bounds(case, name)
        if key in _TOTALS:
            value = sum(by_head(losses, part, num_heads) for part in _TOTALS[key])
            check(case, name, value, **bounds)
        elif key in _PARTS:
            part = _PARTS[key]
            check(case, name, by_head(losses, part, num_heads) / weights[part], **bounds)
    total = sum(losses.values())[None]
    check(case, "total_loss", total, **loss_bounds(case, "total_loss"))


def assert_gradients(case, model) -> None:
    own = {old: new for new, old in published_names().items()}
    parameters = dict(model.named_parameters())
    norms = []
    for name in case.meta["grad_norm_parameters"]:
        gradient = parameters[own[name]].grad if name in own else None
        norms.append(-1.0 if gradient is None else float(gradient.double().norm()))
    expected, norms = case.arrays["grad_norms"], np.array(norms)
    assert np.array_equal(expected == -1, norms == -1)
    large = expected > 1e-6 * expected.max()
    rtol = case.meta["tolerance"]["recommended"]["grad_norms"]["rtol"]
    np.testing.assert_allclose(norms[large], expected[large], rtol=rtol)
    assert (norms[~large] < 2e-6 * expected.max()).all()
    # As recommended, but not below the original's own rounding, which the case tells as well:
    # points that are equally uncertain up to rounding are chosen or not.
    rounding = case.meta["tolerance"]["float32_vs_float64_of_original"]["gradients"]
    for array in case.arrays:
        if array.startswith("grad/"):
            name = array.removeprefix("grad/")
            rows, columns = case.arrays[array].shape
            bound = max(2e-3 * np.abs(case.arrays[array]).max(), rounding[name]["max_abs"])
            part = parameters[own[name]].grad.flatten(1)[:rows, :columns]
            check(case, array, part, rtol=0, atol=bound)


@pytest.mark.slow
@pytest.mark.golden("tarvis", "train")
def test_losses_matches_and_gradients_equal_the_original(case):
    config = training_config(case, ("MODEL.TARVIS.LOSS.INTERPOLATE_LABELS", True))
    model = filled_model(case, config).train()
    batch, criterion = training_batch(case), model.criterion
    matches, match = [], criterion.matcher.__call__

    def keep(heads, targets):
        matches.extend(match(heads, targets))
        return matches

    criterion.matcher = keep
    with random_pinned():
        losses = model(batch)
    for head, clips in enumerate(matches):
        actual = [[side.tolist() for side in clip] for clip in clips]
        assert actual == case.meta["matching"]["pairs"][head]
    assert_losses(case, losses, criterion.weights)
    sum(losses.values()).backward()
    assert_gradients(case, model)


def losses_of_tied_points(loss, mask_logits, class_map) -> tuple[float, float]:
    """The least and the largest loss, whichever points are drawn of those that tie.

    Points tie if rounding decides which of them belong to the most uncertain ones: if they differ
    from the boundary by at most four units in the last place of the largest logit.
    """
    logits = mask_logits.transpose(1, 2).flatten(0, 1)  # R K h w
    with random_pinned():
        candidates = torch.rand(len(logits), int(loss.num_points * loss.oversample_ratio), 2)
        count = int(loss.num_points * loss.importance_sample_ratio)
        rest = torch.rand(len(logits), loss.num_points - count, 2)
    best, second = sample_points(logits, candidates).topk(2, dim=1).values.unbind(1)
    entropies, others = (
        F.cross_entropy(
            sample_points(logits, points), loss.labels(class_map, points), reduction="none"
        )
        for points in (candidates, rest)
    )
    slack = 4 * torch.finfo(logits.dtype).eps * logits.abs().max()
    totals = []
    for uncertainty, entropy in zip(second - best, entropies, strict=True):
        ranked = uncertainty.sort(descending=True).values
        boundary = (ranked[count - 1] + ranked[count]) / 2
        tied = (uncertainty - boundary).abs() <= slack
        certain = entropy[(uncertainty > boundary) & ~tied]
        free, choices = count - len(certain), entropy[tied].sort().values
        least, most = choices[:free].sum(), choices[len(choices) - free :].sum()
        totals.append(certain.sum() + torch.stack((least, most)))
    means = (sum(totals) + others.sum()) / (len(logits) * loss.num_points)
    return means[0].item(), means[1].item()


@pytest.mark.slow
@pytest.mark.golden("tarvis", "train_vis")
@torch.no_grad()
def test_labels_of_nearest_pixels_give_the_corrected_losses(case):
    model = filled_model(case, training_config(case)).train()
    semantic_loss, inputs = model.criterion.instance_semantic_loss, []
    semantic_loss.register_forward_pre_hook(lambda _, arguments: inputs.append(arguments))
    with random_pinned():
        losses = model(training_batch(case))
    rtol, atol = (case.meta["tolerance"][key] for key in ("rtol", "atol"))
    check(case, "fixed/total_loss", sum(losses.values())[None], rtol=rtol, atol=atol)
    expected = case.arrays["fixed/semantic_seg/loss_ce"]
    actual = by_head(losses, "loss_semantic", len(expected)) / semantic_loss.weight
    num_exact = 0
    for arguments, value, wanted in zip(inputs, actual.tolist(), expected.tolist(), strict=True):
        least, most = losses_of_tied_points(semantic_loss, *arguments)
        assert least * (1 - 1e-5) <= value <= most * (1 + 1e-5)
        bound = atol + rtol * abs(wanted)
        assert least - bound <= wanted <= most + bound
        num_exact += most - least < bound
    assert num_exact >= len(expected) - 2  # the tolerance means something


def small_model(*options):
    torch.manual_seed(0)
    path = CONFIGS / "toy" / "tarvis.yaml"
    return build_model(load_config(path, ["MODEL.MASK_FORMER.TRAIN_NUM_POINTS", 64, *options]))


def random_sample(num_objects: int, vocabulary: str = "TOY_VIS", *, stuff: bool = False) -> dict:
    masks = torch.zeros(num_objects, 2, 50, 60, dtype=torch.bool)
    for index, mask in enumerate(masks):
        mask[:, index : index + 20, 2 * index : 2 * index + 20] = True
    sample = {
        "image": [torch.randint(0, 255, (3, 50, 60)) for _ in range(2)],
        "instances": instances_of(masks, torch.arange(num_objects) % 6),
        "vocabulary": vocabulary,
    }
    if stuff:
        sample["sem_seg"] = torch.randint(0, 6, (2, 50, 60))
    return sample


@pytest.mark.parametrize(
    ("vocabulary", "stuff", "kinds"),
    [
        ("TOY_VIS", False, {"loss_ce", "loss_mask", "loss_dice", "loss_semantic"}),
        ("TOY_VPS", True, {"loss_ce", "loss_mask", "loss_dice", "loss_semantic"}),
        ("", False, {"loss_mask", "loss_dice"}),
    ],
)
@pytest.mark.parametrize("num_objects", [1, 14])
def test_every_task_trains_with_few_objects_and_with_more_than_queries(
    vocabulary, stuff, kinds, num_objects
):
    model = small_model().train()
    samples = [random_sample(num_objects, vocabulary, stuff=stuff) for _ in range(2)]
    losses = model(samples)
    assert {name.rstrip("_0123456789") for name in losses} == kinds
    assert len(losses) == 4 * len(kinds)
    sum(losses.values()).backward()
    assert all(p.grad.isfinite().all() for p in model.parameters() if p.grad is not None)
    assert model.backbone.stem.weight.grad.abs().sum() > 0


def test_clips_without_objects_train_what_they_can():
    model = small_model().train()
    losses = model([random_sample(0), random_sample(0)])
    assert losses["loss_mask"] == 0 and losses["loss_ce"] > 0
    losses = model([random_sample(3, ""), random_sample(0, "")])
    assert losses.keys() == {"loss_mask"} and losses["loss_mask"] == 0
    losses["loss_mask"].backward()


def test_the_first_clip_says_how_many_objects_are_followed():
    samples = [random_sample(4, "") | {"num_objects": wanted} for wanted in (2, 1)]
    for batch, expected in ((samples, 2), (samples[::-1], 1), ([random_sample(3, "")], 3)):
        targets = object_targets(
            batch, (64, 64), torch.device("cpu"), max_objects=8, point_likelihood=0.0
        )
        assert targets.masks.shape[:2] == (len(batch), expected)
        assert all(len(exemplars) == expected for exemplars in targets.exemplars)


def test_points_are_given_in_place_of_masks():
    model = small_model("MODEL.TARVIS.POINT_LIKELIHOOD", 1.0).train()
    sum(model([random_sample(3, "")]).values()).backward()
    assert model.object_encoder.point_query.layers[0].weight.grad.abs().sum() > 0


def test_batches_of_several_datasets_are_refused():
    model = small_model().train()
    with pytest.raises(ValueError, match="vocabulary"):
        model([random_sample(2), random_sample(2, "")])
    with pytest.raises(ValueError, match="stuff"):
        model([random_sample(2), random_sample(2, stuff=True)])
    with pytest.raises(RuntimeError, match="predict_categories"):
        model.eval()([random_sample(2)])


def test_vocabularies_need_their_sizes():
    with pytest.raises(ValueError, match="VOCABULARY_SIZES"):
        small_model("MODEL.TARVIS.VOCABULARIES", ["A"])
