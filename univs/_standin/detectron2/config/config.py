"""The config node, and the decorator that lets a class be built from one."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

import yaml
from fvcore.common.config import CfgNode as _CfgNode

from detectron2.utils.file_io import PathManager

__all__ = ["CfgNode", "configurable", "get_cfg", "global_cfg", "set_global_cfg"]


class CfgNode(_CfgNode):
    """A tree of options: ``_BASE_`` files, typed merging, frozen on demand.

    A merged value must have the type of the one it replaces; tuples and lists replace each other
    and take the type of the default.
    """

    @classmethod
    def _open_cfg(cls, filename: str) -> Any:
        return PathManager.open(filename, "r")

    def merge_from_file(self, cfg_filename: str, allow_unsafe: bool = False) -> None:
        """Merge a YAML file, and before it the file that its ``_BASE_`` names.

        Args:
            cfg_filename: the YAML file.
            allow_unsafe: let the file build any Python object (and so run any code). Detectron2
                allows that by default; here a file that needs it is an error.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: the file has another VERSION than this config, or needs ``allow_unsafe``.
            KeyError: it has a key that this config does not declare.
        """
        if not PathManager.isfile(cfg_filename):
            raise FileNotFoundError(f"Config file '{cfg_filename}' does not exist!")
        try:
            content = self.load_yaml_with_base(cfg_filename, allow_unsafe=allow_unsafe)
        except yaml.constructor.ConstructorError as error:
            raise ValueError(
                f"Config file '{cfg_filename}' (or its _BASE_) has YAML tags that build Python "
                "objects and may run any code. Replace them by plain values, or, if you trust "
                f"the file, merge it with allow_unsafe=True. {error}"
            ) from error
        loaded = type(self)(content)
        version = loaded.get("VERSION", self.get("VERSION"))
        if "VERSION" in self and version != self.VERSION:
            raise ValueError(
                f"Config file '{cfg_filename}' has VERSION {version}, but only VERSION "
                f"{self.VERSION} can be read. Convert it with an installed Detectron2, "
                "or delete the line if its keys are those of the current version."
            )
        self.merge_from_other_cfg(loaded)


global_cfg = CfgNode()


def get_cfg() -> CfgNode:
    """A fresh copy of the default config."""
    from detectron2.config.defaults import _C

    return _C.clone()


def set_global_cfg(cfg: CfgNode) -> None:
    """Let :data:`global_cfg` show the keys of ``cfg``. Better pass configs around."""
    global_cfg.clear()
    global_cfg.update(cfg)


def configurable(
    init_func: Callable | None = None, *, from_config: Callable[..., dict] | None = None
) -> Callable:
    """Let a class or function be called either with its own arguments or with a config.

    On the constructor of a class whose ``from_config(cls, cfg, ...)`` class method turns a config
    into a dictionary of the constructor's arguments::

        class A:
            @configurable
            def __init__(self, width, depth=3): ...

            @classmethod
            def from_config(cls, cfg):
                return {"width": cfg.WIDTH}

        A(width=1)             # plain construction
        A(cfg)                 # through from_config
        A(cfg, depth=5)        # keywords that from_config does not take override its values

    On a function, ``from_config`` is an argument of the decorator::

        @configurable(from_config=lambda cfg: {"width": cfg.WIDTH})
        def build(width, depth=3): ...

    Only a config that comes first, or as the keyword ``cfg``, is treated as one.
    """
    if init_func is not None:
        assert (
            inspect.isfunction(init_func)
            and from_config is None
            and init_func.__name__ == "__init__"
        ), "Incorrect use of @configurable: decorate __init__, or give from_config for a function"

        @functools.wraps(init_func)
        def wrapped(self: Any, *args: Any, **kwargs: Any) -> None:
            try:
                from_config_func = type(self).from_config
            except AttributeError as error:
                raise AttributeError(
                    "Class with @configurable must have a 'from_config' classmethod."
                ) from error
            if not inspect.ismethod(from_config_func):
                raise TypeError("Class with @configurable must have a 'from_config' classmethod.")
            if _called_with_cfg(*args, **kwargs):
                explicit_args = _get_args_from_config(from_config_func, *args, **kwargs)
                init_func(self, **explicit_args)
            else:
                init_func(self, *args, **kwargs)

        return wrapped

    if from_config is None:
        return configurable  # written with empty parentheses on a constructor
    assert inspect.isfunction(from_config), (
        "from_config argument of configurable must be a function!"
    )

    def wrapper(orig_func: Callable) -> Callable:
        @functools.wraps(orig_func)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            if _called_with_cfg(*args, **kwargs):
                return orig_func(**_get_args_from_config(from_config, *args, **kwargs))
            return orig_func(*args, **kwargs)

        wrapped.from_config = from_config
        return wrapped

    return wrapper


def _get_args_from_config(from_config_func: Callable, *args: Any, **kwargs: Any) -> dict[str, Any]:
    """Arguments for the decorated callable: those of ``from_config``, overridden by keywords.

    Keywords that ``from_config`` accepts go to it; the others go to the callable itself.
    """
    parameters = inspect.signature(from_config_func).parameters
    if next(iter(parameters)) != "cfg":
        where = (
            from_config_func.__name__
            if inspect.isfunction(from_config_func)
            else f"{from_config_func.__self__}.from_config"
        )
        raise TypeError(f"{where} must take 'cfg' as the first argument!")
    takes_anything = any(
        parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
        for parameter in parameters.values()
    )
    if takes_anything:
        return from_config_func(*args, **kwargs)
    overrides = {name: kwargs.pop(name) for name in list(kwargs) if name not in parameters}
    arguments = from_config_func(*args, **kwargs)
    arguments.update(overrides)
    return arguments


def _called_with_cfg(*args: Any, **kwargs: Any) -> bool:
    return (bool(args) and isinstance(args[0], _CfgNode)) or isinstance(kwargs.get("cfg"), _CfgNode)
