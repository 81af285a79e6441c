from __future__ import annotations

import gc
import weakref
from itertools import pairwise

import numpy as np
import pytest
import torch

from detectron2.modeling import build_model
from reference.cases import random_pinned
from reference.models import CONFIGS, unpack_bits
from reference.univs_entity_procedure import (
    Settings,
    instance_results,
    panoptic_results,
    segment_entities,
)
from reference.univs_inference import inference_config, inference_model
from reference.univs_models import write_concept_table
from reference.univs_scenes import scene, scene_config, scene_model
from univs.config import load_config
from univs.data import register_datasets
from univs.structures import MaskTarget, VideoResult
from univs.tracking.univs_options import class_names_of, thing_classes_of
from univs.tracking.univs_session import TARGET_ID_OFFSET, UnivsSession, open_session

QUERIES_ONLY = ("MODEL.UniVS.TEST.VIDEO_UNIFIED_INFERENCE_ENABLE", False)
FIXED = ("MODEL.UniVS.PUBLISHED_BEHAVIOUR", False)
# Task and options of every way to look for categories.
WAYS = [
    pytest.param("vis", (), id="vis"),
    pytest.param("vis", FIXED, id="vis-fixed"),
    pytest.param("vis", QUERIES_ONLY, id="vis-queries"),
    pytest.param("vps", (), id="vps"),
    pytest.param("vps", FIXED, id="vps-fixed"),
    pytest.param("vss", (), id="vss"),
]


@pytest.fixture(scope="module")
def model():
    return scene_model()


def session_of(model, task: str, *options, **arguments) -> UnivsSession:
    return open_session(model, scene_config(*options), task=task, **arguments)


def push_all(session: UnivsSession, video: np.ndarray) -> list[list]:
    """Results after each frame."""
    return [session.push(frame) for frame in video]


def masks_of(frames) -> list:
    """What a list of frame results shows, without scores and categories."""
    return [
        (
            frame.frame_index,
            {segment.track_id: segment.rle["counts"] for segment in frame.segments},
            None if frame.label_map is None else frame.label_map.tolist(),
        )
        for frame in frames
    ]


def flat(results: list[list]) -> list:
    return [result for part in results for result in part]


# Compared to the original.


@pytest.fixture(scope="module")
def concept_table(tmp_path_factory):
    return write_concept_table(tmp_path_factory.mktemp("concepts") / "table.pth")


def segmented(case, concept_table, task: str, **options) -> VideoResult:
    """The result of the video of a golden case."""
    scene_config()  # registers data sets
    cfg = inference_config(case, concept_table)
    vocabulary = case.meta["config"]["dataset_name"]
    model = inference_model(case, cfg)
    with (
        random_pinned(),
        open_session(model, cfg, task=task, vocabulary=vocabulary, **options) as session,
    ):
        push_all(session, case.arrays["video"].transpose(0, 2, 3, 1))
        return session.finish()


@pytest.mark.golden("univs", "r50_video_vis_minvis", "r50_video_vis_entity")
def test_instances_of_a_video_equal_the_original(case, concept_table):
    result = segmented(case, concept_table, "vis", one_category_per_track=False)
    assert len(result.tracks) == case.arrays["num_results"]
    tracks = result.tracks[: len(case.arrays["scores"])]
    case.check("scores", np.array([track.score for track in tracks]))
    case.check("labels", np.array([track.category for track in tracks]))
    masks = unpack_bits(case.tensor("masks"), result.size[1]).numpy()
    for track, expected in zip(tracks, masks, strict=True):
        np.testing.assert_array_equal(track.masks(), expected)


@pytest.mark.golden("univs", "r50_video_vps_entity")
def test_panoptic_segments_of_a_video_equal_the_original(case, concept_table):
    result = segmented(case, concept_table, "vps")
    case.check("panoptic", np.stack(list(result.to_indexed_masks())).astype(np.int32))
    things = thing_classes_of(case.meta["config"]["dataset_name"])
    rows = [[track.id, track.category in things, track.category + 1] for track in result.tracks]
    case.check("segments", np.array(rows, dtype=np.int64))


