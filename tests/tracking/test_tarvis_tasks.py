from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from reference.tarvis import bits
from univs.structures import BoxTarget, MaskTarget, PointTarget
from univs.structures.mask_rle import decode_mask
from univs.tracking.frame_size import FrameSize
from univs.tracking.tarvis_objects import (
    ObjectTask,
    given_object,
    layered_masks,
    resized_mask,
    without_later,
)
from univs.tracking.tarvis_panoptic import PanopticTask
from univs.tracking.tarvis_stitching import FrameMasks, ObjectStitcher
from univs.tracking.tarvis_tasks import InstanceTask, best_pairs, without_better


def frame_size(case) -> FrameSize:
    geometry = case.meta["geometry"]
    size = FrameSize(
        tuple(geometry["original image"]), min_size=min(geometry["network input"]), max_size=9999
    )
    assert list(size.resized) == geometry["network input"]
    return size


def clips_of(case) -> list[range]:
    return [range(first, last + 1) for first, last in case.meta["clips"]]


def overlap_of(case) -> int:
    """Frames that clips share; any number fits a single clip."""
    clips = clips_of(case)
    return clips[0].stop - clips[1].start if len(clips) > 1 else 1


def size_of(case, name: str) -> tuple[int, int]:
    return tuple(case.meta["arrays"][name]["packed_shape"][-2:])


def assert_masks(case, prefix: str, masks: dict[int, dict[int, np.ndarray]], at_most: int) -> None:
    """Compare masks by frame and id with arrays ``frame``, ``id`` and ``mask``; none is empty."""
    expected = {}
    frames, ids = case.arrays[f"{prefix}/frame"].tolist(), case.arrays[f"{prefix}/id"].tolist()
    for frame, track_id, mask in zip(frames, ids, bits(case, f"{prefix}/mask"), strict=True):
        expected[frame, track_id] = mask.numpy()
    actual = {
        (frame, track_id): mask
        for frame, of_frame in masks.items()
        for track_id, mask in of_frame.items()
    }
    assert set(actual) <= set(expected)
    for key, mask in expected.items():
        difference = actual.get(key, False) != mask
        assert difference.sum() <= at_most, f"{case.name}: frame and id {key}"


def decoded(masks) -> dict[int, dict[int, np.ndarray]]:
    return {
        frame: {track_id: decode_mask(rle) for track_id, rle in of_frame.items()}
        for frame, of_frame in enumerate(masks)
    }


def stitching(case) -> dict:
    settings = case.meta["settings"]
    return {
        "overlap": overlap_of(case),
        "max_tracks_per_clip": settings["max_tracks_per_clip"],
        "score_threshold": settings["track_score_threshold"],
        "iou_threshold": settings["association_iou_threshold"],
        "published": True,
    }


def add_tracks(case, task) -> list[list[int]]:
    """Feed the clips of a case to a task; ids of each clip."""
    task.frame_size, ids = frame_size(case), []
    for index, clip in enumerate(clips_of(case)):
        logits = (case.tensor(f"clip{index}/{kind}_logits") for kind in ("class", "mask"))
        task.add_tracks(clip, *logits)
        ids.append(task.stitcher.last_ids)
    return ids


@pytest.mark.golden("tarvis", "stitch_vis")
def test_instances_equal_the_original(case):
    most = int(case.meta["settings"]["formatter"].split()[-1])
    task = InstanceTask("ANY", max_tracks=most, one_category_per_track=False, **stitching(case))
    ids = add_tracks(case, task)
    assert ids == case.meta["track_ids_per_clip"]["ids"]
    logits = task.stitcher.class_logits()
    assert list(logits) == case.arrays["track_ids"].tolist()
    case.check("track_class_logits", torch.stack([*logits.values()]))
    length = case.meta["settings"]["sequence_length"]
    result = task.finish(length, task.frame_size.original)
    assert_masks(case, "tracks", decoded(task.masks), at_most=2)

    entries = case.meta["results_json"]["entries"]
    assert [track.category + 1 for track in result.tracks] == [e["category_id"] for e in entries]
    scores = [track.score for track in result.tracks]
    np.testing.assert_allclose(scores, [e["score"] for e in entries], rtol=1e-5, atol=1e-6)
    for track, masks in zip(result.tracks, bits(case, "results/mask").numpy(), strict=True):
        assert ((track.masks() != masks).sum((1, 2)) <= 2).all()


