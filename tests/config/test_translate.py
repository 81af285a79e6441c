"""Keys of the original projects: renamed, ignored, silently ignored."""

from __future__ import annotations

import logging

import pytest

from univs.config import ConfigError, ConfigKeyError, get_cfg, load_config, merge
from univs.config.defaults import TRANSLATIONS
from univs.config.merge import _is_known
from univs.config.translate import Translation, find, table

# The part of a published Mask2Former file that this project does not read.
ORIGINAL = """
MODEL:
  RESNETS:
    STEM_TYPE: "basic"  # not used
    RES5_MULTI_GRID: [1, 1, 1]  # not used
  SEM_SEG_HEAD:
    DEFORMABLE_TRANSFORMER_ENCODER_N_POINTS: 4
    DEFORMABLE_TRANSFORMER_ENCODER_N_HEADS: 8
"""


@pytest.fixture
def translations(monkeypatch):
    entries = table(
        [
            Translation("MODEL.SWIN.WINDOW", new="MODEL.SWIN.WINDOW_SIZE"),
            Translation("MODEL.OldSwin", new="MODEL.SWIN"),
            Translation("MODEL.UNUSED", reason="nothing reads it"),
            Translation("SEED", reason="never applies, because the key is known"),
        ]
    )
    monkeypatch.setattr(merge, "TRANSLATIONS", entries)


def test_dead_keys_of_mask2former_load_silently(tmp_path, caplog):
    path = tmp_path / "a.yaml"
    path.write_text(ORIGINAL)
    assert load_config(path) == get_cfg()
    assert not caplog.records


@pytest.mark.usefixtures("translations")
def test_one_warning_lists_everything(tmp_path, caplog):
    base, path = tmp_path / "base.yaml", tmp_path / "a.yaml"
    base.write_text("MODEL:\n  UNUSED:\n    A: 1\n    B: 2\n")
    path.write_text("_BASE_: base.yaml\nMODEL:\n  OldSwin: {APE: True}\nSEED: 3\n")
    with caplog.at_level(logging.WARNING):
        cfg = load_config(path, ["MODEL.SWIN.WINDOW", "12"])
    assert (cfg.MODEL.SWIN.WINDOW_SIZE, cfg.MODEL.SWIN.APE, cfg.SEED) == (12, True, 3)
    (record,) = caplog.records
    assert record.getMessage().splitlines()[1:] == [
        f"  MODEL.UNUSED.A is ignored: nothing reads it ({base})",
        f"  MODEL.UNUSED.B is ignored: nothing reads it ({base})",
        f"  MODEL.OldSwin.APE is now MODEL.SWIN.APE ({path})",
        "  MODEL.SWIN.WINDOW is now MODEL.SWIN.WINDOW_SIZE (command line)",
    ]


@pytest.mark.usefixtures("translations")
def test_old_and_new_name_together_are_refused(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text("MODEL:\n  SWIN:\n    WINDOW: 7\n    WINDOW_SIZE: 12\n")
    with pytest.raises(ConfigError, match="WINDOW is the old name of MODEL.SWIN.WINDOW_SIZE"):
        load_config(path)


@pytest.mark.usefixtures("translations")
def test_unknown_key_below_a_renamed_section(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text("MODEL:\n  OldSwin:\n    NOPE: 7\n")
    with pytest.raises(ConfigKeyError, match="MODEL.OldSwin.NOPE"):
        load_config(path)


def test_a_key_is_found_by_itself_or_by_its_section():
    entries = table([Translation("A.B", new="C")])
    assert find("A.B", entries) is find("A.B.D.E", entries) is entries["A.B"]
    assert find("A", entries) is find("A.BB", entries) is None


def test_contradicting_translations_are_refused():
    with pytest.raises(ValueError, match="translated twice"):
        table([Translation("A", new="B")], [Translation("A", new="C")])


def test_new_names_exist_and_old_ones_do_not():
    cfg = get_cfg()
    for translation in TRANSLATIONS.values():
        assert not _is_known(cfg, translation.key)
        assert translation.reason if translation.new is None else _is_known(cfg, translation.new)
