"""Reading of YAML files: inheritance, errors, and that nothing in a file is executed."""

from __future__ import annotations

import pytest

from univs.config import ConfigError, load_config
from univs.config.yaml_file import read_layers

SIZES = '!!python/object/apply:eval ["[int(x * 0.1 * 512) for x in range(5, 9)]"]'


def test_layers_come_in_merging_order(tmp_path):
    (tmp_path / "a.yaml").write_text("_BASE_: b.yaml\nA: 1\n")
    (tmp_path / "b.yaml").write_text("_BASE_: [c.yaml, d.yaml]\n")
    (tmp_path / "c.yaml").write_text("C: 1\n")
    (tmp_path / "d.yaml").write_text("D: 1\n")
    layers = read_layers(tmp_path / "a.yaml")
    assert [layer.content for layer in layers] == [{"C": 1}, {"D": 1}, {}, {"A": 1}]


def test_absolute_base(tmp_path):
    (tmp_path / "b.yaml").write_text("B: 1\n")
    (tmp_path / "a.yaml").write_text(f"_BASE_: {tmp_path / 'b.yaml'}\n")
    assert read_layers(tmp_path / "a.yaml")[0].content == {"B": 1}


def test_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere.yaml does not exist"):
        load_config(tmp_path / "nowhere.yaml")


def test_missing_base_names_both_files(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text("_BASE_: ../nowhere.yaml\n")
    with pytest.raises(FileNotFoundError) as caught:
        load_config(path)
    assert str(path) in str(caught.value)
    assert str(tmp_path.parent / "nowhere.yaml") in str(caught.value)


def test_circular_base(tmp_path):
    (tmp_path / "a.yaml").write_text("_BASE_: b.yaml\n")
    (tmp_path / "b.yaml").write_text("_BASE_: a.yaml\n")
    with pytest.raises(ConfigError, match="inherits from itself"):
        load_config(tmp_path / "a.yaml")


def test_syntax_error_names_file_and_line(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text("SEED: 1\nMODEL:\n  SWIN: [1, 2\nINPUT: 3\n")
    with pytest.raises(ConfigError, match=r"a\.yaml, line 4:"):
        load_config(path)


@pytest.mark.parametrize("content", [b"\x80\x02}q\x00.", b"\xff\xfe\x00"])
def test_binary_file(tmp_path, content):
    path = tmp_path / "a.yaml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match="not a YAML text file"):
        load_config(path)


@pytest.mark.parametrize("text", ["- 1\n- 2\n", "just text\n", "3\n"])
def test_file_without_keys(tmp_path, text):
    path = tmp_path / "a.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match="not KEY: value pairs"):
        load_config(path)


def test_list_of_sizes_of_original_files_is_computed(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text(f"INPUT:\n  MIN_SIZE_TRAIN: {SIZES}\n")
    assert load_config(path).INPUT.MIN_SIZE_TRAIN == (256, 307, 358, 409)


@pytest.mark.parametrize(
    "expression",
    [
        "__import__('os').mkdir('made_by_yaml')",
        "[open('made_by_yaml', 'w') for x in range(3)]",
        "[x.__class__ for x in range(3)]",
        "[int(y) for x in range(3)]",
        "[int(x) for x in range(10**9)]",
        "[int(x) for x in range(1000000000)]",
        "[int(x) for x in range(3) if x]",
        "[",
    ],
)
def test_other_python_code_is_refused(tmp_path, monkeypatch, expression):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "a.yaml"
    path.write_text(f'SEED: 1\nINPUT: !!python/object/apply:eval ["{expression}"]\n')
    with pytest.raises(ConfigError, match=r"a\.yaml, line 2: Python code"):
        load_config(path)
    assert not (tmp_path / "made_by_yaml").exists()


def test_other_python_tags_are_refused(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text('SEED: !!python/object/apply:os.system ["true"]\n')
    with pytest.raises(ConfigError, match="line 1: could not determine a constructor"):
        load_config(path)
