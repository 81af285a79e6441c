"""Merging of YAML files and overrides: what is accepted, and what the errors say."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from univs.config import ConfigError, ConfigKeyError, ConfigTypeError, get_cfg, load_config
from univs.config.merge import _checked


@pytest.fixture
def write(tmp_path):
    def write_file(name: str, text: str) -> str:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return str(path)

    return write_file


def test_values_override_defaults_and_options_override_values(write):
    path = write("a.yaml", "MODEL:\n  SWIN:\n    EMBED_DIM: 128\n    WINDOW_SIZE: 12\n")
    cfg = load_config(path, ["MODEL.SWIN.WINDOW_SIZE", "7"])
    assert (cfg.MODEL.SWIN.EMBED_DIM, cfg.MODEL.SWIN.WINDOW_SIZE) == (128, 7)
    assert cfg.MODEL.SWIN.PATCH_SIZE == get_cfg().MODEL.SWIN.PATCH_SIZE


def test_base_files_are_relative_and_later_ones_win(write):
    write("one.yaml", "SEED: 1\nOUTPUT_DIR: one\n")
    write("two.yaml", "SEED: 2\nVIS_PERIOD: 2\n")
    path = write("deep/three.yaml", "_BASE_: [../one.yaml, ../two.yaml]\nVIS_PERIOD: 3\n")
    cfg = load_config(path)
    assert (cfg.OUTPUT_DIR, cfg.SEED, cfg.VIS_PERIOD) == ("one", 2, 3)


def test_result_equals_that_of_merge_from_file(write):
    write("base.yaml", 'DATASETS:\n  TRAIN: ("a", "b")\nSOLVER:\n  BASE_LR: 1e-3\n')
    path = write("a.yaml", "_BASE_: base.yaml\nINPUT:\n  MIN_SIZE_TRAIN: [3, 4]\n")
    expected = get_cfg()
    expected.merge_from_file(path)
    assert load_config(path) == expected


def test_base_argument_is_not_changed(write):
    base = get_cfg()
    base.SEED = 5
    base.freeze()
    cfg = load_config(write("a.yaml", "OUTPUT_DIR: here\n"), base=base)
    assert (cfg.SEED, cfg.OUTPUT_DIR) == (5, "here")
    assert base.OUTPUT_DIR != "here"
    assert base.is_frozen()
    assert not cfg.is_frozen()


def test_empty_file_and_empty_section_change_nothing(write):
    assert load_config(write("empty.yaml", "")) == get_cfg()
    assert load_config(write("section.yaml", "MODEL:\n")) == get_cfg()


@pytest.mark.parametrize(
    ("key", "text", "expected"),
    [
        ("SOLVER.BASE_LR", "1e-4", 1e-4),  # YAML itself reads this as text
        ("SOLVER.BASE_LR", "1", 1.0),
        ("SOLVER.STEPS", "[1, 2]", (1, 2)),
        ("INPUT.CROP.SIZE", "(3, 4)", [3, 4]),
        ("SOLVER.WEIGHT_DECAY_BIAS", "0.5", 0.5),  # the default is None
        ("MODEL.WEIGHTS", "94520", "94520"),  # a file name that looks like a number
        ("MODEL.SWIN.APE", "True", True),
    ],
)
def test_values_take_the_type_of_the_default(write, key, text, expected):
    cfg = load_config(write("a.yaml", ""), [key, text])
    for name in key.split("."):
        cfg = cfg[name]
    assert cfg == expected
    assert type(cfg) is type(expected)


def test_every_unknown_key_is_named_with_file_and_suggestion(write):
    path = write("a.yaml", "MODEL:\n  SWIN:\n    WINDOWSIZE: 7\n  DEC_LAYERS: 3\nXYZZY_QQ: 1\n")
    with pytest.raises(ConfigKeyError) as caught:
        load_config(path)
    assert caught.value.keys == ("MODEL.SWIN.WINDOWSIZE", "MODEL.DEC_LAYERS", "XYZZY_QQ")
    first, second, third = str(caught.value).splitlines()
    assert path in first
    assert "MODEL.SWIN.WINDOWSIZE; did you mean MODEL.SWIN.WINDOW_SIZE" in first
    assert "MODEL.DEC_LAYERS; did you mean " in second
    assert "MODEL.MASK_FORMER.DEC_LAYERS?" in second
    assert third.endswith("unknown key XYZZY_QQ.")


def test_error_in_a_base_names_the_base(write):
    base = write("base.yaml", "SEEED: 1\n")
    path = write("a.yaml", "_BASE_: base.yaml\n")
    with pytest.raises(ConfigKeyError, match="SEEED; did you mean SEED") as caught:
        load_config(path)
    assert str(caught.value).startswith(base)


def test_unknown_override_names_the_command_line(write):
    with pytest.raises(KeyError, match="command line: unknown key solver.base_lr; did you mean"):
        load_config(write("a.yaml", ""), ["solver.base_lr", "1"])


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("SOLVER.MAX_ITER", "1.5", "must be a int, got '1.5' (a float)"),
        ("SOLVER.MAX_ITER", "True", "must be a int, got 'True' (a bool)"),
        ("SOLVER.BASE_LR", "fast", "must be a float, got 'fast' (a str)"),
        ("MODEL.SWIN.APE", "1", "must be a bool, got '1' (a int)"),
        ("DATASETS.TRAIN", "coco", "must be a tuple, got 'coco' (a str)"),
        ("MODEL.SWIN", "tiny", "is a section of keys, got 'tiny' (a str)"),
    ],
)
def test_wrong_type_names_key_type_and_value(write, key, value, says):
    with pytest.raises(ConfigTypeError) as caught:
        load_config(write("a.yaml", ""), [key, value])
    assert f"{key} {says}" in str(caught.value)


def test_section_in_place_of_a_value(write):
    with pytest.raises(ConfigTypeError, match="OUTPUT_DIR must be a str"):
        load_config(write("a.yaml", "OUTPUT_DIR:\n  A: 1\n"))


def test_odd_number_of_overrides(write):
    with pytest.raises(ConfigError, match="pairs KEY VALUE; got 1 words: SEED"):
        load_config(write("a.yaml", ""), ["SEED"])


def test_other_version_is_refused(write):
    with pytest.raises(ConfigError, match="VERSION is 1"):
        load_config(write("a.yaml", "VERSION: 1\n"))


@given(st.text(max_size=40) | st.sampled_from(["{[]}", "(" * 300, "1e999", "\0", "None"]))
def test_any_override_value_is_kept_or_refused_clearly(text):
    try:
        value = _checked(text, "default", "KEY", "here")
    except ConfigTypeError:
        pytest.fail("text must always be accepted where text is expected")
    assert value is None or isinstance(value, str)
