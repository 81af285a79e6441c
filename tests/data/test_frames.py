from __future__ import annotations

import pickle

import av
import numpy as np
import pytest
from PIL import Image

from univs.data.frames import (
    FrameError,
    ImageFrames,
    TransformedFrames,
    VideoFileFrames,
    read_image,
)


def _pictures(count, size=(48, 64)):
    """Flat grey pictures of different brightness: they survive lossy coding."""
    return [np.full((*size, 3), 20 * index + 30, np.uint8) for index in range(count)]


@pytest.fixture
def image_frames(tmp_path):
    names = []
    for index, picture in enumerate(_pictures(3)):
        names.append(f"v/{index}.png")
        (tmp_path / "v").mkdir(exist_ok=True)
        Image.fromarray(picture).save(tmp_path / names[-1])
    return ImageFrames(tmp_path, names)


@pytest.fixture
def video_file(tmp_path):
    path = tmp_path / "video.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for picture in _pictures(8):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    return path


def test_images_are_decoded_by_index(image_frames):
    assert len(image_frames) == 3
    assert [frame[0, 0, 0] for frame in image_frames] == [30, 50, 70]
    assert image_frames[-1][0, 0, 0] == 70
    assert image_frames[1].shape == (48, 64, 3)
    assert image_frames[1].dtype == np.uint8
    assert image_frames.names[2].endswith("v/2.png")


@pytest.mark.parametrize("index", [3, -4])
def test_an_index_outside_the_video_is_an_index_error(image_frames, index):
    with pytest.raises(IndexError, match=f"Frame {index} .* 3 frames"):
        image_frames[index]


def test_grey_and_palette_images_become_rgb(tmp_path):
    Image.fromarray(np.full((4, 5), 9, np.uint8)).save(tmp_path / "grey.png")
    palette = Image.fromarray(np.ones((4, 5), np.uint8), mode="P")
    palette.putpalette([0, 0, 0, 10, 20, 30])
    palette.save(tmp_path / "palette.png")
    assert (read_image(tmp_path / "grey.png") == 9).all()
    assert read_image(tmp_path / "palette.png")[0, 0].tolist() == [10, 20, 30]


def test_exif_orientation_is_applied(tmp_path):
    image = Image.fromarray(np.zeros((4, 6, 3), np.uint8))
    exif = image.getexif()
    exif[0x0112] = 6  # rotated by 90 degrees
    image.save(tmp_path / "a.jpg", exif=exif)
    assert read_image(tmp_path / "a.jpg").shape == (6, 4, 3)


def test_a_missing_frame_is_named(tmp_path, image_frames):
    (tmp_path / "v" / "1.png").unlink()
    with pytest.raises(FrameError, match=r"Frame 1 of 3: .*v/1\.png does not exist"):
        image_frames[1]


@pytest.mark.parametrize("kind", ["truncated", "text", "empty"])
def test_a_damaged_frame_is_named(tmp_path, kind):
    path = tmp_path / "0.jpg"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)).save(path)
    content = {"truncated": path.read_bytes()[:900], "text": b"<html>", "empty": b""}[kind]
    path.write_bytes(content)
    with pytest.raises(FrameError, match=r"Frame 0 of 1: .*0\.jpg cannot be decoded"):
        ImageFrames(tmp_path, ["0.jpg"])[0]


def test_video_file_gives_every_frame_in_any_order(video_file):
    frames = VideoFileFrames(video_file)
    assert len(frames) == 8
    assert frames.fps == 25
    for index in (0, 3, 4, 7, 2, 2, 6):
        assert frames[index].shape == (48, 64, 3)
        assert abs(int(frames[index][24, 32, 0]) - (20 * index + 30)) <= 4
    assert sum(1 for _ in frames) == 8


def test_video_file_can_be_sent_to_a_worker_while_it_is_open(video_file):
    frames = VideoFileFrames(video_file)
    expected = frames[5]
    again = pickle.loads(pickle.dumps(frames))
    np.testing.assert_array_equal(again[5], expected)


def test_missing_and_damaged_video_files_are_named(tmp_path, video_file):
    with pytest.raises(FrameError, match="nothing.mp4 does not exist"):
        VideoFileFrames(tmp_path / "nothing.mp4")
    damaged = tmp_path / "damaged.mp4"
    damaged.write_bytes(video_file.read_bytes()[:200])
    with pytest.raises(FrameError, match="damaged.mp4"):
        len(VideoFileFrames(damaged))


def test_transformed_frames_apply_the_function_on_access(image_frames):
    frames = TransformedFrames(image_frames, lambda image: image[:10] + 1)
    assert len(frames) == 3
    assert frames[0].shape == (10, 64, 3)
    assert frames[-1][0, 0, 0] == 71
    assert frames.name(1) == image_frames.name(1)
