from __future__ import annotations

import json

import pytest
from data.readers.miniatures import box_mask, write_frame, write_ids

from univs.data.catalog import DatasetEntry, DatasetNotFoundError, Location
from univs.data.preparation import prepare_dataset

ENTRY = DatasetEntry(
    name="mini", layout="mose", locations=(Location("JPEGImages", masks="Annotations"),), page="-"
)


@pytest.fixture
def root(tmp_path):
    """Three videos with one object each."""
    for number in range(3):
        write_frame(tmp_path / "JPEGImages" / f"v{number}" / "0.jpg")
        ids = (number + 1) * box_mask(0, 0, 3, 3)
        write_ids(tmp_path / "Annotations" / f"v{number}" / "0.png", ids)
    return tmp_path


def test_the_index_is_made_once(root):
    steps = []
    done = prepare_dataset(ENTRY, root, on_video=lambda *step: steps.append(step))
    (index,) = done.index_files
    assert json.loads(index.read_text()) == [{"1": [0]}, {"2": [0]}, {"3": [0]}]
    assert steps == [(0, 3), (1, 3), (2, 3), (3, 3)]
    assert done.num_videos == 3
    assert list((root / ".index").iterdir()) == [index]
    steps.clear()
    again = prepare_dataset(ENTRY, root, on_video=lambda *step: steps.append(step))
    assert again.index_files == ()
    assert steps == []


def test_an_interrupted_preparation_goes_on(root):
    class Stop(Exception):
        pass

    def stop(done, total):
        if done == 2:
            raise Stop

    with pytest.raises(Stop):
        prepare_dataset(ENTRY, root, on_video=stop)
    (partial,) = (root / ".index").iterdir()
    assert partial.suffix == ".partial"
    # As after a crash in the middle of a line; what is known is not looked at again.
    text = partial.read_text().replace('{"2":', '{"9":')
    partial.write_text(text + '[2, {"3"')
    steps = []
    done = prepare_dataset(ENTRY, root, on_video=lambda *step: steps.append(step))
    assert steps == [(2, 3), (3, 3)]
    (index,) = done.index_files
    assert json.loads(index.read_text()) == [{"1": [0]}, {"9": [0]}, {"3": [0]}]
    assert not partial.exists()


def test_other_datasets_need_none(root):
    entry = DatasetEntry(name="mini", layout="ytvis", locations=(Location("JPEGImages"),), page="-")
    assert prepare_dataset(entry, root).work is None


def test_missing_files_are_named(tmp_path):
    with pytest.raises(DatasetNotFoundError, match="JPEGImages"):
        prepare_dataset(ENTRY, tmp_path)
