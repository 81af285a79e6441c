from __future__ import annotations

import sys

import numpy as np
import pytest

from univs.structures import FrameResult, Segment, encode_mask, to_supervision

SIZE = (20, 30)


def frame() -> tuple[FrameResult, np.ndarray]:
    masks = np.zeros((2, *SIZE), bool)
    masks[0, 2:6, 3:10], masks[1, 10:20, 20:30] = True, True
    segments = [
        Segment(track_id=4, category=1, score=0.75, rle=encode_mask(masks[0])),
        Segment(track_id=9, score=0.5, rle=encode_mask(masks[1])),
    ]
    return FrameResult(frame_index=3, size=SIZE, segments=segments), masks


def test_everything_arrives():
    pytest.importorskip("supervision")
    result, masks = frame()
    detections = to_supervision(result, ["cat", "dog"])
    np.testing.assert_array_equal(detections.mask, masks)
    assert detections.xyxy.tolist() == [[3, 2, 10, 6], [20, 10, 30, 20]]
    assert detections.confidence.tolist() == [0.75, 0.5]
    assert detections.class_id.tolist() == [1, -1]
    assert detections.tracker_id.tolist() == [4, 9]
    assert detections.data["class_name"].tolist() == ["dog", ""]
    assert len(detections[detections.confidence > 0.6]) == 1


def test_an_empty_frame_is_no_detection():
    pytest.importorskip("supervision")
    assert len(to_supervision(FrameResult(frame_index=0, size=SIZE))) == 0


def test_without_the_package_the_remedy_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "supervision", None)
    with pytest.raises(ImportError, match=r"pip install 'univs\[supervision\]'"):
        to_supervision(frame()[0])
