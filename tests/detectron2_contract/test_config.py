"""Defaults, merging, and classes built from a config."""

from __future__ import annotations

import pytest
import yaml

from detectron2.config import CfgNode, configurable, get_cfg


def _leaves(facts: dict, path: tuple[str, ...] = ()) -> dict[tuple[str, ...], dict]:
    leaves = {}
    for key, value in facts.items():
        if set(value) == {"type", "value"} and isinstance(value["type"], str):
            leaves[(*path, key)] = value
        else:
            leaves.update(_leaves(value, (*path, key)))
    return leaves


def _as_lists(value: object) -> object:
    return [_as_lists(item) for item in value] if isinstance(value, (list, tuple)) else value


def _paths(cfg: CfgNode, path: tuple[str, ...] = ()) -> set[tuple[str, ...]]:
    found = set()
    for key, value in cfg.items():
        found |= _paths(value, (*path, key)) if isinstance(value, CfgNode) else {(*path, key)}
    return found


def test_defaults(contract):
    facts = _leaves(contract["config_defaults"])
    cfg = get_cfg()
    assert _paths(cfg) == set(facts)
    for path, fact in facts.items():
        value = cfg
        for key in path:
            value = value[key]
        assert _as_lists(value) == fact["value"], path
        assert type(value).__name__ == fact["type"], path


def test_get_cfg_returns_copies():
    get_cfg().MODEL.PIXEL_MEAN.append(1.0)
    assert len(get_cfg().MODEL.PIXEL_MEAN) == 3


def test_base_files_are_merged_first(tmp_path):
    (tmp_path / "base.yaml").write_text("SOLVER: {BASE_LR: 0.5, MAX_ITER: 9}\n")
    (tmp_path / "folder").mkdir()
    child = tmp_path / "folder" / "child.yaml"
    child.write_text("_BASE_: ../base.yaml\nVERSION: 2\nSOLVER: {MAX_ITER: 7, STEPS: [3, 5]}\n")
    cfg = get_cfg()
    cfg.merge_from_file(str(child))
    assert (cfg.SOLVER.BASE_LR, cfg.SOLVER.MAX_ITER) == (0.5, 7)
    assert cfg.SOLVER.STEPS == (3, 5)  # the type of the default


def test_merge_from_list_keeps_types():
    cfg = get_cfg()
    cfg.merge_from_list(["SOLVER.STEPS", "(1, 2)", "INPUT.CROP.SIZE", "(3, 4)", "SEED", "5"])
    assert cfg.SOLVER.STEPS == (1, 2)
    assert cfg.INPUT.CROP.SIZE == [3, 4]
    assert cfg.SEED == 5
    with pytest.raises(ValueError, match="Type mismatch"):
        cfg.merge_from_list(["SEED", "'five'"])


def test_unknown_key_is_an_error(tmp_path):
    path = tmp_path / "cfg.yaml"
    path.write_text("SOLVER: {BASE_LRR: 0.5}\n")
    with pytest.raises(KeyError, match="BASE_LRR"):
        get_cfg().merge_from_file(str(path))
    with pytest.raises((AssertionError, KeyError), match="BASE_LRR"):
        get_cfg().merge_from_list(["SOLVER.BASE_LRR", 1])


def test_missing_file_is_named():
    with pytest.raises((AssertionError, FileNotFoundError), match="nowhere.yaml"):
        get_cfg().merge_from_file("nowhere.yaml")


def test_frozen_config_cannot_be_changed():
    cfg = get_cfg()
    cfg.freeze()
    with pytest.raises(AttributeError):
        cfg.SEED = 1
    assert cfg.clone().is_frozen()


def test_dump_is_plain_yaml(tmp_path):
    cfg = get_cfg()
    cfg.SOLVER.STEPS = (1, 2)
    text = cfg.dump()
    assert yaml.safe_load(text)["SOLVER"]["STEPS"] == [1, 2]
    path = tmp_path / "config.yaml"
    path.write_text(text)
    again = get_cfg()
    again.merge_from_file(str(path))
    assert yaml.safe_load(again.dump()) == yaml.safe_load(text)
    assert again.SOLVER.STEPS == (1, 2)


