"""Results of frames and videos, and their exports."""

from __future__ import annotations

import json

import numpy as np
import pytest

from univs.structures import (
    VOID_LABEL,
    FrameResult,
    Segment,
    Track,
    VideoResult,
    encode_mask,
)

SIZE = (5, 8)


def columns(start: int, stop: int):
    mask = np.zeros(SIZE, dtype=bool)
    mask[:, start:stop] = True
    return encode_mask(mask)


@pytest.fixture
def video() -> VideoResult:
    """Two tracks in three frames; they overlap in the columns 3 and 4 of frame 1."""
    return VideoResult(
        num_frames=3,
        size=SIZE,
        tracks=[
            Track(
                id=4,
                size=SIZE,
                category=0,
                target_id=1,
                score=0.5,
                segmentations=[columns(0, 4), columns(1, 5), None],
            ),
            Track(
                id=2,
                size=SIZE,
                category=1,
                score=0.75,
                segmentations=[None, columns(3, 8), columns(4, 8)],
            ),
        ],
    )


def test_youtube_vis_records_survive_json_and_come_back(video):
    records = video.to_youtube_vis(9, {0: 11, 1: 30})
    assert [record["category_id"] for record in records] == [11, 30]
    assert [record["score"] for record in records] == [0.5, 0.75]
    assert {record["video_id"] for record in records} == {9}
    assert records[0]["segmentations"][2] is None
    records = json.loads(json.dumps(records))
    again = VideoResult.from_youtube_vis(records, 3, SIZE, {11: 0, 30: 1})
    assert [track.category for track in again.tracks] == [0, 1]
    for track, original in zip(again.tracks, video.tracks, strict=True):
        np.testing.assert_array_equal(track.masks(), original.masks())


def test_youtube_vis_needs_a_known_category(video):
    with pytest.raises(ValueError, match="Track 2 has the category 1"):
        video.to_youtube_vis(9, {0: 11})
    record = {"category_id": 5, "score": 1.0, "segmentations": []}
    with pytest.raises(ValueError, match="Record 0 has an unknown category: 5"):
        VideoResult.from_youtube_vis([record], 0, SIZE, {11: 0})
    record = {"category_id": 11, "score": 1.0, "segmentations": [{"size": [5, 8], "counts": "1"}]}
    with pytest.raises(ValueError, match="mask of record 0 in frame 0 is damaged"):
        VideoResult.from_youtube_vis([record], 1, SIZE, {11: 0})


def test_indexed_masks_give_overlaps_to_the_higher_score(video):
    maps = list(video.to_indexed_masks())
    assert [id_map[0].tolist() for id_map in maps] == [
        [4, 4, 4, 4, 0, 0, 0, 0],
        [0, 4, 4, 2, 2, 2, 2, 2],
        [0, 0, 0, 0, 2, 2, 2, 2],
    ]
    assert all(id_map.dtype == np.uint8 for id_map in maps)


def test_indexed_masks_can_use_the_ids_of_targets(video):
    maps = list(video.to_indexed_masks(use_target_ids=True))
    assert [id_map[0].tolist() for id_map in maps] == [
        [1, 1, 1, 1, 0, 0, 0, 0],
        [0, 1, 1, 1, 1, 0, 0, 0],
        [0, 0, 0, 0, 0, 0, 0, 0],
    ]
    video.tracks[1].target_id = 1
    with pytest.raises(ValueError, match="same id"):
        list(video.to_indexed_masks(use_target_ids=True))


def test_the_type_of_indexed_masks_is_that_of_the_largest_id_of_the_video(video):
    video.tracks[1].id = 300
    assert {id_map.dtype for id_map in video.to_indexed_masks()} == {np.dtype(np.uint16)}


def test_binary_masks_are_0_or_255(video):
    masks = list(video.to_binary_masks(2))
    assert [mask.dtype for mask in masks] == [np.uint8] * 3
    assert [np.unique(mask).tolist() for mask in masks] == [[0], [0, 255], [0, 255]]
    with pytest.raises(ValueError, match="no track 7"):
        list(video.to_binary_masks(7))


