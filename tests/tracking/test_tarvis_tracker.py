from __future__ import annotations

import numpy as np
import pytest
import torch

from detectron2.modeling import build_model
from reference.models import CONFIGS
from reference.tarvis import bits, check, filled_model, recorded
from univs.config import load_config
from univs.structures import MaskTarget, PointTarget
from univs.structures.mask_rle import decode_mask
from univs.tracking.tarvis_objects import ObjectTask
from univs.tracking.tarvis_panoptic import PanopticTask
from univs.tracking.tarvis_tasks import InstanceTask, Task
from univs.tracking.tarvis_tracker import TarVisTracker


def tracker_of(case, model, task) -> TarVisTracker:
    settings = case.meta["settings"]
    return TarVisTracker(
        model,
        [task],
        clip_length=settings["clip_length"],
        overlap=settings["overlap"],
        min_size=0,
        max_size=0,
    )


def run(case, model, task):
    tracker = tracker_of(case, model, task)
    for frame in case.arrays["images"]:
        tracker.push(frame)
    return tracker.finish()[0]


class Watched:
    """A model whose predictions for clips are kept."""

    def __init__(self, model, name: str) -> None:
        self.predictions, predict = [], getattr(model, name)

        def keep(*arguments):
            self.predictions.append(predict(*arguments))
            return self.predictions[-1]

        setattr(model, name, keep)


def tolerance(case, kind: str) -> dict[str, float]:
    return case.meta["tolerance"][kind]


def assert_masks_agree(case, prefix: str, masks) -> None:
    """Compare a log with arrays ``frame``, ``id`` and ``mask``; it lacks masks without a pixel."""
    columns = (case.arrays[f"{prefix}/{name}"].tolist() for name in ("frame", "id"))
    expected = bits(case, f"{prefix}/mask").numpy()
    found = {(frame, track_id) for frame, of_frame in enumerate(masks) for track_id in of_frame}
    keys = list(zip(*columns, strict=True))
    assert found <= set(keys)
    for key, mask in zip(keys, expected, strict=True):
        predicted = decode_mask(masks[key[0]][key[1]]) if key in found else False
        assert (predicted == mask).mean() >= 0.995


def category_options(case) -> dict:
    model = case.meta["model"]
    return {
        "overlap": case.meta["settings"]["overlap"],
        "max_tracks_per_clip": model["MAX_TRACKS_PER_CLIP"],
        "score_threshold": model["TRACK_SCORE_THRESHOLD"],
        "iou_threshold": 0.5,
        "published": True,
    }


def vocabulary_of(case) -> str:
    return case.meta["what"].split("(")[1].split(")")[0]


@pytest.mark.slow
@pytest.mark.golden("tarvis", "video_vis")
def test_instances_of_a_video_equal_the_original(case):
    model = filled_model(case)
    watched = Watched(model, "predict_categories")
    task = InstanceTask(
        vocabulary_of(case),
        max_tracks=case.meta["model"]["max tracks per video"],
        one_category_per_track=False,
        **category_options(case),
    )
    result = run(case, model, task)
    for index, prediction in enumerate(watched.predictions):
        name = f"clip{index}/class_logits"
        check(case, name, prediction.class_logits, **tolerance(case, "class logits"))
        masks = prediction.mask_logits[::8, ..., ::2, ::2]
        check(case, f"clip{index}/mask_logits", masks, **tolerance(case, "mask logits"))
    logits = task.stitcher.class_logits()
    assert list(logits) == case.arrays["track_ids"].tolist()
    check(
        case,
        "track_class_logits",
        torch.stack([*logits.values()]),
        **tolerance(case, "class logits"),
    )
    assert_masks_agree(case, "tracks", task.masks)
    for track, entry in zip(result.tracks, case.meta["results_json"], strict=True):
        assert track.category + 1 == entry["category_id"]
        assert track.score == pytest.approx(entry["score"], abs=1e-3)
        areas = np.array([area or 0 for area in entry["mask_areas"]])
        assert (np.abs(track.areas() - areas) <= 3 + 0.01 * areas).all()


@pytest.mark.slow
@pytest.mark.golden("tarvis", "video_vps")
def test_panoptic_maps_of_a_video_equal_the_original(case):
    model = filled_model(case)
    watched = Watched(model, "predict_categories")
    things = case.meta["model"]["thing classes"]
    task = PanopticTask(vocabulary_of(case), thing_classes=things, **category_options(case))
    result = run(case, model, task)
    for index, prediction in enumerate(watched.predictions):
        name = f"clip{index}/class_logits"
        check(case, name, prediction.class_logits, **tolerance(case, "class logits"))
        semantic = prediction.semantic_logits[:, ::2, ::2, ::2]
        check(case, f"clip{index}/semantic_logits", semantic, **tolerance(case, "semantic logits"))
    logits = task.stitcher.class_logits()
    assert list(logits) == case.arrays["track_ids"].tolist()
    check(
        case,
        "track_class_logits",
        torch.stack([*logits.values()]),
        **tolerance(case, "class logits"),
    )
    expected = case.meta["tracks"]["class_ids (0-based)"]
    assert {str(key): category for key, (category, _) in task.things().items()} == expected
    assert (np.stack(task.stuff_maps) == case.arrays["semantic_maps"]).mean() >= 0.99
    original = case.arrays["panoptic_maps_bgr"].astype(int)
    maps = np.stack([id_map for id_map, _ in result.to_panoptic(dict.fromkeys(range(999), 1))])
    num_classes = len(watched.predictions[0].semantic_logits)
    ids = np.where(maps > num_classes, maps.astype(int) - num_classes, 0)
    assert (ids == original[..., 1] * 256 + original[..., 0]).mean() >= 0.99
    assert (np.stack(result.label_maps) == original[..., 2]).mean() >= 0.99


