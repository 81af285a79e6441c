"""Average precision of tracks against the official tools."""

from __future__ import annotations

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from univs.evaluation.metrics.tubes import decode_tubes, tube_ious
from univs.evaluation.metrics.youtube_vis import (
    YoutubeVisTruth,
    ranked,
    read_predictions,
    youtube_vis_ap,
)

RTOL = 1e-9

# Names of the official OVIS rows that differ from the names of the printed table.
OVIS_NAMES = {
    "AP_light": "APso",
    "AP_medium_occ": "APmo",
    "AP_heavy": "APho",
    "AR_light": "ARso",
    "AR_medium_occ": "ARmo",
    "AR_heavy": "ARho",
}


def assert_close(actual, expected):
    actual, expected = np.asarray(actual, np.float64), np.asarray(expected, np.float64)
    assert actual.shape == expected.shape
    np.testing.assert_array_equal(np.isnan(actual), np.isnan(expected))
    error = np.abs(actual - expected)
    assert not (error > RTOL * np.maximum(1, np.abs(expected))).any()


@pytest.mark.golden("metrics", "ytvis", "ovis")
def test_golden(case):
    expected = case.meta["expected"]
    limits = tuple(case.meta["parameters"]["max_dets"])
    if "error" in expected:
        with pytest.raises(ValueError):
            youtube_vis_ap(case.json("gt.json"), case.json("results.json"), limits)
        return
    result = youtube_vis_ap(case.json("gt.json"), case.json("results.json"), limits)

    names = [OVIS_NAMES.get(name, name) for name in expected["stats"]]
    assert list(result.stats) == names
    assert_close(list(result.stats.values()), list(expected["stats"].values()))
    assert [str(key) for key in result.per_category] == list(expected["per_category_AP"])
    assert_close(list(result.per_category.values()), list(expected["per_category_AP"].values()))
    assert_close(
        result.precision.mean(axis=1),
        expected["precision_mean_over_recall[T,K] area=all maxDets=100"],
    )
    assert_close(result.recall, expected["recall[T,K] area=all maxDets=100"])
    assert result.summary == expected["summary_printout"]


@pytest.mark.golden("metrics", "ytvis", "ovis")
def test_golden_ious(case):
    truth = YoutubeVisTruth.from_json(case.json("gt.json"))
    predictions = read_predictions(case.json("results.json"), truth)
    most = case.meta["parameters"]["max_dets"][-1]
    for key, expected in case.meta["expected"]["ious"].items():
        video_id, category_id = map(int, key.split(","))
        predicted = [p for p in predictions.get(video_id, []) if p.category_id == category_id]
        annotated = [t for t in truth.tracks[video_id] if t.category_id == category_id]
        actual = tube_ious(
            decode_tubes([track.tube for track in ranked(predicted, most)]),
            decode_tubes([track.tube for track in annotated]),
        )
        assert_close(actual, np.reshape(expected, actual.shape))


SIZE = [10, 10]


def rle(left: int = 0, width: int = 4) -> dict:
    pixels = np.zeros(SIZE, dtype=np.uint8, order="F")
    pixels[2:7, left : left + width] = 1
    mask = coco_mask.encode(pixels)
    return {"size": SIZE, "counts": mask["counts"].decode()}


def truth_of(*tracks: dict, length: int = 2) -> dict:
    """One video of two frames with the id 4, and the category 1."""
    return {
        "videos": [{"id": 4, "height": 10, "width": 10, "length": length}],
        "categories": [{"id": 1, "name": "thing"}],
        "annotations": [
            {
                "id": index + 1,
                "video_id": 4,
                "category_id": 1,
                "segmentations": [rle()] * length,
                "areas": [20] * length,
                "iscrowd": 0,
                **track,
            }
            for index, track in enumerate(tracks)
        ],
    }


def result_of(**changes) -> dict:
    return {
        "video_id": 4,
        "category_id": 1,
        "score": 0.5,
        "segmentations": [rle(), rle()],
        **changes,
    }


def test_no_result_scores_zero_and_no_truth_is_undefined():
    assert youtube_vis_ap(truth_of({}), []).stats["AP"] == 0
    empty = youtube_vis_ap(truth_of(), [result_of()])
    assert set(empty.stats.values()) == {-1.0}
    assert np.isnan(empty.per_category[1])