def test_panoptic_describes_what_is_visible(video):
    frames = list(video.to_panoptic({0: 10, 1: 20}))
    assert frames[0][0].dtype == np.uint32
    assert frames[1][1] == [
        {"id": 2, "category_id": 20, "iscrowd": 0, "area": 25, "bbox": [3, 0, 5, 5]},
        {"id": 4, "category_id": 10, "iscrowd": 0, "area": 10, "bbox": [1, 0, 2, 5]},
    ]
    assert [info["id"] for info in frames[2][1]] == [2]


def test_frames_and_back(video):
    frames = [video.frame(index) for index in range(3)]
    assert [[segment.track_id for segment in frame.segments] for frame in frames] == [
        [4],
        [4, 2],
        [2],
    ]
    np.testing.assert_array_equal(frames[1].to_id_map(), list(video.to_indexed_masks())[1])
    again = VideoResult.from_frames(frames, SIZE)
    assert [(track.id, track.category, track.score) for track in again.tracks] == [
        (4, 0, 0.5),
        (2, 1, 0.75),
    ]
    for track, original in zip(again.tracks, video.tracks, strict=True):
        assert track.segmentations == original.segmentations
    with pytest.raises(ValueError, match="Frame 1 is missing: found frame 2"):
        VideoResult.from_frames([frames[0], frames[2]], SIZE)
    with pytest.raises(IndexError, match="no frame 3"):
        video.frame(3)


def test_filtering_by_score(video):
    assert [track.id for track in video.filtered(0.6).tracks] == [2]
    assert [segment.track_id for segment in video.frame(1).filtered(0.6).segments] == [2]
    assert [track.id for track in video.filtered(0.5).tracks] == [4, 2]  # the limit counts


def test_empty_results_are_legal():
    for num_frames in (0, 2):
        video = VideoResult(num_frames=num_frames, size=SIZE)
        assert video.to_youtube_vis(1, {}) == []
        assert [id_map.any() for id_map in video.to_indexed_masks()] == [False] * num_frames
        assert [infos for _, infos in video.to_panoptic({})] == [[]] * num_frames
    assert VideoResult.from_frames([], SIZE).num_frames == 0
    assert not FrameResult(frame_index=0, size=SIZE).to_id_map().any()


@pytest.mark.parametrize(
    ("num_categories", "dtype"), [(4, np.uint8), (255, np.uint8), (256, np.uint16)]
)
def test_void_is_the_largest_value_of_a_label_png(num_categories, dtype):
    label_map = np.full(SIZE, VOID_LABEL, dtype=np.int16)
    label_map[0] = num_categories - 1
    video = VideoResult(num_frames=1, size=SIZE, label_maps=[label_map])
    (png,) = video.to_label_pngs(num_categories)
    assert png.dtype == dtype
    assert png[0, 0] == num_categories - 1
    assert png[1, 0] == np.iinfo(dtype).max
    assert video.frame(0).label_map is label_map
    assert VideoResult.from_frames([video.frame(0)], SIZE).label_maps[0] is label_map
    with pytest.raises(ValueError, match="no label maps"):
        list(VideoResult(num_frames=1, size=SIZE).to_label_pngs(3))


def test_wrong_results_are_refused():
    track = Track(id=1, size=SIZE, segmentations=[columns(0, 1)])
    segment = Segment(track_id=1, rle=columns(0, 1))
    flat = np.zeros(SIZE, np.int16)
    cases = [
        (lambda: VideoResult(num_frames=2, size=SIZE, tracks=[track]), "Track 1 has 1 frames"),
        (lambda: VideoResult(num_frames=1, size=(8, 5), tracks=[track]), "Track 1 has the size"),
        (lambda: VideoResult(num_frames=1, size=SIZE, tracks=[track, track]), "ids repeat"),
        (lambda: VideoResult(num_frames=2, size=SIZE, label_maps=[flat]), "1 label maps for 2"),
        (lambda: FrameResult(frame_index=-1, size=SIZE), "negative"),
        (lambda: FrameResult(frame_index=0, size=(8, 5), segments=[segment]), "track 1 in frame 0"),
        (lambda: FrameResult(frame_index=0, size=SIZE, segments=[segment] * 2), "two segments"),
        (lambda: FrameResult(frame_index=3, size=(8, 5), label_map=flat), "frame 3"),
        (lambda: FrameResult(frame_index=0, size=SIZE, label_map=flat * 0.5), "integers"),
        (lambda: Segment(track_id=0, rle=columns(0, 1)), "1 or more"),
    ]
    for make, message in cases:
        with pytest.raises(ValueError, match=message):
            make()
