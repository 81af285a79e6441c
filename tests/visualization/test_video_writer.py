"""Video files."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
import pytest

from univs.visualization import VideoWriter
from univs.visualization import video_writer as module


def ramp(size, shift=0):
    rows, columns = np.indices(size)
    red = 40 + 160 * columns / size[1]
    green = 40 + 160 * rows / size[0]
    return np.stack([red, green, np.full(size, 60.0 + 10 * shift)], axis=-1).astype(np.uint8)


@pytest.mark.parametrize("size", [(48, 64), (47, 63), (17, 34)])
def test_what_is_written_can_be_read(tmp_path, size):
    frames = [ramp(size, shift) for shift in range(6)]
    with VideoWriter(tmp_path / "a.mp4", fps=12.5) as writer:
        for frame in frames:
            writer.write(frame)
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]
    with av.open(str(tmp_path / "a.mp4")) as container:
        stream = container.streams.video[0]
        assert stream.average_rate == Fraction(25, 2)
        assert stream.codec_context.pix_fmt == "yuv420p"
        assert (stream.height, stream.width) == (size[0] + size[0] % 2, size[1] + size[1] % 2)
        decoded = [frame.to_ndarray(format="rgb24") for frame in container.decode(stream)]
    assert len(decoded) == 6
    for original, frame in zip(frames, decoded, strict=True):
        difference = np.abs(frame[: size[0], : size[1]].astype(int) - original)
        assert difference.mean() < 6


def test_mpeg4_serves_where_there_is_no_h264(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_ENCODERS", ("not-in-this-ffmpeg", "mpeg4"))
    assert module.find_encoder() == "mpeg4"
    with VideoWriter(tmp_path / "a.mp4", fps=30000 / 1001) as writer:
        writer.write(ramp((32, 48)))
    with av.open(str(tmp_path / "a.mp4")) as container:
        assert container.streams.video[0].codec_context.name == "mpeg4"
    monkeypatch.setattr(module, "_ENCODERS", ())
    with pytest.raises(RuntimeError, match="no encoder"):
        module.find_encoder()


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_failure_leaves_what_was_there(tmp_path, error):
    (tmp_path / "a.mp4").write_text("old")
    with pytest.raises(error), VideoWriter(tmp_path / "a.mp4", fps=10) as writer:
        writer.write(ramp((32, 48)))
        raise error
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]
    assert (tmp_path / "a.mp4").read_text() == "old"


def test_wrong_frames_and_none_are_refused(tmp_path):
    with (
        pytest.raises(ValueError, match=r"\(16, 32\).*\(32, 48\)"),
        VideoWriter(tmp_path / "a.mp4", fps=10) as writer,
    ):
        writer.write(ramp((32, 48)))
        writer.write(ramp((16, 32)))
    with (
        pytest.raises(ValueError, match="float64"),
        VideoWriter(tmp_path / "a.mp4", fps=10) as writer,
    ):
        writer.write(ramp((32, 48)) / 2)
    with pytest.raises(ValueError, match="no frame"), VideoWriter(tmp_path / "a.mp4", fps=10):
        pass
    with pytest.raises(ValueError, match="fps"):
        VideoWriter(tmp_path / "a.mp4", fps=0)
    with pytest.raises(FileNotFoundError, match="no such folder"):
        VideoWriter(tmp_path / "missing" / "a.mp4", fps=10)
    assert list(tmp_path.iterdir()) == []
