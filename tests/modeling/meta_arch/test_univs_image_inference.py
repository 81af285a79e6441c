from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from detectron2.data import MetadataCatalog
from reference.small_univs import small_univs_model
from univs.modeling.meta_arch.univs_image_inference import ImageClasses, ImageInference

LEARNABLE, CLASSES = 12, 5
PADDED, IMAGE, OUTPUT = (32, 64), (30, 50), (60, 100)
THINGS = frozenset({0, 2, 3})
ALL_ON = {
    "semantic_on": True,
    "instance_on": True,
    "panoptic_on": True,
    "least_quality": 0.0,
    "object_mask_threshold": 0.2,
    "overlap_threshold": 0.5,
    "resize_before_inference": False,
    "max_instances": 7,
    "prompts_only": False,
}


@pytest.fixture
def prediction():
    """Scores of learnable queries and of one prompt per class, and masks of rectangles."""
    generator = torch.Generator().manual_seed(0)
    count = LEARNABLE + CLASSES
    class_logits = torch.randn(count, CLASSES + 3, generator=generator)
    masks = torch.full((count, 8, 16), -4.0)
    for row in range(count):
        top, left = 2 * (row % 2), 4 * (row % 3)
        masks[row, top : top + 4, left : left + 6] = 3.0
    masks += torch.randn(masks.shape, generator=generator)
    return class_logits, masks


def infer(prediction, **changes) -> dict:
    inference = ImageInference(**{**ALL_ON, **changes})
    classes = ImageClasses(slice(2, 2 + CLASSES), THINGS)
    sizes = {"padded_size": PADDED, "image_size": IMAGE, "output_size": OUTPUT}
    return inference(*prediction, LEARNABLE, classes, **sizes)


def scores_and_masks(prediction) -> tuple[torch.Tensor, torch.Tensor]:
    """Plainly: scores ``(Q, K)``, and masks at the size of the output."""
    class_logits, masks = prediction
    masks = F.interpolate(masks[None], size=PADDED, mode="bilinear")[0]
    quality = (masks > 1).flatten(1).sum(1) / (masks > -1).flatten(1).sum(1)
    scores = class_logits[:, 2 : 2 + CLASSES].sigmoid() * quality[:, None]
    masks = F.interpolate(masks[None, :, : IMAGE[0], : IMAGE[1]], size=OUTPUT, mode="bilinear")[0]
    return scores, masks


def overlaps(a: torch.Tensor, b: torch.Tensor) -> float:
    """Of the boxes around two masks."""
    boxes = []
    for mask in (a, b):
        y, x = torch.nonzero(mask, as_tuple=True)
        boxes.append([int(x.min()), int(y.min()), int(x.max()), int(y.max())])
    (ax, ay, au, av), (bx, by, bu, bv) = boxes
    shared = max(min(au, bu) - max(ax, bx), 0) * max(min(av, bv) - max(ay, by), 0)
    return shared / ((au - ax) * (av - ay) + (bu - bx) * (bv - by) - shared)


@pytest.mark.parametrize("prompts_only", [False, True])
def test_semantic_scores_are_sums_over_queries(prediction, prompts_only):
    scores, masks = scores_and_masks(prediction)
    if prompts_only:
        scores, masks = scores[LEARNABLE:], masks[LEARNABLE:]
    expected = sum(
        (row / 0.06).softmax(0)[:, None, None] * mask.sigmoid()
        for row, mask in zip(scores, masks, strict=True)
    )
    found = infer(prediction, prompts_only=prompts_only)["sem_seg"]
    torch.testing.assert_close(found, expected)


def test_semantic_scores_may_be_resized_last(prediction):
    alone = infer(prediction, instance_on=False, panoptic_on=False)
    assert set(alone) == {"sem_seg"}
    assert alone["sem_seg"].shape == (CLASSES, *OUTPUT)
    assert not torch.equal(alone["sem_seg"], infer(prediction)["sem_seg"])


def test_instances_are_the_best_pairs_of_things(prediction):
    scores, masks = scores_and_masks(prediction)
    things = sorted(THINGS)
    scores, masks = scores[:LEARNABLE, things], masks[:LEARNABLE] > 0
    best, labels = scores.max(1)
    pairs = []
    for row in range(LEARNABLE):
        better = [k for k in range(LEARNABLE) if best[k] > best[row] and labels[k] == labels[row]]
        if any(overlaps(masks[k], masks[row]) >= 0.85 for k in better):
            continue
        pairs += [(float(scores[row, k]), row, things[k]) for k in range(len(things))]
    assert len(pairs) < scores.numel()  # there are duplicates
    pairs = sorted(pairs, reverse=True)[: ALL_ON["max_instances"]]
    found = infer(prediction)["instances"]
    torch.testing.assert_close(found.scores, torch.tensor([score for score, _, _ in pairs]))
    assert found.pred_classes.tolist() == [label for _, _, label in pairs]
    for mask, (_, row, _) in zip(found.pred_masks, pairs, strict=True):
        assert torch.equal(mask > 0, masks[row])


