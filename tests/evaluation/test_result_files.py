"""Result files."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from univs.evaluation.result_files import (
    ResultParts,
    atomic_text_file,
    pack_records,
    read_json_list,
    write_packed_records,
)

ENTRIES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@settings(deadline=None)
@given(st.lists(ENTRIES, max_size=6), st.integers(1, 40), st.sampled_from([None, 1]))
def test_streamed_list_equals_json(tmp_path_factory, entries, chunk_size, indent):
    path = tmp_path_factory.mktemp("list") / "list.json"
    path.write_text(" " + json.dumps(entries, indent=indent) + "\n", encoding="utf-8")
    assert list(read_json_list(path, chunk_size)) == entries


@pytest.mark.parametrize(
    "text", ["", "{}", "[1", "[1,", "[1,]", "[1 2]", "[1] 2", '[{"a": 1}', "[,1]", "nonsense"]
)
@pytest.mark.parametrize("chunk_size", [1, 3, 100])
def test_damaged_list_is_an_error(tmp_path, text, chunk_size):
    path = tmp_path / "damaged.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"damaged\.json"):
        list(read_json_list(path, chunk_size))


def test_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "folder" / "file.txt"
    with atomic_text_file(path) as file:
        file.write("old")
    with pytest.raises(RuntimeError), atomic_text_file(path) as file:
        file.write("half of the new")
        raise RuntimeError
    assert path.read_text() == "old"
    assert [entry.name for entry in path.parent.iterdir()] == ["file.txt"]


def test_packed_records_are_joined(tmp_path):
    lists = [[{"a": 1}, {"b": None}], [], [{"c": [1.5, "x"]}]]
    write_packed_records(tmp_path / "all.json", map(pack_records, lists))
    assert json.loads((tmp_path / "all.json").read_text()) == sum(lists, [])
    write_packed_records(tmp_path / "none.json", [])
    assert json.loads((tmp_path / "none.json").read_text()) == []


def test_parts_are_joined_in_the_given_order_and_removed(tmp_path):
    parts = ResultParts(tmp_path / "out" / "results.json")
    for name, records in (("b/1", [{"x": 1}]), (2, []), ("a", [{"x": 2}, {"x": 3}]), ("old", [7])):
        parts.write(name, records)
    parts.join(["a", "b/1", 2])
    assert json.loads(parts.path.read_text()) == [{"x": 2}, {"x": 3}, {"x": 1}]
    assert list(parts.path.parent.iterdir()) == [parts.path]
    parts.write("a", [{"x": 4}])
    parts.join(["a"], {"split": "val"}, "sequences")
    assert json.loads(parts.path.read_text()) == {"split": "val", "sequences": [{"x": 4}]}
