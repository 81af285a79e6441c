from __future__ import annotations

import os

import numpy as np
import pytest
from PIL import Image

from univs.data.frames import FrameError
from univs.data.mask_source import IdMaps, MapEncoding
from univs.data.readers.folders import list_frames, mask_names, presence, read_video_list
from univs.data.readers.json_file import AnnotationError


def test_lists_of_videos(tmp_path):
    path = tmp_path / "val.txt"
    path.write_text("b\n\n a \n")
    assert read_video_list(path) == ["b", "a"]
    path.write_text("a\na\n")
    with pytest.raises(AnnotationError, match="lists 'a' more than once"):
        read_video_list(path)
    path.write_text("\n")
    with pytest.raises(AnnotationError, match="lists no videos"):
        read_video_list(path)


def test_frames_are_sorted_and_other_files_left_out(tmp_path):
    folder = tmp_path / "v"
    folder.mkdir()
    for name in ("00002.jpg", "00001.JPG", "readme.txt"):
        (folder / name).touch()
    frames = list_frames(tmp_path, "v")
    assert frames.file_names == ("v/00001.JPG", "v/00002.jpg")
    (tmp_path / "masks" / "v").mkdir(parents=True)
    (tmp_path / "masks" / "v" / "00002.png").touch()
    assert mask_names(frames, tmp_path / "masks", "v") == (None, "v/00002.png")
    assert mask_names(frames, tmp_path / "nowhere", "v") == (None, None)


def test_missing_and_empty_folders_are_named(tmp_path):
    with pytest.raises(FrameError, match="v does not exist"):
        list_frames(tmp_path, "v")
    (tmp_path / "v").mkdir()
    with pytest.raises(FrameError, match="v holds no images"):
        list_frames(tmp_path, "v")


@pytest.fixture
def maps(tmp_path):
    for name, ids in (("0.png", [[0, 2]]), ("2.png", [[2, 9]])):
        Image.fromarray(np.array(ids, np.uint8)).save(tmp_path / name)
    names = ("0.png", None, "2.png")
    return IdMaps(str(tmp_path), names, MapEncoding.VALUE, (1, 2), void=7)


def test_presence_is_kept_until_a_file_changes(tmp_path, maps):
    index = tmp_path / "index"
    expected = [{2: (0, 2), 9: (2,)}]
    assert presence([maps], index_folder=index, name="d") == expected
    (kept,) = index.iterdir()
    before = kept.stat().st_mtime_ns
    assert presence([maps], index_folder=index, name="d") == expected
    assert kept.stat().st_mtime_ns == before
    Image.fromarray(np.array([[7, 3]], np.uint8)).save(tmp_path / "0.png")
    os.utime(tmp_path / "0.png", ns=(1, 1))
    assert presence([maps], index_folder=index, name="d") == [{2: (2,), 3: (0,), 9: (2,)}]


def test_a_place_that_cannot_be_written_costs_only_the_index(tmp_path, maps, caplog):
    (tmp_path / "file").touch()
    assert presence([maps], index_folder=tmp_path / "file" / "index", name="d") == [
        {2: (0, 2), 9: (2,)}
    ]
    assert "could not be kept" in caplog.text