def targets_of(case) -> list[MaskTarget | PointTarget]:
    targets = []
    height, width = case.arrays["images"].shape[1:3]
    for object_id, point in case.meta.get("points", {}).items():
        y, x = point["y_x"]
        points = np.array([[x * width, y * height]])
        targets.append(PointTarget(id=int(object_id), frame_index=point["frame"], points=points))
    for name, mask in case.arrays.items():
        if name.startswith("mask_"):
            _, object_id, frame = name.split("_")
            frame = int(frame.removeprefix("frame"))
            mask = mask.astype(bool)
            targets.append(MaskTarget(id=int(object_id), frame_index=frame, mask=mask))
    return targets


@pytest.mark.slow
@pytest.mark.golden("tarvis", "video_vos", "video_pet")
def test_objects_of_a_video_equal_the_original(case):
    model = filled_model(case)
    task = ObjectTask(overlap=case.meta["settings"]["overlap"], published=True)
    for target in targets_of(case):
        task.add_target(target)
    clips, add = [], task.stitcher.add

    def keep(clip, ids, logits):
        clips.append((ids, logits))
        return add(clip, ids, logits)

    task.stitcher.add = keep
    result = run(case, model, task)
    assert [ids for ids, _ in clips] == case.meta["clip_instance_ids"]
    assert task.lost == case.meta["clip_lost_ids"]
    for index, (_, logits) in enumerate(clips):
        check(case, f"clip{index}/vos_logits", logits, **tolerance(case, "logits"))
    assert_masks_agree(case, "out", task.masks)
    for frame, areas in enumerate(case.meta["mask_areas"]):
        of_frame = {str(t.id): int(t.areas()[frame]) for t in result.tracks if t.areas()[frame]}
        assert of_frame.keys() == areas.keys()


@pytest.fixture(scope="module")
def small_model():
    """A small network of two vocabularies with random weights."""
    torch.manual_seed(0)
    config = load_config(CONFIGS / "toy" / "tarvis.yaml")
    return build_model(config).eval()


def video(num_frames: int, height: int = 64, width: int = 96) -> np.ndarray:
    random = np.random.default_rng(0)
    return random.integers(0, 255, (num_frames, height, width, 3), dtype=np.uint8)


def small_tracker(model, *tasks, clip_length: int = 4, overlap: int = 2, **options):
    return TarVisTracker(
        model,
        tasks,
        clip_length=clip_length,
        overlap=overlap,
        **({"min_size": 0, "max_size": 0} | options),
    )


OPTIONS = {
    "overlap": 2,
    "max_tracks_per_clip": 3,
    "score_threshold": 0.0,
    "iou_threshold": 0.5,
    "published": True,
}


def instances(overlap: int = 2, **options) -> InstanceTask:
    arguments = {"max_tracks": 4, "one_category_per_track": True, **OPTIONS, **options}
    return InstanceTask("TOY_VIS", **(arguments | {"overlap": overlap}))


def panoptic() -> PanopticTask:
    return PanopticTask("TOY_VPS", thing_classes=[4, 5], **OPTIONS)


def objects(*targets, overlap: int = 2, published: bool = True) -> ObjectTask:
    task = ObjectTask(overlap=overlap, published=published)
    for target in targets:
        task.add_target(target)
    return task


def box(object_id: int, frame: int = 0, height: int = 64, width: int = 96) -> MaskTarget:
    mask = np.zeros((height, width), dtype=bool)
    mask[8:30, 8:40] = True
    return MaskTarget(id=object_id, frame_index=frame, mask=mask)


def segmented(tracker, frames):
    for frame in frames:
        tracker.push(frame)
    return tracker.finish()


def same(first, second) -> bool:
    return [(t.id, t.segmentations) for t in first.tracks] == [
        (t.id, t.segmentations) for t in second.tracks
    ]


class Windows(Task):
    """Looks at nothing but which frames the clips have."""

    num_final = 0

    def __init__(self, first_frame: int) -> None:
        self.first_frame = first_frame
        self.clips: list[range] = []

    def begins_at(self) -> int:
        return self.first_frame

    def add(self, model, clip) -> None:
        self.clips.append(clip.frames)

    def frame_result(self, frame, size):
        raise NotImplementedError

    def finish(self, num_frames, size) -> list[range]:
        return self.clips


