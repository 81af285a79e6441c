from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from univs.data.readers import json_file
from univs.data.readers.json_file import AnnotationError, contiguous_ids, read_json

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    content=st.dictionaries(st.text(max_size=3), VALUES, max_size=3),
    indent=st.sampled_from([None, 1]),
    piece=st.integers(1, 9),
    ascii_only=st.booleans(),
)
def test_reads_what_json_reads_whatever_the_pieces(
    tmp_path, monkeypatch, content, indent, piece, ascii_only
):
    monkeypatch.setattr(json_file._Parser, "_PIECE", piece)
    path = tmp_path / "a.json"
    text = json.dumps(content, indent=indent, ensure_ascii=ascii_only)
    path.write_text(text, encoding="utf-8")
    assert read_json(path) == json.loads(text)


def test_every_truncation_is_noticed(tmp_path, monkeypatch):
    monkeypatch.setattr(json_file._Parser, "_PIECE", 4)
    text = json.dumps({"videos": [{"id": 12}], "n": 345, "items": [1, 2]})
    path = tmp_path / "a.json"
    for length in range(len(text)):
        path.write_text(text[:length])
        with pytest.raises(AnnotationError, match=r"a.json is not valid json .* truncated"):
            read_json(path, convert={"items": lambda item: item})


def test_items_are_converted_as_they_are_read(tmp_path):
    path = tmp_path / "a.json"
    path.write_text('{"items": [{"a": 1}, {"a": 2}], "empty": [ ], "nothing": null}')
    convert = dict.fromkeys(("items", "empty", "nothing"), lambda item: item["a"])
    assert read_json(path, convert=convert) == {"items": [1, 2], "empty": [], "nothing": None}


@pytest.mark.parametrize("text", ["[1, 2]", "7", "", "{1: 2}", '{"a" 1}'])
def test_anything_but_an_object_is_refused(tmp_path, text):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(AnnotationError, match="a.json is not valid json"):
        read_json(tmp_path / "a.json")


def test_missing_keys_are_named(tmp_path):
    (tmp_path / "a.json").write_text('{"images": []}')
    with pytest.raises(AnnotationError, match=r"no key 'videos'; its keys are \['images'\]"):
        read_json(tmp_path / "a.json", keys=("videos", "images"))


def test_categories_become_ranks():
    categories = [{"id": 9, "name": "b"}, {"id": 4, "name": "a"}]
    assert contiguous_ids(categories, "f.json") == {4: 0, 9: 1}
    with pytest.raises(AnnotationError, match="f.json: category id 4 occurs more than once"):
        contiguous_ids([*categories, {"id": 4, "name": "c"}], "f.json")
