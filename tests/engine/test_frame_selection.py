from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from univs.data.frames import ImageFrames
from univs.data.record import ObjectRecord, PromptKind, PromptRecord, VideoRecord
from univs.engine.frame_selection import at_positions, frames_to_segment, spread
from univs.structures import (
    VOID_LABEL,
    PointTarget,
    Track,
    VideoResult,
    encode_masks,
)


def record(num_frames: int = 20, **options) -> VideoRecord:
    frames = ImageFrames("videos", tuple(f"{index}.jpg" for index in range(num_frames)))
    thing = ObjectRecord(id=0, official_id=1, category=None, masks=None, frames=(5,))
    return VideoRecord(
        dataset="d",
        domain=None,
        video_id="v",
        official_id="v",
        frames=frames,
        size=(4, 6),
        objects=(thing,),
        **options,
    )


def test_all_frames_or_those_with_truth_and_with_prompts():
    prompts = (PromptRecord(object_id=0, frame=5, kind=PromptKind.POINT, point=(1, 1)),)
    video = record(annotated=(0, 10), prompts=prompts, fps=10)
    assert list(frames_to_segment(video, "all")) == list(range(20))
    assert frames_to_segment(video, "annotated") == [0, 5, 10]
    # Of every second one frame is left out (here frame 5, which has a prompt, and frame 15).
    assert frames_to_segment(video, "interleaved") == [i for i in range(20) if i != 15]
    fast = replace(video, fps=30.0, prompts=())
    assert frames_to_segment(fast, "interleaved") == [0, 3, 5, 8, 10, 11, 14, 16, 19]


def test_every_frame_counts_where_nothing_else_is_known():
    assert len(frames_to_segment(record(), "annotated")) == 20
    assert len(frames_to_segment(record(annotated=(0, 10)), "interleaved")) == 20
    with pytest.raises(ValueError, match="TEST.FRAMES is 'some'"):
        frames_to_segment(record(), "some")


def test_targets_and_results_move_to_the_frames_and_back():
    (target,) = at_positions([PointTarget(id=3, points=[[1, 1]], frame_index=5)], [0, 5, 10])
    assert target.frame_index == 1 and target.id == 3
    rles = encode_masks(np.ones((2, 4, 6), dtype=bool))
    track = Track(id=3, target_id=3, score=0.5, size=(4, 6), segmentations=[None, *rles])
    maps = [np.full((4, 6), value, np.int16) for value in range(3)]
    result = VideoResult(num_frames=3, size=(4, 6), tracks=[track], label_maps=maps)
    whole = spread(result, [0, 5, 10], 12)
    assert whole.num_frames == 12 and whole.tracks[0].visible_frames == [5, 10]
    assert (whole.tracks[0].target_id, whole.tracks[0].score) == (3, 0.5)
    assert [m[0, 0] for m in whole.label_maps[:6]] == [0, *[VOID_LABEL] * 4, 1]
    assert spread(result, range(3), 3) is result