@pytest.mark.golden("tarvis", "rules")
def test_clips_equal_the_original(small_model, case):
    for example in case.json("rules.json")["clip_windows"]["cases"]:
        tracker = small_tracker(
            small_model,
            Windows(example["first_frame"]),
            clip_length=example["clip_length"],
            overlap=example["overlap"],
        )
        (clips,) = segmented(tracker, video(example["video_length"], 64, 64))
        assert [[clip[0], clip[-1]] for clip in clips] == example["clips"]


@pytest.mark.parametrize("num_frames", [1, 3, 4, 7, 8])
def test_every_frame_and_clip_is_encoded_once_for_all_tasks(small_model, num_frames):
    frames = video(num_frames)
    with (
        recorded([small_model.backbone]) as backbone,
        recorded([small_model.sem_seg_head.pixel_decoder.transformer]) as neck,
    ):
        together = segmented(
            small_tracker(small_model, instances(), panoptic(), objects(box(7))), frames
        )
    assert sum(len(features["res2"]) for features in backbone) == num_frames
    assert len(neck) == 1 + max(0, -(-(num_frames - 4) // 2))
    for task, result in zip((instances(), panoptic(), objects(box(7))), together, strict=True):
        alone = segmented(small_tracker(small_model, task), frames)[0]
        assert result.num_frames == num_frames and same(alone, result)


def test_frames_before_the_first_target_are_not_encoded(small_model):
    with recorded([small_model.backbone]) as backbone:
        result = segmented(small_tracker(small_model, objects(box(7, frame=5))), video(9))[0]
    assert sum(len(features["res2"]) for features in backbone) == 4
    assert result.tracks[0].segmentations[:5] == [None] * 5


def test_an_object_may_come_later_than_other_tasks(small_model):
    tasks = instances(), objects(box(7, frame=5))
    results = segmented(small_tracker(small_model, *tasks), video(9))
    assert results[1].tracks[0].segmentations[:5] == [None] * 5


def test_a_clip_shorter_than_the_overlap_is_segmented(small_model):
    tasks = instances(overlap=4), objects(box(3), overlap=4)
    tracker = small_tracker(small_model, *tasks, clip_length=8, overlap=4)
    results = segmented(tracker, video(2))
    assert [result.num_frames for result in results] == [2, 2]


def test_points_on_the_background_and_on_one_object_are_two_tracks(small_model):
    targets = [
        PointTarget(id=index, points=np.array([point]))
        for index, point in [(1, (20, 20)), (2, (20, 20)), (3, (95.9, 63.9))]
    ]
    result = segmented(small_tracker(small_model, objects(*targets)), video(5))[0]
    assert [track.id for track in result.tracks] == [1, 2, 3]
    masks = np.stack([track.masks() for track in result.tracks])
    assert masks.sum(0).max() <= 1
    assert not masks[1].any()  # ties go to the first of two equal objects


def test_an_object_that_is_never_there_has_an_empty_track(small_model):
    nothing = MaskTarget(id=4, mask=np.zeros((64, 96), dtype=bool))
    result = segmented(small_tracker(small_model, objects(nothing)), video(5))[0]
    assert result.tracks[0].visible_frames == []


def test_more_objects_than_instance_queries(small_model):
    targets = [box(index) for index in range(1, 13)]
    result = segmented(small_tracker(small_model, objects(*targets)), video(3))[0]
    assert len(result.tracks) == 12


def test_no_instance_above_the_threshold_is_an_empty_result(small_model):
    result = segmented(small_tracker(small_model, instances(score_threshold=2.0)), video(5))[0]
    assert result.tracks == []


def test_panoptic_segments_cover_every_pixel_once(small_model):
    result = segmented(small_tracker(small_model, panoptic()), video(6))[0]
    assert (sum(track.masks().astype(int) for track in result.tracks) == 1).all()
    for frame, labels in enumerate(result.label_maps):
        for track in result.tracks:
            assert (labels[track.masks()[frame]] == track.category).all()


def test_bounded_memory_and_odd_sizes(small_model):
    tracker = small_tracker(small_model, instances(), min_size=40, max_size=90)
    for index, frame in enumerate(video(9, 50, 71)):
        tracker.push(frame)
        kept = tracker._shared.get("res2")
        assert kept is None or len(kept) == 2
        assert len(tracker._waiting) < 4, index
    assert tracker.finish()[0].size == (50, 71)


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (np.zeros((64, 96), np.uint8), "must be uint8"),
        (np.zeros((64, 96, 3), np.float32), "must be uint8"),
        (np.zeros((64, 64, 3), np.uint8), "has size"),
    ],
)
def test_bad_frames_are_refused(small_model, frame, message):
    tracker = small_tracker(small_model, instances())
    tracker.push(video(1)[0])
    with pytest.raises(ValueError, match=message):
        tracker.push(frame)


def test_a_tracker_needs_a_task_and_frames(small_model):
    with pytest.raises(ValueError, match="at least one task"):
        small_tracker(small_model)
    with pytest.raises(ValueError, match="no frames"):
        small_tracker(small_model, instances()).finish()
    with pytest.raises(ValueError, match="unknown"):
        segmented(
            small_tracker(
                small_model,
                InstanceTask("CATS", max_tracks=1, one_category_per_track=True, **OPTIONS),
            ),
            video(1),
        )
