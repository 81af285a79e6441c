from __future__ import annotations

import numpy as np
import pytest

from reference.numbers import assert_numbers
from univs.evaluation.metrics import mose


@pytest.mark.golden("metrics", "mose")
def test_videos_equal_the_official_tool(case) -> None:
    parameters = case.meta["parameters"]
    videos = {
        name: mose.score_video(
            case.arrays[f"gt_{name}"],
            case.arrays[f"pred_{name}"],
            video=name,
            object_ids=parameters["objects"][name],
        )
        for name in parameters["sequences"]
    }
    assert_numbers(mose.summarize_mose_v2(videos), case.meta["expected"])


@pytest.mark.parametrize(
    ("absent", "disappear", "reappear"),
    [
        ([0, 0, 0], [], []),
        ([0, 1, 1], [(1, 3)], []),
        ([1, 1, 0], [], [(2, 3)]),
        ([1, 0, 1, 1, 0, 0], [(2, 4)], [(1, 2), (4, 6)]),
        ([1], [], []),
    ],
)
def test_segments_of_absence(absent, disappear, reappear) -> None:
    assert mose.absence_segments(np.array(absent, dtype=bool)) == (disappear, reappear)


def test_bad_input() -> None:
    video = np.ones((3, 8, 8), dtype=np.uint8)
    with pytest.raises(ValueError, match="'v' has 2 frames"):
        mose.score_video(video[:2], video[:2], video="v", object_ids=[1])
    with pytest.raises(ValueError, match="listed twice"):
        mose.score_video(video, video, video="v", object_ids=["1", 1])
    with pytest.raises(ValueError, match="Video 'v', frame 1: no prediction"):
        mose.score_video(video, video[:1], video="v", object_ids=[1])
    with pytest.raises(ValueError, match="no object"):
        mose.summarize_mose_v2({})
