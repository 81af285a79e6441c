from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from univs.evaluation import label_map_files as files


def test_palettes() -> None:
    voc = files.voc_palette()
    expected = [[0, 0, 0], [128, 0, 0], [0, 128, 0], [128, 128, 0], [0, 0, 128]]
    assert voc[:5].tolist() == expected
    assert voc[8].tolist() == [64, 0, 0] and voc[255].tolist() == [224, 224, 192]
    youtube = files.youtube_vos_palette()
    assert youtube[1].tolist() == [236, 95, 103]
    assert youtube[10].tolist() == [101, 115, 126] and youtube[11].tolist() == [11] * 3


@pytest.mark.parametrize("palette", [None, files.voc_palette()])
def test_values_survive_writing_and_reading(tmp_path, palette) -> None:
    label_map = np.arange(256, dtype=np.int64).reshape(8, 32)
    files.write_video(tmp_path / "v", [("00000", label_map)], palette)
    path = tmp_path / "v" / "00000.png"
    np.testing.assert_array_equal(files.read_label_map(path), label_map)
    assert Image.open(path).mode == ("L" if palette is None else "P")
    assert files.frame_names(tmp_path / "v") == ["00000"]


def test_a_video_is_replaced_as_a_whole_or_not_at_all(tmp_path) -> None:
    small = np.ones((4, 4), dtype=np.uint8)
    files.write_video(tmp_path / "v", [("0", small), ("1", small)])
    with pytest.raises(ValueError, match=r"Video 'v', frame 1: the ids 300..300 do not fit"):
        files.write_video(tmp_path / "v", [("0", small), ("1", small.astype(np.int32) * 300)])
    assert files.frame_names(tmp_path / "v") == ["0", "1"]
    files.write_video(tmp_path / "v", [("2", small)])
    assert files.frame_names(tmp_path / "v") == ["2"]
    assert [path.name for path in tmp_path.iterdir()] == ["v"]


def test_bad_files(tmp_path) -> None:
    Image.new("RGB", (4, 4)).save(tmp_path / "colour.png")
    with pytest.raises(ValueError, match="colour.png is a RGB image"):
        files.read_label_map(tmp_path / "colour.png")
    (tmp_path / "broken.png").write_bytes(b"no image")
    with pytest.raises(ValueError, match="broken.png cannot be read"):
        files.read_label_map(tmp_path / "broken.png")
    with pytest.raises(FileNotFoundError, match="no folder"):
        files.frame_names(tmp_path / "missing")
    with pytest.raises(FileNotFoundError, match="the video has no results"):
        files.folder_reader(tmp_path / "missing")
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="holds no PNG"):
        files.frame_names(tmp_path / "empty")
    assert files.folder_reader(tmp_path)("missing") is None
