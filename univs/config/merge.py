"""Merging YAML files and command-line overrides into a configuration, with helpful errors."""

from __future__ import annotations

import ast
import difflib
import os
from collections.abc import Collection, Iterator, Mapping, Sequence

from detectron2.config import CfgNode
from univs.config import translate
from univs.config.defaults import SYSTEM_DEFAULTS, TRANSLATIONS, get_cfg
from univs.config.errors import ConfigError, ConfigKeyError, ConfigTypeError
from univs.config.yaml_file import parse_mapping, read_layers

_COMMAND_LINE = "command line"


def load_config(
    path: str | os.PathLike, options: Sequence = (), base: CfgNode | None = None
) -> CfgNode:
    """Read a YAML file with everything it inherits, then apply overrides.

    As with Detectron2, a value that is text is read as a Python literal where it is one, tuples and
    lists stand for each other, and None is accepted anywhere. Beyond Detectron2, a whole number is
    accepted where a real one is expected, and keys of the original projects are translated (see
    :mod:`univs.config.translate`).

    Args:
        path: the YAML file; local, or anything Detectron2's ``PathManager`` opens.
        options: overrides as on the command line, ``["SOLVER.BASE_LR", "0.001", ...]``.
        base: what to merge into; it is not changed. Default: :func:`univs.config.get_cfg`.

    Returns:
        A new configuration, not frozen.

    Raises:
        FileNotFoundError: the file or a file it inherits from is missing.
        ConfigKeyError: a key is unknown; all unknown keys of the file are named.
        ConfigTypeError: a value has the wrong type.
        ConfigError: a file is not valid, or ``options`` are not pairs.
    """
    cfg = get_cfg() if base is None else base.clone()
    cfg.defrost()
    log = translate.TranslationLog()
    chosen: set[str] = set()
    for layer in read_layers(path):
        values = dict(_flatten(layer.content, cfg))
        chosen.update(values)
        _merge(cfg, values, layer.path, log)
    overrides = _pairs(options)
    chosen.update(overrides)
    _merge(cfg, overrides, _COMMAND_LINE, log)
    log.warn()
    if base is None:
        _merge(cfg, _defaults_of_system(cfg, chosen), "defaults", log)
    return cfg


def _defaults_of_system(cfg: CfgNode, chosen: Collection[str]) -> dict[str, object]:
    """Defaults that the chosen system has instead of the common ones, of keys nobody has set."""
    architecture = cfg.MODEL.META_ARCHITECTURE
    return {
        key: value
        for prefix, values in SYSTEM_DEFAULTS.items()
        if architecture.startswith(prefix)
        for key, value in values.items()
        if key not in chosen
    }


def parse_config(text: str, options: Sequence = (), *, source: str) -> CfgNode:
    """Read a configuration that inherits from nothing, as checkpoints carry it.

    Args:
        text: the YAML.
        options: see :func:`load_config`.
        source: where the text comes from, for messages.

    Raises:
        ConfigError: as for :func:`load_config`.
    """
    cfg, log = get_cfg(), translate.TranslationLog()
    _merge(cfg, dict(_flatten(parse_mapping(text, source), cfg)), source, log)
    _merge(cfg, _pairs(options), _COMMAND_LINE, log)
    log.warn()
    return cfg


def _pairs(options: Sequence) -> dict[str, object]:
    if len(options) % 2:
        raise ConfigError(
            f"Overrides on the {_COMMAND_LINE} come in pairs KEY VALUE; got {len(options)} words: "
            f"{' '.join(map(str, options))}"
        )
    return dict(zip(options[::2], options[1::2], strict=True))


def _flatten(
    content: Mapping, node: CfgNode | None, prefix: str = ""
) -> Iterator[tuple[str, object]]:
    """Yield dotted keys and values; a mapping is a section unless ``node`` has a leaf there."""
    for name, value in content.items():
        key = f"{prefix}{name}"
        known = node.get(name) if node is not None else None
        is_section = isinstance(known, CfgNode)
        if isinstance(value, Mapping) and (is_section or node is None or name not in node):
            yield from _flatten(value, known if is_section else None, f"{key}.")
        elif is_section and value is None:  # "SECTION:" with nothing below it
            continue
        else:
            yield key, value


