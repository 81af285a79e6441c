from __future__ import annotations

import http.server
import threading
from functools import partial

import numpy as np
import pytest

from univs.data.live_source import is_live
from univs.data.video_source import VideoSourceError, open_source
from univs.visualization import VideoWriter

SIZE = (48, 64)


@pytest.fixture
def stream(tmp_path):
    """The URL of a video of 9 frames, and one of a text, on a server of this process."""
    with VideoWriter(tmp_path / "walk.mp4", 25.0) as writer:
        for brightness in range(0, 225, 25):
            writer.write(np.full((*SIZE, 3), brightness, np.uint8))
    (tmp_path / "text.mp4").write_text("no video")

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    handler = partial(Handler, directory=tmp_path)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_stream_is_read_frame_by_frame(stream):
    source = open_source(f"{stream}/walk.mp4?quality=high")
    assert source.is_live
    assert (source.name, source.size, source.fps) == ("walk", SIZE, 25.0)
    frames = list(source)
    assert [frame.shape for frame in frames] == [(*SIZE, 3)] * 9
    assert np.diff([frame.mean() for frame in frames]).min() > 10


@pytest.mark.parametrize("name", ["text.mp4", "gone.mp4"])
def test_what_cannot_be_opened_is_named(stream, name):
    with pytest.raises(VideoSourceError, match=f"{name} cannot be opened"):
        open_source(f"{stream}/{name}")


def test_a_camera_that_is_not_there_is_named():
    with pytest.raises(VideoSourceError, match=r"camera .*97.* cannot be opened"):
        open_source("97")


def test_files_come_before_cameras(tmp_path, monkeypatch):
    assert is_live("0") and is_live("rtsp://host/stream") and not is_live("a/b.mp4")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "0").mkdir()
    with pytest.raises(VideoSourceError, match="holds no images"):
        open_source("0")