@pytest.mark.golden("tarvis", "stitch_vps")
def test_panoptic_maps_equal_the_original(case):
    settings = case.meta["settings"]
    task = PanopticTask("ANY", thing_classes=settings["thing_class_ids"], **stitching(case))
    add_tracks(case, task)
    for index in range(len(clips_of(case))):
        logits = case.tensor(f"clip{index}/semantic_logits")
        task.keep_stuff(task.semantic_stitcher.add(logits))
    num_frames = len(case.arrays["semantic_maps"])
    result = task.finish(num_frames, task.frame_size.original)
    assert_masks(case, "tracks", decoded(task.masks), at_most=2)
    semantic = np.stack(task.stuff_maps)
    assert (semantic != case.arrays["semantic_maps"]).mean() <= 0.001
    expected = case.meta["tracks"]
    things = {str(track_id): value for track_id, value in task.things().items()}
    assert {key: value[0] for key, value in things.items()} == expected["class_ids (0-based)"]
    for key, score in expected["scores"].items():
        assert things[key][1] == pytest.approx(score, rel=1e-5, abs=1e-6)
    assert_panoptic(case, result, settings["num_classes"], at_most=0.001)


def assert_panoptic(case, result, num_classes: int, at_most: float) -> None:
    """Compare classes and ids of every pixel; stuff has the id 0 in the original's maps."""
    original = case.arrays["panoptic_maps_bgr"].astype(int)
    maps = np.stack([id_map for id_map, _ in result.to_panoptic(dict.fromkeys(range(999), 1))])
    ids = np.where(maps > num_classes, maps.astype(int) - num_classes, 0)
    assert (ids != original[..., 1] * 256 + original[..., 0]).mean() <= at_most
    assert (np.stack(result.label_maps) != original[..., 2]).mean() <= at_most
    assert (maps > 0).all()


def object_clips(case, ids_of_clip) -> dict[int, dict[int, np.ndarray]]:
    stitcher, layers = ObjectStitcher(overlap=overlap_of(case), overwrite=True), []
    for index, clip in enumerate(clips_of(case)):
        layers += stitcher.add(clip, ids_of_clip(index), case.tensor(f"clip{index}/mask_logits"))
    layers += stitcher.finish()
    size = frame_size(case)
    return {frame[0].frame: layered_masks(frame, size) for frame in layers}


def index_maps(masks: dict[int, dict[int, np.ndarray]], shape) -> np.ndarray:
    maps = np.zeros(shape, dtype=np.uint8)
    for frame, of_frame in masks.items():
        disjoint = without_later(np.array([*of_frame.values()]))
        for object_id, mask in zip(of_frame, disjoint, strict=True):
            maps[frame][mask] = object_id
    return maps


def true_ids(case, index: int) -> list[int]:
    return case.arrays[f"clip{index}/instance_ids"].tolist()


@pytest.mark.golden("tarvis", "stitch_vos")
def test_objects_equal_the_original(case):
    last = len(case.meta["clips"]) - 1

    def ids_as_published(index: int) -> list[int]:
        """The original gives its last clip the ids of the clip before, which is a fault."""
        ids = true_ids(case, index)
        if index < last:
            return ids
        before = true_ids(case, index - 1) if index else []
        return before[: len(ids)]

    if last == 0:  # no ids at all, so no masks
        assert len(case.arrays["out/frame"]) == 0 and not case.arrays["index_maps"].any()
        corrected = object_clips(case, lambda i: true_ids(case, i))
        logits = frame_size(case).restore(case.tensor("clip0/mask_logits").flatten(0, 1))
        logits = logits.unflatten(0, (-1, len(corrected)))
        best, owner = logits.max(0)
        expected = torch.where(best > 0, torch.tensor(true_ids(case, 0))[owner], 0)
        assert expected.any()
        assert np.array_equal(index_maps(corrected, expected.shape), expected.numpy())
        return
    masks = object_clips(case, ids_as_published)
    assert_masks(case, "out", masks, at_most=2)
    expected = case.arrays["index_maps"]
    assert ((index_maps(masks, expected.shape) != expected).sum((1, 2)) <= 2).all()
    corrected = object_clips(case, lambda i: true_ids(case, i))
    final_ids = {
        object_id for frame in case.meta["clips"][last:] for object_id in corrected[frame[1]]
    }
    assert final_ids <= set(true_ids(case, last))


