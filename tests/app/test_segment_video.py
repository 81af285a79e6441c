"""Segmenting a video from file to folder."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from univs.app.segment_video import segment_video
from univs.data.video_source import VideoSourceError, open_source
from univs.structures import PointTarget, decode_masks
from univs.visualization import track_colors


def read_png(path):
    with Image.open(path) as image:
        return np.array(image)


@pytest.mark.parametrize("delay", [0, 3, 100], ids=["online", "late", "offline"])
def test_everything_is_written(video, tmp_path, make_segmenter, delay):
    calls = []
    source = open_source(video)
    done = segment_video(
        source,
        make_segmenter(delay=delay),
        tmp_path / "out",
        score_threshold=0.3,
        on_frame=lambda: calls.append(1),
    )
    assert len(calls) == 8
    assert done.tracks_kept == 2
    assert done.paths == {
        "overlay": tmp_path / "out" / "clip_overlay.mp4",
        "results": tmp_path / "out" / "clip.json",
        "masks": tmp_path / "out" / "masks",
    }
    assert sorted(os.listdir(tmp_path / "out")) == ["clip.json", "clip_overlay.mp4", "masks"]

    record = json.loads(done.paths["results"].read_text())
    tracks = record.pop("tracks")
    assert record == {
        "video": str(video),
        "size": [48, 64],
        "fps": 8,
        "num_frames": 8,
        "skipped_frames": [],
        "class_names": ["red thing", "blue thing"],
        "score_threshold": 0.3,
    }
    assert [(track["id"], track["class_name"], track["score"]) for track in tracks] == [
        (1, "red thing", 0.9),
        (2, "blue thing", 0.4),
    ]
    assert tracks[1]["segmentations"][7] is None
    red = decode_masks(tracks[0]["segmentations"], (48, 64))
    for index in range(8):
        assert red[index, 6:18, 4 * index + 2 : 4 * index + 14].all()
        id_map = read_png(tmp_path / "out" / "masks" / f"{index:05d}.png")
        np.testing.assert_array_equal(id_map == 1, red[index])
        assert id_map[36, 48] == (2 if index < 7 else 0)

    # Each mask lies on the frame it belongs to, also when it was found late.
    drawn = list(open_source(done.paths["overlay"]))
    for index, (before, after) in enumerate(zip(open_source(video), drawn, strict=True)):
        centre = slice(14, 18), slice(4 * index + 4, 4 * index + 12)
        expected = 0.55 * before[centre] + 0.45 * track_colors([1])[0]
        assert np.abs(after[centre] - expected).mean() < 25
        assert np.abs(after[22:26].astype(int) - before[22:26]).mean() < 25


def test_tracks_below_the_threshold_are_left_out(video, tmp_path, make_segmenter):
    done = segment_video(
        open_source(video), make_segmenter(), tmp_path / "out", score_threshold=0.5
    )
    assert (done.tracks_kept, len(done.result.tracks)) == (1, 2)
    assert len(json.loads(done.paths["results"].read_text())["tracks"]) == 1
    assert set(np.unique(read_png(done.paths["masks"] / "00000.png"))) == {0, 1}
    done = segment_video(open_source(video), make_segmenter(), tmp_path / "out", score_threshold=1)
    assert done.tracks_kept == 0
    assert not read_png(done.paths["masks"] / "00000.png").any()


def test_semantic_results_are_label_maps(video, tmp_path, make_segmenter):
    done = segment_video(open_source(video), make_segmenter(semantic=True), tmp_path / "out")
    assert sorted(done.paths) == ["labels", "overlay", "results"]
    labels = read_png(done.paths["labels"] / "00000.png")
    assert (labels[10, 8], labels[36, 48], labels[24, 30]) == (0, 1, 255)
    with Image.open(done.paths["labels"] / "00000.png") as image:
        assert image.convert("RGB").getpixel((8, 10)) == tuple(track_colors([1])[0].tolist())


def test_a_folder_of_images_is_a_video(video, tmp_path, make_segmenter):
    folder = tmp_path / "frames"
    folder.mkdir()
    for index, frame in enumerate(open_source(video)):
        Image.fromarray(frame).save(folder / f"{index}.png")
    done = segment_video(open_source(folder), make_segmenter(), tmp_path / "out")
    assert done.result.num_frames == 8
    assert done.paths["overlay"].name == "frames_overlay.mp4"
    assert json.loads(done.paths["results"].read_text())["fps"] is None
    (folder / "3.png").write_bytes(b"")
    with pytest.raises(VideoSourceError, match=r"frame 3 \(3\.png\)"):
        segment_video(open_source(folder), make_segmenter(), tmp_path / "other")
    assert not (tmp_path / "other").exists()
    done = segment_video(
        open_source(folder, on_bad_frame="skip"), make_segmenter(delay=2), tmp_path / "other"
    )
    record = json.loads(done.paths["results"].read_text())
    assert (record["num_frames"], record["skipped_frames"]) == (7, ["frame 3 (3.png)"])


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_failure_leaves_nothing(video, tmp_path, make_segmenter, error):
    calls = []

    def fail_at_frame_5():
        calls.append(1)
        if len(calls) == 5:
            raise error

    with pytest.raises(error):
        segment_video(
            open_source(video), make_segmenter(), tmp_path / "out", on_frame=fail_at_frame_5
        )
    assert os.listdir(tmp_path) == ["in"]


def test_a_model_that_forgets_frames_is_noticed(video, tmp_path, make_segmenter):
    class Forgetful(make_segmenter):
        @contextlib.contextmanager
        def session(self, task=None, *, vocabulary=None, scene_cuts=None):
            with super().session(task, vocabulary=vocabulary) as session:
                session.flush = list
                yield session

    with pytest.raises(RuntimeError, match="answered 6 of 8 frames"):
        segment_video(open_source(video), Forgetful(delay=2), tmp_path / "out")
    assert os.listdir(tmp_path) == ["in"]


class Live:
    """A source like a camera: it can be seen once, and ends with Ctrl-C if wanted."""

    is_live, fps, num_frames, skipped = True, 25.0, None, ()

    def __init__(self, frames, *, interrupted: bool) -> None:
        self.path, self.name, self.size = Path("0"), "camera0", frames[0].shape[:2]
        self._frames, self._interrupted, self._seen = frames, interrupted, False

    def __iter__(self):
        assert not self._seen
        self._seen = True
        yield from self._frames
        if self._interrupted:
            raise KeyboardInterrupt


@pytest.mark.parametrize("interrupted", [False, True])
@pytest.mark.parametrize("delay", [0, 3])
def test_a_live_source_is_seen_once(video, tmp_path, make_segmenter, delay, interrupted):
    frames = list(open_source(video))
    segmented = segment_video(
        Live(frames, interrupted=interrupted), make_segmenter(delay=delay), tmp_path / "out"
    )
    assert segmented.result.num_frames == len(frames)
    overlay = list(open_source(segmented.paths["overlay"]))
    assert len(overlay) == len(frames)


def test_an_offline_model_cannot_follow_a_live_source(video, tmp_path, make_segmenter):
    segmenter = make_segmenter()
    segmenter.delay = None
    source = Live(list(open_source(video)), interrupted=False)
    with pytest.raises(ValueError, match="no end to wait for"):
        segment_video(source, segmenter, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_task_and_targets_reach_the_session(video, tmp_path, make_segmenter):
    segmenter = make_segmenter()
    target = PointTarget(id=1, points=[[3, 3]])
    segment_video(
        open_source(video),
        segmenter,
        tmp_path / "out",
        task="pet",
        vocabulary="coco",
        targets=[target],
    )
    assert segmenter.asked == ("pet", "coco")
    assert segmenter.targets == [target]
