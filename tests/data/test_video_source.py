"""Frames of files and folders."""

from __future__ import annotations

import itertools
import os
import struct

import av
import numpy as np
import pytest
from PIL import Image

from univs.data.video_source import VideoSourceError, natural_key, open_source
from univs.visualization import VideoWriter

SIZE = (48, 64)


def picture(index: int, size=SIZE) -> np.ndarray:
    """Noise that differs from frame to frame; its left half is bright, its top left corner red."""
    image = np.random.RandomState(index).randint(0, 90, (*size, 3)).astype(np.uint8)
    image[:, : size[1] // 2] += 120
    image[: size[0] // 2, : size[1] // 2] = (250, 10, 10)
    return image


@pytest.fixture
def noise(tmp_path):
    """A file of 20 frames at 10 frames per second."""
    with VideoWriter(tmp_path / "clip.mp4", fps=10) as writer:
        for index in range(20):
            writer.write(picture(index))
    return tmp_path / "clip.mp4"


def damage_packet(path, index):
    """Overwrite a packet, counted in the order of decoding; return the index of its frame."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        packets = [packet for packet in container.demux(stream) if packet.size]
        packet = packets[index]
        position, size = packet.pos, packet.size
        frame_index = round(float(packet.pts * packet.time_base) * 10)
    content = bytearray(path.read_bytes())
    content[position : position + size] = b"\xff" * size
    path.write_bytes(content)
    return frame_index


# Files


def test_a_file_yields_its_frames_and_can_be_read_again(noise):
    source = open_source(str(noise))
    assert (source.size, source.fps, source.num_frames) == (SIZE, 10, 20)
    assert source.name == "clip"
    frames = list(source)
    assert len(frames) == len(list(source)) == 20
    for index, frame in enumerate(frames):
        assert frame.dtype == np.uint8
        assert frame.shape == (*SIZE, 3)
        assert np.abs(frame.astype(int) - picture(index)).mean() < 25


def test_frames_are_decoded_only_when_asked_for(noise):
    damage_packet(noise, 17)
    assert len(list(itertools.islice(open_source(noise), 5))) == 5


@pytest.mark.parametrize(("angle", "red_corner"), [(90, (0, -1)), (180, (-1, -1)), (270, (-1, 0))])
def test_rotation_noted_in_a_file_is_applied(noise, angle, red_corner):
    # The display matrix of the track header, which players obey; angles are clockwise.
    matrices = {90: (0, 1, -1, 0), 180: (-1, 0, 0, -1), 270: (0, -1, 1, 0)}
    a, b, c, d = (value * 0x10000 for value in matrices[angle])
    content = bytearray(noise.read_bytes())
    start = content.index(b"tkhd") + 4 + 40
    content[start : start + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 0x40000000)
    noise.write_bytes(content)
    source = open_source(noise)
    assert source.size == (SIZE if angle == 180 else SIZE[::-1])
    frame = next(iter(source))
    assert frame.shape[:2] == source.size
    corner = frame[red_corner].astype(int)
    assert corner[0] > 200
    assert corner[1:].max() < 80


def test_a_damaged_frame_stops_the_reading_and_is_named(noise):
    index = damage_packet(noise, 9)
    source = open_source(noise)
    frames = iter(source)
    with pytest.raises(VideoSourceError, match=f"frame {index}, at {index / 10:.2f} s") as error:
        for _ in range(20):
            next(frames)
    assert "clip.mp4" in str(error.value)
    assert "--on-bad-frame skip" in str(error.value)


def test_a_damaged_frame_can_be_left_out(noise):
    index = damage_packet(noise, 9)
    source = open_source(noise, on_bad_frame="skip")
    frames = list(source)
    assert source.skipped[0] == f"frame {index}, at {index / 10:.2f} s"
    assert len(frames) == 20 - len(source.skipped)
    skipped = list(source.skipped)
    assert len(list(source)) == len(frames)
    assert source.skipped == skipped  # the second reading notes nothing twice


def test_files_that_are_no_videos(tmp_path, noise):
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "text.mp4").write_text("not a video at all" * 100)
    (tmp_path / "cut.mp4").write_bytes(noise.read_bytes()[:900])
    with av.open(str(tmp_path / "sound.wav"), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), layout="mono")
        sound.sample_rate = 8000
        container.mux(stream.encode(sound))
        container.mux(stream.encode())
    for name, message in {
        "empty.mp4": "empty",
        "text.mp4": "not a video",
        "cut.mp4": "not a video|no frame",
        "sound.wav": "no video stream",
    }.items():
        with pytest.raises(VideoSourceError, match=message) as error:
            open_source(tmp_path / name)
        assert name in str(error.value)
        assert "\n" not in str(error.value)


def test_a_missing_path_and_a_wrong_choice(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nothing\.mp4: there is no such"):
        open_source(tmp_path / "nothing.mp4")
    with pytest.raises(ValueError, match="'stop' or 'skip'"):
        open_source(tmp_path, on_bad_frame="ignore")


# Folders


@pytest.fixture
def folder(tmp_path):
    """Frames 1 to 12 without leading zeros, and two files that are no frames."""
    folder = tmp_path / "frames.v2"
    folder.mkdir()
    for index in range(1, 13):
        Image.fromarray(picture(index)).save(folder / f"frame{index}.png")
    (folder / "notes.txt").touch()
    (folder / "._frame1.png").touch()
    return folder


def test_a_folder_yields_its_images_in_natural_order(folder):
    source = open_source(folder)
    assert (source.size, source.fps, source.num_frames) == (SIZE, None, 12)
    assert source.name == "frames.v2"
    for index, frame in enumerate(source, start=1):
        np.testing.assert_array_equal(frame, picture(index))
    assert index == 12


def test_grey_transparent_and_turned_images_are_frames(tmp_path):
    Image.new("L", (64, 48), 7).save(tmp_path / "1.png")
    Image.new("RGBA", (64, 48), (1, 2, 3, 255)).save(tmp_path / "2.png")
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise
    Image.fromarray(np.rot90(picture(0)).copy()).save(tmp_path / "3.jpg", exif=exif, quality=95)
    frames = list(open_source(tmp_path))
    assert [frame.shape for frame in frames] == [(48, 64, 3)] * 3
    assert frames[0][0, 0].tolist() == [7, 7, 7]
    assert frames[1][0, 0].tolist() == [1, 2, 3]
    np.testing.assert_allclose(frames[2][5, 5], [250, 10, 10], atol=25)


def test_the_first_image_of_another_size_is_named(folder):
    for index in (3, 11):
        Image.fromarray(picture(index, (48, 66))).save(folder / f"frame{index}.png")
    with pytest.raises(VideoSourceError, match=r"frame3\.png is 66x48, but frame1\.png is 64x48"):
        open_source(folder)


@pytest.mark.parametrize("keep", [0, 20, 2000], ids=["nothing", "half a header", "half a picture"])
def test_a_damaged_image_is_named_or_left_out(folder, keep):
    damaged = folder / "frame5.png"
    assert damaged.stat().st_size > 2000
    os.truncate(damaged, keep)
    with pytest.raises(VideoSourceError, match=r"frame 4 \(frame5\.png\), cannot be decoded"):
        list(open_source(folder))
    source = open_source(folder, on_bad_frame="skip")
    assert len(list(source)) == 11
    assert source.skipped == ["frame 4 (frame5.png)"]


def test_folders_without_images(tmp_path):
    with pytest.raises(VideoSourceError, match="holds no images"):
        open_source(tmp_path)
    (tmp_path / "1.png").touch()
    with pytest.raises(VideoSourceError, match="none of the 1 images"):
        open_source(tmp_path)


def test_natural_order():
    names = ["10.jpg", "2.jpg", "a2b10.jpg", "a2b9.jpg", "01.jpg", "1.jpg", "B.jpg", "a.jpg"]
    assert sorted(names, key=natural_key) == [
        "01.jpg",
        "1.jpg",
        "2.jpg",
        "10.jpg",
        "a2b9.jpg",
        "a2b10.jpg",
        "a.jpg",
        "B.jpg",
    ]