def test_official_conventions_of_odd_results():
    truth = truth_of({})
    perfect = youtube_vis_ap(truth, [result_of()]).stats["AP"]
    assert perfect == pytest.approx(1)
    for odd, expected in [
        (result_of(category_id=77), 0.0),  # a category outside the list is never scored
        (result_of(segmentations=[None, None]), 0.0),
        (result_of(segmentations=[rle()]), perfect),  # surplus frames of the truth do not count
        (result_of(segmentations=[rle()] * 3), perfect),  # nor do those of the prediction
        (result_of(segmentations=[rle(), None]), 0.1),  # IoU 0.5: right at one threshold of ten
    ]:
        assert youtube_vis_ap(truth, [odd]).stats["AP"] == pytest.approx(expected)
    twice = [result_of(score=0.9), result_of(score=0.8)]
    assert youtube_vis_ap(truth, twice).stats["AP"] == pytest.approx(1)


def test_annotation_id_zero_never_matches():
    assert youtube_vis_ap(truth_of({"id": 0}), [result_of()]).stats["AP"] == 0


def test_occlusion_levels_add_six_rows():
    heavy = {"occlusion": ["no_occlusion", "severe_occlusion"]}
    result = youtube_vis_ap(truth_of(heavy), [result_of()])
    assert len(result.stats) == len(result.summary) == 18
    assert result.stats["APho"] == pytest.approx(1) and result.stats["APso"] == -1
    with pytest.raises(ValueError, match="Result 0, video 4: OVIS wants one mask or null per fra"):
        youtube_vis_ap(truth_of(heavy), [result_of(segmentations=[rle()])])
    with pytest.raises(ValueError, match="annotation 1: unknown occlusion level 'much'"):
        youtube_vis_ap(truth_of({"occlusion": ["much", None]}), [])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"video_id": 5}, "video 5: the truth has no such video"),
        ({"score": float("nan")}, "video 4: the score must be a finite number, not nan"),
        ({"score": None}, "video 4: the score must be a finite number"),
        ({"segmentations": rle()}, "video 4: 'segmentations' must be a list"),
        ({"segmentations": [None, [[0, 0, 4, 0, 4, 4]]]}, "video 4, frame 1: a mask must be"),
        ({"segmentations": [{"size": SIZE, "counts": "55"}]}, "video 4, frame 0: .* damaged"),
        ({"segmentations": [None, {**rle(), "size": [10, 9]}]}, "video 4, frame 1: .* damaged"),
        (
            {"segmentations": [{**rle(), "size": [10]}]},
            "video 4, frame 0: the size of a mask must be",
        ),
        ({"segmentations": [{**rle(), "counts": "\u1234"}]}, "video 4, frame 0: .* damaged"),
    ],
)
def test_broken_results_are_errors(changes, message):
    with pytest.raises(ValueError, match=f"Result 1, {message}"):
        youtube_vis_ap(truth_of({}), [result_of(), result_of(**changes)])


def test_incomplete_results_are_errors():
    with pytest.raises(ValueError, match=r"Result 0: the keys \['score'\] are missing"):
        youtube_vis_ap(truth_of({}), [{k: v for k, v in result_of().items() if k != "score"}])
    with pytest.raises(ValueError, match="Result 0: must be a dictionary"):
        youtube_vis_ap(truth_of({}), ["x"])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"id": 1}, "annotation 1: the id of the annotation occurs twice"),
        ({"areas": None}, "annotation 2: the key 'areas' is missing"),
        ({"segmentations": [None, "x"]}, "annotation 2, frame 1: a mask must be"),
    ],
)
def test_broken_truth_is_an_error(changes, message):
    with pytest.raises(ValueError, match=f"the truth, video 4, {message}"):
        youtube_vis_ap(truth_of({}, changes), [])


def test_polygons_and_uncompressed_runs_are_read():
    runs = [2, 5, 5, 5, 5, 5, 5, 5, 63]
    for segmentation in ({"size": SIZE, "counts": runs}, [[0, 2, 4, 2, 4, 7, 0, 7]]):
        truth = truth_of({"segmentations": [segmentation] * 2})
        assert youtube_vis_ap(truth, [result_of()]).stats["AP"] == pytest.approx(1)


def test_order_of_videos_does_not_matter_and_order_of_tracks_breaks_ties():
    truth = truth_of({}, {"segmentations": [rle(5)] * 2})
    good, bad = result_of(), result_of(segmentations=[rle(2, 1)] * 2)
    first = youtube_vis_ap(truth, [good, bad]).stats["AP"]
    second = youtube_vis_ap(truth, [bad, good]).stats["AP"]
    assert first > second > 0