@pytest.mark.parametrize(
    ("num_frames", "length", "stride"),
    [(17, 3, 1), (11, 3, 2), (8, 4, 4), (6, 1, 1), (2, 5, 1)],
    ids=["windows", "strides", "no overlap", "single frames", "short video"],
)
@pytest.mark.parametrize("task", ["vis", "vps"])
def test_entities_equal_those_found_by_the_published_steps(model, task, num_frames, length, stride):
    options = ("INPUT.SAMPLING_FRAME_NUM", length, "TEST.CLIP_STRIDE", stride)
    cfg = scene_config(*options)
    test, heads = cfg.MODEL.UniVS.TEST, cfg.MODEL.MASK_FORMER.TEST
    settings = Settings(
        clip_length=length,
        num_prev_frames=test.NUM_PREV_FRAMES_MEMORY,
        window=10,
        rows=model.concepts.rows(f"toy_{task}"),
        cls_thres=test.CLASS_SCORE_THRESHOLD,
        new_thres=test.DETECT_NEWLY_OBJECT_THRESHOLD,
        consistency_thres=test.TEMPORAL_CONSISTENCY_THRESHOLD,
        nms_thres=test.BOX_NMS_THRESH,
        stability_thres=heads.STABILITY_SCORE_THRESH,
        overlap_entity=heads.OVERLAP_THRESHOLD_ENTITY,
        overlap=heads.OVERLAP_THRESHOLD,
        detections=cfg.TEST.DETECTIONS_PER_IMAGE,
        things=thing_classes_of("toy_vps"),
        stride=stride,
    )
    video = scene(num_frames)
    state, _ = segment_entities(model, video, settings, panoptic=task == "vps")
    assert len(state.quality) > 2  # so that there is something to compare
    with session_of(model, task, *options, one_category_per_track=False) as session:
        push_all(session, video)
        result = session.finish()
    if task == "vps":
        expected, categories = panoptic_results(state, settings)
        actual = np.stack(list(result.to_indexed_masks()))
        assert (actual != expected.numpy()).mean() < 1e-4
        assert {track.id: track.category for track in result.tracks} == categories
        assert len(categories) > 1
    else:
        expected = instance_results(state, num_frames, settings)
        assert [track.category for track in result.tracks] == [x[1] for x in expected]
        scores = [track.score for track in result.tracks]
        np.testing.assert_allclose(scores, [x[0] for x in expected], atol=1e-3)
        for track, (_, _, masks) in zip(result.tracks, expected, strict=True):
            assert (track.masks() != masks.numpy()).mean() < 1e-4


# Streaming.


@pytest.mark.parametrize(("task", "options"), WAYS)
@pytest.mark.parametrize("stride", [1, 3])
def test_results_are_final_in_order_and_as_early_as_promised(model, task, options, stride):
    options = (*options, "TEST.CLIP_STRIDE", stride)
    with session_of(model, task, *options) as session:
        latency = session.latency
        video = scene(latency + 7)
        after_frames = push_all(session, video)
        delays = [
            pushed - frame.frame_index
            for pushed, frames in enumerate(after_frames)
            for frame in frames
        ]
        assert latency - stride < max(delays) <= latency
        results = [*flat(after_frames), *session.flush()]
        assert [frame.frame_index for frame in results] == list(range(len(video)))
        assert session.flush() == []
        whole = session.finish()
    if task != "vis":
        assert masks_of(results) == masks_of(map(whole.frame, range(len(video))))
    for track in whole.tracks:  # of instances the worst are left out in the end
        shown = {
            frame.frame_index: segment.rle
            for frame in results
            for segment in frame.segments
            if segment.track_id == track.id
        }
        assert [shown.get(index) for index in range(len(video))] == track.segmentations
    with session_of(model, task, *options) as session:
        longer = flat(push_all(session, scene(len(video) + stride)))
    known = flat(after_frames)
    assert masks_of(longer[: len(known)]) == masks_of(known)


