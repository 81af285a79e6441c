from __future__ import annotations

import numpy as np
import pytest

from reference.numbers import assert_numbers
from univs.evaluation.metrics import davis, vos


@pytest.mark.golden("metrics", "vos_generic")
@pytest.mark.parametrize("rule", ["skip_first_and_last", "all_frames"])
def test_videos_equal_the_official_toolkit(case, rule: str) -> None:
    expected = case.meta["expected"]
    if "error" in expected or rule not in expected:
        pytest.skip(f"the case has no numbers for {rule}")
    videos = {
        name: vos.score_video(
            case.arrays[f"gt_{name}"],
            case.arrays[f"pred_{name}"],
            video=name,
            skip_first_and_last=rule == "skip_first_and_last",
        )
        for name in case.meta["parameters"]["sequences"]
    }
    assert_numbers(vos.summarize_vos(videos), expected[rule])


def random_video(seed: int, frames: int = 5) -> np.ndarray:
    blocks = np.random.default_rng(seed).integers(0, 3, (frames, 4, 5), dtype=np.uint8)
    return blocks.repeat(6, axis=1).repeat(6, axis=2)


def test_equals_the_davis_protocol_where_all_objects_start_in_the_first_frame() -> None:
    truth, prediction = random_video(0), random_video(1)
    assert set(np.unique(truth[0])) == {0, 1, 2}
    objects = vos.score_video(truth, prediction, video="bear")
    scores = davis.score_semi_supervised(truth, prediction, video="bear")
    for row, object_id in enumerate(scores.object_ids):
        expected = scores.j[row].mean(), scores.f[row].mean()
        assert objects[object_id] == pytest.approx(expected, abs=1e-12)


def test_ids_beyond_a_byte() -> None:
    truth = random_video(0).astype(np.int32) * 1000
    objects = vos.score_video(truth, truth, video="bear")
    assert objects == {1000: (1.0, 1.0), 2000: (1.0, 1.0)}


def test_bad_videos() -> None:
    truth = random_video(0, frames=2)
    with pytest.raises(ValueError, match="'bear' has 2 frames, none of which is evaluated"):
        vos.score_video(truth, truth, video="bear")
    with pytest.raises(ValueError, match="'bear', frame 1: no prediction"):
        vos.score_video(random_video(0), [], video="bear")
    with pytest.raises(ValueError, match="no object"):
        vos.summarize_vos({"bear": {}})
