from __future__ import annotations

import av
import numpy as np
import pytest
from data.readers.miniatures import SIZE, write_frame

from univs.data.frames import FrameError
from univs.data.readers.raw_videos import natural_key, read_raw_images, read_raw_videos


def _write_video(path, num_frames=3):
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 32, 16, "yuv420p"
        for _ in range(num_frames):
            frame = av.VideoFrame.from_ndarray(np.zeros((16, 32, 3), np.uint8), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def test_folders_and_files_are_videos(tmp_path):
    for number in (10, 9, 1):
        write_frame(tmp_path / "clip10" / f"frame_{number}.jpg")
    _write_video(tmp_path / "clip2.mp4")
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").touch()
    first, second = read_raw_videos(tmp_path, dataset="d")
    assert (first.video_id, first.size, len(first), first.fps) == ("clip2", (16, 32), 3, 10.0)
    assert first.frames[2].shape == (16, 32, 3)
    assert (second.video_id, second.size) == ("clip10", SIZE)
    assert [name.rsplit("_")[-1] for name in second.frames.file_names] == [
        "1.jpg",
        "9.jpg",
        "10.jpg",
    ]


def test_a_folder_and_a_file_must_not_have_the_same_name(tmp_path):
    write_frame(tmp_path / "a" / "0.jpg")
    _write_video(tmp_path / "a.mp4")
    with pytest.raises(FrameError, match="two videos called 'a'"):
        read_raw_videos(tmp_path, dataset="d")


def test_folders_without_videos_are_an_error(tmp_path):
    with pytest.raises(FrameError, match="neither video files nor folders of images"):
        read_raw_videos(tmp_path, dataset="d")
    with pytest.raises(FrameError, match="holds no images"):
        read_raw_images(tmp_path, dataset="d")


def test_images(tmp_path):
    for name in ("b.png", "a.jpg"):
        write_frame(tmp_path / name)
    assert [(r.video_id, len(r)) for r in read_raw_images(tmp_path, dataset="d")] == [
        ("a", 1),
        ("b", 1),
    ]


def test_numbers_in_names_count_by_their_value():
    names = ["f10", "f9", "f", "10", "9", "g1"]
    assert sorted(names, key=natural_key) == ["f", "f9", "f10", "g1", "9", "10"]