def test_panoptic_segments_are_things_of_queries_and_stuff_of_all(prediction):
    ids, segments = infer(prediction)["panoptic_seg"]
    assert ids.shape == OUTPUT
    assert {0, *(segment["id"] for segment in segments)} >= set(ids.unique().tolist())
    assert [segment["isthing"] for segment in segments] == [
        segment["category_id"] in THINGS for segment in segments
    ]
    stuff = [segment["category_id"] for segment in segments if not segment["isthing"]]
    assert len(set(stuff)) == len(stuff)
    # Prompts of things find nothing, those of stuff do.
    class_logits, masks = prediction
    things = [LEARNABLE + k for k in sorted(THINGS)]
    class_logits[things], masks[things] = 9.0, 9.0
    again, _ = infer((class_logits, masks))["panoptic_seg"]
    assert torch.equal(again, ids)
    class_logits[LEARNABLE + 1, 2 + 1], masks[LEARNABLE + 1] = 9.0, 9.0
    again, segments = infer((class_logits, masks))["panoptic_seg"]
    assert not torch.equal(again, ids)
    assert 1 in [segment["category_id"] for segment in segments]


def test_uncertain_masks_can_be_dropped(prediction):
    none = infer(prediction, least_quality=1.0)
    assert len(none["instances"]) == 0
    assert none["panoptic_seg"][1] == []
    assert none["sem_seg"].abs().max() == 0


@pytest.fixture(scope="module")
def model():
    return small_univs_model(
        "MODEL.MASK_FORMER.TEST.SEMANTIC_ON", True,
        "MODEL.MASK_FORMER.TEST.INSTANCE_ON", True,
        "MODEL.MASK_FORMER.TEST.PANOPTIC_ON", True,
    )  # fmt: skip


def test_evaluation_of_image_samples_gives_results_of_images(model):
    name = "images_of_small_shapes"
    MetadataCatalog.get(name).set(domain="shapes", thing_dataset_id_to_contiguous_id={4: 0, 7: 2})
    image = 255 * torch.rand(3, 50, 70, generator=torch.Generator().manual_seed(0))
    samples = [
        {"image": image, "height": 100, "width": 140, "dataset_name": name},
        {"image": image[:, :40], "dataset_name": name},
    ]
    large, small = model(samples)
    assert large["sem_seg"].shape == (3, 100, 140)
    assert small["panoptic_seg"][0].shape == (40, 70)
    assert set(large["instances"].pred_classes.tolist()) <= {0, 2}
    assert len(large["instances"]) > 0


def test_images_are_padded_to_squares():
    options = ("MODEL.MASK_FORMER.TEST.INSTANCE_ON", True)
    square = small_univs_model(
        *options, "INPUT.LSJ_AUG.SQUARE_ENABLED", True, "INPUT.LSJ_AUG.IMAGE_SIZE", 96
    )
    plain = small_univs_model(*options)
    name = "images_of_small_shapes"
    MetadataCatalog.get(name).set(domain="shapes", thing_dataset_id_to_contiguous_id={4: 0, 7: 2})
    image = 255 * torch.rand(3, 50, 70, generator=torch.Generator().manual_seed(0))
    padded = plain.pixel_mean.expand(3, 96, 96).clone()
    padded[:, :50, :70] = image
    (given,) = plain([{"image": padded, "dataset_name": name}])
    (found,) = square([{"image": image, "dataset_name": name}])
    # All the same but for what is cut off; what is a duplicate only out there comes on top.
    masks = {mask.numpy().tobytes() for mask in given["instances"].pred_masks[:, :50, :70]}
    assert len(masks) > 1
    assert masks <= {mask.numpy().tobytes() for mask in found["instances"].pred_masks}
    with pytest.raises(ValueError, match="50 x 97 pixels does not fit into the square of 96"):
        square([{"image": torch.zeros(3, 50, 97), "dataset_name": name}])


def test_images_without_class_list_are_refused(model):
    sample = {"image": torch.zeros(3, 32, 32), "dataset_name": "images_without_classes"}
    with pytest.raises(ValueError, match="images_without_classes has no class list"):
        model([sample])