def _merge(
    cfg: CfgNode, values: dict[str, object], source: str, log: translate.TranslationLog
) -> None:
    """Set the dotted keys of ``values`` in ``cfg``; those of original projects are translated."""
    unknown = []
    for key, value in values.items():
        if not _is_known(cfg, key):
            translation = translate.find(key, TRANSLATIONS)
            renamed = translation and translation.renamed(key)
            if translation is None or (renamed and not _is_known(cfg, renamed)):
                unknown.append(key)
                continue
            log.add(key, translation, source)
            if renamed is None:
                continue
            if renamed in values:
                raise ConfigError(
                    f"{source}: {key} is the old name of {renamed}, and both are set. Keep "
                    f"{renamed}."
                )
            key = renamed
        if key == "VERSION" and _literal(value) != cfg.VERSION:
            raise ConfigError(
                f"{source}: VERSION is {value}, but only {cfg.VERSION} can be read. Bring the file "
                "up to date, or delete the line if its keys are current."
            )
        node, name = _locate(cfg, key)
        node[name] = _checked(value, node[name], key, source)
    if unknown:
        known = list(_dotted_names(cfg))
        lines = [f"{source}: unknown key {key}{_suggestion(key, known)}" for key in unknown]
        raise ConfigKeyError("\n".join(lines), tuple(unknown))


def _locate(cfg: CfgNode, key: str) -> tuple[CfgNode, str]:
    *sections, name = key.split(".")
    for section in sections:
        cfg = cfg[section]
    return cfg, name


def _is_known(cfg: CfgNode, key: str) -> bool:
    for name in key.split("."):
        if not isinstance(cfg, CfgNode) or name not in cfg:
            return False
        cfg = cfg[name]
    return True


def _dotted_names(cfg: CfgNode, prefix: str = "") -> Iterator[str]:
    for name, value in cfg.items():
        yield prefix + name
        if isinstance(value, CfgNode):
            yield from _dotted_names(value, f"{prefix}{name}.")


def _suggestion(key: str, known: list[str], most: int = 3) -> str:
    """Say which known keys may be meant: the same, or the same name elsewhere, or similar ones."""
    upper = key.upper()
    leaf = upper.rpartition(".")[2]
    exact = [name for name in known if name.upper() == upper]
    same_name = [name for name in known if name.rpartition(".")[2] == leaf]
    nearest = (
        exact
        or difflib.get_close_matches(upper, same_name, most, cutoff=0.5)
        or difflib.get_close_matches(upper, known, most)
    )
    return f"; did you mean {' or '.join(nearest)}?" if nearest else "."


def _checked(value: object, current: object, key: str, source: str) -> object:
    """Return ``value`` in the type of ``current``."""
    literal = _literal(value)
    if isinstance(current, CfgNode):
        raise _type_error(f"{key} is a section of keys", value, literal, source)
    if literal is None or current is None:
        return literal
    expected = type(current)
    if isinstance(literal, expected) and not (isinstance(literal, bool) and expected is not bool):
        return literal
    if expected is str and isinstance(value, str):
        return value  # text that happens to look like a number
    if expected is float and type(literal) is int:
        return float(literal)
    if expected in (list, tuple) and isinstance(literal, list | tuple):
        return expected(literal)
    raise _type_error(f"{key} must be a {expected.__name__}", value, literal, source)


def _type_error(rule: str, value: object, literal: object, source: str) -> ConfigTypeError:
    return ConfigTypeError(f"{source}: {rule}, got {value!r} (a {type(literal).__name__}).")


def _literal(value: object) -> object:
    """Read text as the Python literal it is, if it is one."""
    if not isinstance(value, str):
        return value
    try:
        return ast.literal_eval(value)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return value