@pytest.mark.parametrize(("task", "options"), WAYS)
def test_every_frame_is_encoded_once(model, task, options):
    counts = {"backbone": 0, "pixel decoder": 0}

    def count(name, frames):
        counts[name] += len(frames)

    hooks = [
        model.backbone.register_forward_hook(lambda _, inputs, __: count("backbone", inputs[0])),
        # The first convolution that every frame passes in the pixel decoder.
        model.sem_seg_head.pixel_decoder.mask_features.register_forward_hook(
            lambda _, inputs, __: count("pixel decoder", inputs[0])
        ),
    ]
    try:
        with session_of(model, task, *options) as session:
            session.add(MaskTarget(id=1, mask=np.ones((48, 64), bool)))
            push_all(session, scene(6))
            session.finish()
    finally:
        for hook in hooks:
            hook.remove()
    assert counts == {"backbone": 6, "pixel decoder": 6}


def tensors_of(session: UnivsSession) -> tuple[int, int]:
    """Number and bytes of all tensors that a session holds."""
    seen, todo, tensors = set(), [session], {}
    while todo:
        item = todo.pop()
        if id(item) in seen or isinstance(item, (torch.nn.Module, type)) or callable(item):
            continue
        seen.add(id(item))
        if isinstance(item, torch.Tensor):
            tensors[item.untyped_storage().data_ptr()] = item.untyped_storage().nbytes()
        elif isinstance(item, (np.ndarray, str, bytes, int, float)):
            continue
        elif isinstance(item, dict):
            todo += item.values()
        elif isinstance(item, (list, tuple, set)):
            todo += item
        elif hasattr(item, "__dict__"):
            todo += vars(item).values()
    return len(tensors), sum(tensors.values())


@pytest.mark.parametrize(("task", "options"), WAYS)
def test_a_longer_video_takes_no_more_tensors(model, task, options):
    # Clutter that is taken for new entities costs memory, so none is looked for later on.
    options = (*options, "MODEL.UniVS.TEST.DETECT_NEWLY_INTERVAL_FRAMES", 1000)
    peaks, cycle = [], 10  # frames after which all is as before
    with session_of(model, task, *options) as session:
        for index, frame in enumerate(scene(4 * cycle if task == "vps" else 3 * cycle)):
            session.push(frame)
            if index % cycle == 0:
                peaks.append((0, 0))
            peaks[-1] = max(peaks[-1], tensors_of(session)[::-1])
    assert peaks[-2][0] > 10_000
    assert peaks[-1][0] == peaks[-2][0]


@pytest.mark.parametrize(("task", "options"), WAYS)
@pytest.mark.parametrize("num_frames", [1, 2])
def test_videos_shorter_than_a_clip(model, task, options, num_frames):
    with session_of(model, task, *options) as session:
        assert flat(push_all(session, scene(num_frames))) == []
        results = session.flush()
        assert len(results) == session.finish().num_frames == num_frames
        assert any(frame.segments or frame.label_map is not None for frame in results)


@pytest.mark.parametrize(("task", "options"), WAYS)
@pytest.mark.parametrize("num_frames", [2, 5])
def test_a_video_in_which_nothing_is_found(model, task, options, num_frames):
    nothing = ("MODEL.UniVS.TEST.CLASS_SCORE_THRESHOLD", 1.0)
    with session_of(model, task, *options, *nothing) as session:
        push_all(session, np.zeros((num_frames, 48, 64, 3), np.uint8))
        result = session.finish()
    assert result.num_frames == num_frames
    assert (result.label_maps is not None) == (task == "vss")
    if task == "vps" or (task == "vis" and options != QUERIES_ONLY):
        assert result.tracks == []


@pytest.mark.parametrize(("task", "options"), WAYS)
def test_black_frames_within_a_video(model, task, options):
    video = scene(9)
    video[3:6] = 0
    with session_of(model, task, *options) as session:
        push_all(session, video)
        assert session.finish().num_frames == 9


# Results.


def test_instances_have_one_category_each_or_all_that_are_likely(model):
    results = {}
    for only_one in (True, False):
        with session_of(model, "vis", one_category_per_track=only_one) as session:
            push_all(session, scene(8))
            results[only_one] = session.finish()
    best, every = results[True].tracks, results[False].tracks
    assert len({track.id for track in best}) == len(best) < len(every)
    assert best[0].score == every[0].score
    for result in results.values():
        scores = [track.score for track in result.tracks]
        assert all(a >= b for a, b in pairwise(scores))
        assert all(0 < score <= 1 for score in scores)