def test_other_version_is_refused(only_standin, tmp_path):
    path = tmp_path / "old.yaml"
    path.write_text("VERSION: 1\n")
    with pytest.raises(ValueError, match="old.yaml.*VERSION 1"):
        get_cfg().merge_from_file(str(path))


def test_file_cannot_run_code(only_standin, tmp_path):
    path = tmp_path / "evil.yaml"
    path.write_text(f"OUTPUT_DIR: !!python/object/apply:os.mkdir ['{tmp_path / 'made'}']\n")
    with pytest.raises(ValueError, match="evil.yaml.*allow_unsafe"):
        get_cfg().merge_from_file(str(path))
    assert not (tmp_path / "made").exists()


class _Layer:
    @configurable
    def __init__(self, width: int, depth: int = 3, *, name: str = "layer") -> None:
        self.arguments = (width, depth, name)

    @classmethod
    def from_config(cls, cfg, scale: int = 1) -> dict:
        return {"width": cfg.WIDTH * scale, "name": "from config"}


class _Child(_Layer):
    @configurable
    def __init__(self, extra: int, **kwargs) -> None:
        super().__init__(**kwargs)
        self.extra = extra

    @classmethod
    def from_config(cls, cfg) -> dict:
        return {**super().from_config(cfg), "extra": 7}


class _Inheriting(_Layer):
    pass


@pytest.fixture
def width_cfg() -> CfgNode:
    return CfgNode({"WIDTH": 5})


def test_configurable_class(width_cfg):
    assert _Layer(1).arguments == (1, 3, "layer")
    assert _Layer(width=1, depth=2, name="a").arguments == (1, 2, "a")
    assert _Layer(width_cfg).arguments == (5, 3, "from config")
    assert _Layer(cfg=width_cfg).arguments == (5, 3, "from config")
    assert _Layer(width_cfg, 2).arguments == (10, 3, "from config")  # positional: to from_config
    assert _Layer(width_cfg, scale=2, depth=9).arguments == (10, 9, "from config")
    assert _Layer(width_cfg, name="given").arguments == (5, 3, "given")


def test_configurable_subclasses(width_cfg):
    child = _Child(width_cfg)
    assert (child.extra, child.arguments) == (7, (5, 3, "from config"))
    assert _Child(extra=1, width=2).arguments == (2, 3, "layer")
    assert _Inheriting(width_cfg).arguments == (5, 3, "from config")


def test_configurable_function(width_cfg):
    @configurable(from_config=lambda cfg: {"width": cfg.WIDTH})
    def build(width, depth=3):
        return width, depth

    assert build(1, depth=2) == (1, 2)
    assert build(width_cfg) == (5, 3)
    assert build(width_cfg, depth=8) == (5, 8)


def test_configurable_passes_everything_to_a_from_config_that_takes_anything(width_cfg):
    class Open:
        @configurable
        def __init__(self, **kwargs):
            self.kwargs = kwargs

        @classmethod
        def from_config(cls, cfg, **kwargs):
            return {"width": cfg.WIDTH, "seen": sorted(kwargs)}

    assert Open(width_cfg, a=1).kwargs == {"width": 5, "seen": ["a"]}


def test_configurable_misuse(width_cfg):
    class Without:
        @configurable
        def __init__(self, a):
            pass

    class NoClassMethod:
        @configurable
        def __init__(self, a):
            pass

        def from_config(self, cfg):
            return {}

    class WrongName:
        @configurable
        def __init__(self, a):
            pass

        @classmethod
        def from_config(cls, config):
            return {}

    with pytest.raises(AttributeError, match="from_config"):
        Without(width_cfg)
    with pytest.raises(TypeError, match="from_config"):
        NoClassMethod(width_cfg)
    with pytest.raises(TypeError, match="'cfg' as the first argument"):
        WrongName(width_cfg)
