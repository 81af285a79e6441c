from __future__ import annotations

import json

import pytest

from univs.data.readers.held_out import held_out_videos, read_held_out_videos


def test_videos_are_held_out_until_their_category_is_full():
    """Twenty videos, two categories: the cap is 2 * 2 // 2 = 2 annotations of a category."""
    lengths = dict.fromkeys(range(20), 30)
    annotations = [(video, 1) for video in range(10)] + [(video, 2) for video in range(10, 20)]
    # "At most the cap so far" lets one more than the cap in.
    held_out = held_out_videos(lengths, annotations, num_categories=2)
    assert held_out == {0, 1, 2, 10, 11, 12}
    assert len(held_out_videos(lengths, annotations, num_categories=2, cap_factor=2)) == 10


def test_long_videos_and_those_without_annotations_stay():
    lengths = {0: 101, 1: 100, 2: 5, **dict.fromkeys(range(3, 20), 30)}
    assert held_out_videos(lengths, [(0, 1), (1, 1)], num_categories=2) == {1}


def test_the_first_annotation_decides_and_all_are_counted():
    lengths = dict.fromkeys(range(20), 30)
    annotations = [(0, 1), (0, 2), (0, 2), (0, 2), (1, 2), (1, 1), (2, 1)]
    # Video 0 fills category 2, so video 1, met by that category, stays; video 2 does not.
    assert held_out_videos(lengths, annotations, num_categories=2) == {0, 2}


@pytest.fixture
def json_file(tmp_path):
    path = tmp_path / "train.json"
    path.write_text(
        json.dumps(
            {
                "videos": [{"id": n, "file_names": ["a"] * 30} for n in range(20)],
                "categories": [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}],
                "annotations": [
                    {"id": n, "video_id": n, "category_id": 1 + n // 10} for n in range(20)
                ],
            }
        )
    )
    return path


def test_the_list_is_kept_until_the_file_changes(json_file, tmp_path):
    index = tmp_path / "index"
    expected = {0, 1, 2, 10, 11, 12}
    assert read_held_out_videos(json_file, index_folder=index) == expected
    (kept,) = index.iterdir()
    kept.write_text("[7]")
    assert read_held_out_videos(json_file, index_folder=index) == {7}
    json_file.write_text(json_file.read_text() + " ")
    assert read_held_out_videos(json_file, index_folder=index) == expected