def test_pairs_are_the_best_tracks_and_classes():
    scores = {4: torch.tensor([0.1, 0.5, 0.4]), 9: torch.tensor([0.3, 0.1, 0.6])}
    several = best_pairs(scores, 3, one_category_per_track=False)
    assert [pair[:2] for pair in several] == [(9, 1), (4, 0), (4, 1)]
    one = best_pairs(scores, 3, one_category_per_track=True)
    assert [pair[:2] for pair in one] == [(9, 1), (4, 0)]
    assert best_pairs({}, 3, one_category_per_track=True) == []


def test_better_or_later_masks_keep_the_pixels():
    masks = np.array([[[1, 1, 0]], [[0, 1, 1]], [[1, 1, 1]]], dtype=bool)
    assert without_better(masks).tolist() == [[[1, 1, 0]], [[0, 0, 1]], [[0, 0, 0]]]
    assert without_later(masks).tolist() == [[[0, 0, 0]], [[0, 0, 0]], [[1, 1, 1]]]
    assert len(without_later(np.zeros((0,)))) == 0


def test_of_equal_objects_the_first_takes_the_pixels():
    size = FrameSize((8, 8), min_size=8, max_size=8)
    logits = torch.ones(2, 2, 2)
    assert list(layered_masks([FrameMasks(0, [3, 7], logits)], size)) == [3]


def test_targets_that_tarvis_does_not_understand_are_refused():
    task = ObjectTask(overlap=1, published=True)
    with pytest.raises(ValueError, match="exactly one point"):
        task.add_target(PointTarget(id=1, points=np.array([[1, 1], [2, 2]])))
    with pytest.raises(ValueError, match="BoxTarget"):
        task.add_target(BoxTarget(id=1, box=np.array([0, 0, 2, 2])))
    task.add_target(PointTarget(id=1, points=np.array([[1, 1]])))
    with pytest.raises(ValueError, match="given twice"):
        task.add_target(PointTarget(id=1, points=np.array([[3, 3]])))


@given(st.integers(0, 29), st.integers(0, 39), st.integers(4, 60), st.integers(4, 60))
def test_masks_do_not_vanish_when_they_are_resized(row, column, height, width):
    mask = torch.zeros(30, 40, dtype=torch.bool)
    mask[row, column] = True
    resized = resized_mask(mask, (height, width))
    assert resized.shape == (height, width) and resized.any()
    rows, columns = resized.nonzero().float().mean(0).add(0.5).tolist()
    assert abs(rows / height * 30 - row - 0.5) <= 15 / height + 1
    assert abs(columns / width * 40 - column - 0.5) <= 20 / width + 1
    assert not resized_mask(torch.zeros_like(mask), (height, width)).any()


def test_targets_outside_of_the_frame_are_refused():
    size = FrameSize((8, 12), min_size=0, max_size=99)
    with pytest.raises(ValueError, match="outside of the frame of 12 x 8"):
        given_object(PointTarget(id=1, points=np.array([[3, 9]])), size)
    with pytest.raises(ValueError, match=r"\[8, 8\]"):
        given_object(MaskTarget(id=1, mask=np.ones((8, 8), bool)), size)
    assert given_object(PointTarget(id=1, points=np.array([[3, 6]])), size).point == (0.25, 0.75)