@pytest.mark.parametrize("options", [(), FIXED], ids=["published", "fixed"])
def test_panoptic_segments_do_not_overlap(model, options):
    with session_of(model, "vps", *options) as session:
        push_all(session, scene(8))
        result = session.finish()
    assert result.tracks
    for index in range(8):
        masks = [track.masks(index, index + 1)[0] for track in result.tracks]
        assert np.sum(masks, axis=0).max() <= 1
    stuff = [x.category for x in result.tracks if x.category not in thing_classes_of("toy_vps")]
    assert len(set(stuff)) == len(stuff)  # one track for every class
    for id_map, segments in result.to_panoptic({index: index + 1 for index in range(10)}):
        assert {segment["id"] for segment in segments} == set(np.unique(id_map)) - {0}


def test_label_maps_do_not_depend_on_the_overlap_of_clips(model):
    with session_of(model, "vss") as session:
        push_all(session, scene(5))
        maps = session.finish().label_maps
    assert len(maps) == 5
    assert all(label_map.shape == (48, 64) for label_map in maps)
    assert 0 <= min(map(np.min, maps)) <= max(map(np.max, maps)) < 10
    frames = [torch.from_numpy(x.transpose(2, 0, 1).copy()).float() for x in scene(3)]
    clip = model.predict_clip(frames)
    masks = torch.nn.functional.interpolate(
        clip.mask_logits, size=(64, 64), mode="bilinear", align_corners=False
    )[:, :, :48]
    quality = (masks > 1).flatten(1).sum(1) / (masks > -1).flatten(1).sum(1).clamp(min=1)
    scores = clip.class_logits[:, model.concepts.rows("toy_vss")].sigmoid() * quality[:, None]
    expected = torch.einsum("qk,qthw->kthw", scores, masks.sigmoid()).argmax(0)
    np.testing.assert_array_equal(np.stack(maps[:3]), expected)


def test_categories_and_targets_live_in_one_session(model):
    video, mask = scene(10), np.zeros((48, 64), dtype=bool)
    mask[8:30, 10:40] = True
    target = MaskTarget(id=7, mask=mask, frame_index=1)
    with session_of(model, "vis") as session:
        session.add(target)
        results = [*flat(push_all(session, video)), *session.flush()]
        both = session.finish()
    with session_of(model, "vis") as session:
        push_all(session, video)
        categories = session.finish()
    with session_of(model, "vos") as session:
        session.add(target)
        push_all(session, video)
        targets = session.finish()
    segmentations = {track.id: track.segmentations for track in both.tracks}
    assert segmentations == {
        **{track.id: track.segmentations for track in categories.tracks},
        TARGET_ID_OFFSET + 7: targets.tracks[0].segmentations,
    }
    assert [track.target_id for track in both.tracks][-1] == 7
    assert targets.tracks[0].id == 7
    ids = {segment.track_id for frame in results for segment in frame.segments}
    assert TARGET_ID_OFFSET + 7 in ids
    assert 1 in ids


def test_frames_are_padded_to_a_square_if_the_model_was_trained_on_squares():
    options = ("INPUT.LSJ_AUG.SQUARE_ENABLED", True, "INPUT.LSJ_AUG.IMAGE_SIZE", 96)
    model = scene_model(*options)
    sizes = []
    hook = model.backbone.register_forward_pre_hook(lambda _, inputs: sizes.append(inputs[0]))
    try:
        with session_of(model, "vis", *options, "INPUT.MIN_SIZE_TEST", 96) as session:
            push_all(session, scene(3))
            assert session.finish().size == (48, 64)
    finally:
        hook.remove()
    inputs = torch.cat(sizes)
    assert inputs.shape == (3, 3, 96, 96)
    assert inputs[:, :, 72:].abs().max() < 1e-6  # 48 x 64 becomes 72 x 96
    assert inputs[:, :, :72].abs().max() > 1


# Trouble.


