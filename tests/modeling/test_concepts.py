from __future__ import annotations

import importlib.util
import json
import pickle
from pathlib import Path

import pytest
import torch

from univs.modeling.concepts import (
    PUBLISHED_DOMAINS,
    PUBLISHED_NUM_CONCEPTS,
    ConceptTable,
    hashed_concept_table,
    read_concept_table,
)

TOOL = Path(__file__).resolve().parents[2] / "tools" / "extract_concept_embeddings.py"


@pytest.fixture(scope="module")
def tool():
    spec = importlib.util.spec_from_file_location("extract_concept_embeddings", TOOL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def save(path: Path, content: object) -> str:
    torch.save(content, path)
    return str(path)


def test_the_published_table_is_a_bare_matrix(tmp_path):
    embeddings = torch.randn(PUBLISHED_NUM_CONCEPTS, 8)
    table = read_concept_table(save(tmp_path / "table.pth", embeddings), 8)
    assert torch.equal(table.embeddings, embeddings)
    assert table.rows("coco_panoptic") == slice(2641, 2774)
    assert table.rows("entityseg_panoptic").stop == PUBLISHED_NUM_CONCEPTS
    assert table.has("ovis")
    assert not table.has("sa_1b")
    assert not table.has(None)


def test_published_class_lists_tile_the_table():
    ends = {first + count for first, count in PUBLISHED_DOMAINS.values()}
    starts = {first for first, _ in PUBLISHED_DOMAINS.values()}
    assert starts <= ends | {0}
    assert max(ends) == PUBLISHED_NUM_CONCEPTS


def test_an_unknown_class_list_is_named():
    table = ConceptTable(torch.zeros(3, 2), {"toy": (0, 3)})
    with pytest.raises(ValueError, match="no classes of 'coco'; it has those of toy"):
        table.rows("coco")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            torch.zeros(PUBLISHED_NUM_CONCEPTS, 512),
            "have 512 channels, but MODEL.UniVS.TEXT_DIM is 640",
        ),
        (torch.zeros(10, 640), r"a bare matrix of shape \[10, 640\]"),
        ({"model": torch.zeros(1)}, "is not a concept table"),
        ({"embeddings": torch.zeros(3, 640), "domains": {"a": [1, 3]}}, "is said to be 3 rows"),
        ({"embeddings": torch.zeros(640), "domains": {}}, "must be a matrix"),
    ],
)
def test_a_wrong_table_says_what_is_wrong(tmp_path, content, message):
    with pytest.raises(ValueError, match=message):
        read_concept_table(save(tmp_path / "table.pth", content), 640)


def test_a_missing_table_says_how_to_get_one(tmp_path):
    with pytest.raises(FileNotFoundError, match="extract_concept_embeddings.py"):
        read_concept_table(str(tmp_path / "missing.pth"), 640)


class Malicious:
    def __reduce__(self):
        return (exec, ("raise SystemExit",))


def test_a_table_executes_nothing(tmp_path):
    path = tmp_path / "table.pth"
    path.write_bytes(pickle.dumps(Malicious()))
    with pytest.raises(ValueError, match="cannot be read as a concept table"):
        read_concept_table(str(path), 640)


def test_hashed_tables_follow_the_names():
    table = hashed_concept_table([["things", ["circle", "ring"]], ["stuff", ["sky"]]], 16)
    assert table.domains == {"things": (0, 2), "stuff": (2, 1)}
    other = hashed_concept_table([["all", ["sky", "circle"]]], 16)
    assert torch.equal(table.embeddings[[2, 0]], other.embeddings)


def test_the_tool_writes_what_the_model_reads(tool, tmp_path, capsys):
    (tmp_path / "things.txt").write_text("circle\n\nring\n")
    (tmp_path / "coco.json").write_text(json.dumps({"categories": [{"id": 1, "name": "sky"}]}))
    output = tmp_path / "table.pth"
    arguments = ["--clip", "hashed", "--dim", "16", "--output", str(output), "--classes"]
    arguments += [f"things={tmp_path / 'things.txt'}", f"stuff={tmp_path / 'coco.json'}"]
    assert tool.main(arguments) == 0
    assert "3 classes of 2 lists, 16 channels" in capsys.readouterr().out
    table = read_concept_table(str(output), 16)
    expected = hashed_concept_table([["things", ["circle", "ring"]], ["stuff", ["sky"]]], 16)
    assert torch.equal(table.embeddings, expected.embeddings)
    assert table.domains == expected.domains
    assert list(tmp_path.glob(".*")) == []
    with pytest.raises(SystemExit):
        tool.main(arguments)  # it exists
    assert "exists" in capsys.readouterr().err


def test_the_tool_names_a_wrong_file(tool, tmp_path, capsys):
    arguments = ["--clip", "hashed", "--output", str(tmp_path / "t.pth"), "--classes"]
    assert tool.main([*arguments, f"a={tmp_path / 'missing.txt'}"]) == 1
    assert "missing.txt" in capsys.readouterr().err
    assert tool.main([*arguments, "a"]) == 1
    assert "NAME=FILE" in capsys.readouterr().err
