"""Reading YAML configuration files and the files they inherit from, without executing anything.

``_BASE_`` names a file, or a list of files, relative to the file it stands in. Later files of the
list override earlier ones, and the file itself overrides them all.
"""

from __future__ import annotations

import ast
import operator
import os
from collections.abc import Mapping
from dataclasses import dataclass

import yaml

from detectron2.utils.file_io import PathManager
from univs.config.errors import ConfigError

BASE_KEY = "_BASE_"


@dataclass(frozen=True)
class Layer:
    """The content of one file, without its ``_BASE_``."""

    path: str
    content: dict


def read_layers(path: str | os.PathLike) -> list[Layer]:
    """Read ``path`` and everything it inherits from, in the order in which they are to be merged.

    Raises:
        FileNotFoundError: the file, or a file named by a ``_BASE_``, does not exist.
        ConfigError: a file is not valid YAML, is no mapping, or inherits from itself.
    """
    return _read_layers(os.fspath(path), inherited_by=())


def _read_layers(path: str, inherited_by: tuple[str, ...]) -> list[Layer]:
    if os.path.abspath(path) in map(os.path.abspath, inherited_by):
        chain = " -> ".join((*inherited_by, path))
        raise ConfigError(f"{path} inherits from itself ({chain}). Remove one of these {BASE_KEY}.")
    content = _read_mapping(path, inherited_by)
    bases = content.pop(BASE_KEY, [])
    bases = [bases] if isinstance(bases, str) else bases
    if not isinstance(bases, list) or not all(isinstance(base, str) for base in bases):
        raise ConfigError(f"{path}: {BASE_KEY} must be a file name or a list of file names.")
    layers = []
    for base in bases:
        layers += _read_layers(_resolve(base, path), (*inherited_by, path))
    return [*layers, Layer(path, content)]


def _resolve(base: str, path: str) -> str:
    if base.startswith("~"):
        return os.path.expanduser(base)
    if "://" in base or os.path.isabs(base):
        return base
    return os.path.normpath(os.path.join(os.path.dirname(path), base))


def _read_mapping(path: str, inherited_by: tuple[str, ...]) -> dict:
    if not PathManager.isfile(path):
        if inherited_by:
            raise FileNotFoundError(
                f"{inherited_by[-1]} has {BASE_KEY} {path}, which does not exist. Correct "
                f"{BASE_KEY}; it is relative to the file it stands in."
            )
        raise FileNotFoundError(f"Configuration file {path} does not exist.")
    with PathManager.open(path, "rb") as file:
        return parse_mapping(file.read(), path)


def parse_mapping(text: str | bytes, source: str) -> dict:
    """Read YAML without executing anything.

    Args:
        text: the YAML.
        source: where it comes from, for messages.

    Raises:
        ConfigError: it is not valid YAML, or no mapping.
    """
    try:
        content = yaml.load(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f", line {mark.line + 1}" if mark else ""
        raise ConfigError(f"{source}{line}: {error.problem or error.context}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{source} is not a YAML text file: {error}") from error
    if content is None:
        return {}
    if not isinstance(content, Mapping):
        raise ConfigError(
            f"{source} holds a {type(content).__name__}, not KEY: value pairs. Is it a "
            "configuration file?"
        )
    return dict(content)


class _Loader(yaml.SafeLoader):
    """Safe YAML, and the one Python expression that original files use: a list of sizes."""


def _construct_sizes(loader: _Loader, node: yaml.Node) -> list[int]:
    arguments = loader.construct_sequence(node) if isinstance(node, yaml.SequenceNode) else []
    try:
        (text,) = arguments
        return _evaluate_sizes(ast.parse(text, mode="eval").body)
    except (TypeError, ValueError, SyntaxError) as error:
        raise yaml.constructor.ConstructorError(
            None,
            None,
            "Python code in a configuration is not executed; only an expression like "
            '"[int(x * 0.1 * 512) for x in range(5, 21)]" is understood. Write the values out.',
            node.start_mark,
        ) from error


_Loader.add_constructor("tag:yaml.org,2002:python/object/apply:eval", _construct_sizes)
_Loader.add_constructor(
    "tag:yaml.org,2002:python/tuple", lambda loader, node: tuple(loader.construct_sequence(node))
)

_OPERATORS = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul}
_MOST_SIZES = 1000


def _evaluate_sizes(node: ast.expr) -> list[int]:
    """Compute ``[f(x) for x in range(a, b)]`` where f uses int, +, - and * on numbers only."""
    match node:
        case ast.ListComp(
            elt=element,
            generators=[
                ast.comprehension(
                    target=ast.Name(id=name),
                    iter=ast.Call(func=ast.Name(id="range"), args=bounds, keywords=[]),
                    ifs=[],
                )
            ],
        ):
            values = range(*(_evaluate_number(bound, {}) for bound in bounds))
            if len(values) > _MOST_SIZES:
                raise ValueError("too many values")
            return [_evaluate_number(element, {name: value}) for value in values]
    raise ValueError("not a list of sizes")


def _evaluate_number(node: ast.expr, variables: dict[str, int]) -> int | float:
    match node:
        case ast.Constant(value=int() | float() as value):
            return value
        case ast.Name(id=name) if name in variables:
            return variables[name]
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
            compute = _OPERATORS[type(op)]
            return compute(_evaluate_number(left, variables), _evaluate_number(right, variables))
        case ast.Call(func=ast.Name(id="int"), args=[argument], keywords=[]):
            return int(_evaluate_number(argument, variables))
    raise ValueError("not a number")