@pytest.mark.parametrize("task", ["vis", "vps", "vss", "vos"])
def test_a_frame_of_another_size_is_refused_and_the_session_goes_on(model, task):
    video = scene(8)
    outcomes = []
    for disturbed in (False, True):
        with session_of(model, task) as session:
            for index, frame in enumerate(video):
                if disturbed and index == 4:
                    with pytest.raises(ValueError, match="frame 4 has size"):
                        session.push(frame[:-8])
                session.push(frame)
            result = session.finish()
            outcomes.append(masks_of(result.frame(index) for index in range(8)))
    assert outcomes[0] == outcomes[1]


def test_a_session_can_be_used_again_after_a_reset(model):
    with session_of(model, "vis") as session:
        outcomes = []
        for _ in range(2):
            push_all(session, scene(5))
            result = session.finish()
            outcomes.append(masks_of(result.frame(index) for index in range(5)))
            with pytest.raises(ValueError, match="flushed: reset the session"):
                session.push(scene(1)[0])
            session.reset()
            assert session.num_frames == 0
    assert outcomes[0] == outcomes[1]


@pytest.mark.parametrize(("task", "options"), WAYS)
def test_a_closed_session_holds_nothing(model, task, options):
    with session_of(model, task, *options) as session:
        push_all(session, scene(5))
        held = [weakref.ref(session._category_task), weakref.ref(session._frames)]
    gc.collect()
    assert [reference() for reference in held] == [None, None]
    assert tensors_of(session) == tensors_of(session_of(model, task, *options))


def test_without_frames_there_is_no_result(model):
    with session_of(model, "vps") as session:
        assert session.flush() == []
        with pytest.raises(ValueError, match="the video has no frames"):
            session.finish()


@pytest.mark.parametrize(
    ("task", "options", "arguments", "message"),
    [
        ("vot", (), {}, "there is no task 'vot': choose one of vis, vps"),
        ("vis", (), {"vocabulary": "coco"}, "no classes of 'coco'; it has those of toy_vis"),
        ("vps", (), {"vocabulary": "toy_vis"}, "which classes of 'toy_vis' are things"),
        ("vis", ("TEST.CLIP_STRIDE", -1), {}, "the stride of clips must be from 1 to their length"),
        (
            None,
            ("MODEL.UniVS.TEST.VIDEO_UNIFIED_INFERENCE_ENTITIES", "everything"),
            {},
            "must be empty or like entity_vps_vipseg",
        ),
    ],
)
def test_what_cannot_be_done_is_named(model, task, options, arguments, message):
    with pytest.raises(ValueError, match=message):
        session_of(model, task, *options, **arguments)


@pytest.mark.parametrize(
    ("options", "task", "vocabulary"),
    [
        ((), "vis", "toy_vis"),
        (("DATASETS.TEST", ("toy_vipseg_val",)), "vps", "toy_vps"),
        (("DATASETS.TEST", ("toy_vspw_val",)), "vss", "toy_vss"),
        (("MODEL.UniVS.TEST.VIDEO_UNIFIED_INFERENCE_ENTITIES", "vps_toy_vps"), "vps", "toy_vps"),
    ],
)
def test_the_config_says_what_to_look_for(model, options, task, vocabulary):
    with session_of(model, None, *options) as session:
        kind = {"vis": "InstanceTask", "vps": "PanopticTask", "vss": "SemanticTask"}[task]
        assert type(session._category_task).__name__ == kind
        assert session._category_task.vocabulary == vocabulary


def test_class_names_are_those_of_the_class_list():
    register_datasets()
    cfg = load_config(CONFIGS / "toy" / "univs_stage2.yaml")
    model = build_model(cfg).eval()
    for vocabulary, names in cfg.MODEL.UniVS.CONCEPTS:
        task = "vps" if vocabulary == "toy_vps" else "vis"
        session = open_session(model, cfg, task=task, vocabulary=vocabulary)
        assert session.class_names == list(names)
    assert open_session(model, cfg, task="vos").class_names is None
    cfg.MODEL.UniVS.CONCEPTS = []
    assert class_names_of(cfg, model.concepts, "toy_vis") == [
        *("circle", "square", "triangle", "star", "cross", "ring")
    ]
