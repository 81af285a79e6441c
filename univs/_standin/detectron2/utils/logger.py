"""Loggers as Detectron2 sets them up, rate-limited logging, and small tables."""

from __future__ import annotations

import atexit
import functools
import inspect
import logging
import os
import sys
import time
from collections import Counter
from collections.abc import Mapping
from typing import IO

from tabulate import tabulate
from termcolor import colored

from detectron2.utils.file_io import PathManager

__all__ = [
    "setup_logger",
    "log_first_n",
    "log_every_n",
    "log_every_n_seconds",
    "create_small_table",
]

D2_LOG_BUFFER_SIZE_KEY = "D2_LOG_BUFFER_SIZE"


class _AbbreviatingFormatter(logging.Formatter):
    """Shortens the root of the logger's name, and marks warnings and errors with a colour."""

    def __init__(self, *args, root_name: str, abbrev_name: str, colored: bool, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self._root_name = root_name + "."
        self._abbrev_name = abbrev_name + "." if abbrev_name else ""
        self._colored = colored

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - name of the base
        full_name = record.name
        record.name = full_name.replace(self._root_name, self._abbrev_name)
        try:
            text = super().formatMessage(record)
        finally:
            record.name = full_name
        if not self._colored:
            return text
        if record.levelno == logging.WARNING:
            return f"{colored('WARNING', 'red', attrs=['blink'])} {text}"
        if record.levelno in (logging.ERROR, logging.CRITICAL):
            return f"{colored('ERROR', 'red', attrs=['blink', 'underline'])} {text}"
        return text


@functools.lru_cache  # so that repeated calls do not repeat the handlers
def setup_logger(
    output: str | None = None,
    distributed_rank: int = 0,
    *,
    color: bool = True,
    name: str = "detectron2",
    abbrev_name: str | None = None,
    enable_propagation: bool = False,
    configure_stdout: bool = True,
) -> logging.Logger:
    """Let a logger write to the terminal (rank 0 only) and to a file.

    Args:
        output: a file if it ends in ``.txt`` or ``.log``, else a folder that gets ``log.txt``.
            Ranks other than 0 append ``.rank<n>``. No file if None.
        distributed_rank: rank of this process.
        color: colour what goes to the terminal.
        name: root name of the logger.
        abbrev_name: what is shown in its place; ``d2`` for ``detectron2``; "" hides it.
        enable_propagation: also hand messages to the parent logger.
        configure_stdout: write to the terminal.

    Returns:
        The logger, at level DEBUG.
    """
    logger = logging.getLogger(name)
    logger.setLevel(logging.DEBUG)
    logger.propagate = enable_propagation
    if abbrev_name is None:
        abbrev_name = "d2" if name == "detectron2" else name
    formatter = functools.partial(
        _AbbreviatingFormatter,
        datefmt="%m/%d %H:%M:%S",
        root_name=name,
        abbrev_name=str(abbrev_name),
    )
    plain = formatter("[%(asctime)s] %(name)s %(levelname)s: %(message)s", colored=False)

    if configure_stdout and distributed_rank == 0:
        handler = logging.StreamHandler(stream=sys.stdout)
        handler.setLevel(logging.DEBUG)
        if color:
            prefix = colored("[%(asctime)s %(name)s]: ", "green")
            handler.setFormatter(formatter(prefix + "%(message)s", colored=True))
        else:
            handler.setFormatter(plain)
        logger.addHandler(handler)

    if output is not None:
        is_file = output.endswith((".txt", ".log"))
        filename = output if is_file else os.path.join(output, "log.txt")
        if distributed_rank > 0:
            filename = f"{filename}.rank{distributed_rank}"
        PathManager.mkdirs(os.path.dirname(filename) or ".")
        file_handler = logging.StreamHandler(_cached_log_stream(filename))
        file_handler.setLevel(logging.DEBUG)
        file_handler.setFormatter(plain)
        logger.addHandler(file_handler)
    return logger


@functools.cache
def _cached_log_stream(filename: str) -> IO[str]:
    """Open a log file once, so that several loggers can share it."""
    if "://" in filename:
        buffering = int(os.environ.get(D2_LOG_BUFFER_SIZE_KEY, 1024 * 1024))
        stream = PathManager.open(filename, "a", buffering=buffering)
    else:
        stream = PathManager.open(filename, "a", buffering=1)  # a line at a time
    atexit.register(stream.close)
    return stream


def _find_caller() -> tuple[str, tuple]:
    """Name of the module that called into this file, and a key of the place in its source."""
    frame = inspect.currentframe()
    while frame is not None:
        code = frame.f_code
        if os.path.normcase(code.co_filename) != os.path.normcase(__file__):
            module = frame.f_globals.get("__name__", "__main__")
            module = "detectron2" if module == "__main__" else module
            return module, (code.co_filename, frame.f_lineno, code.co_name)
        frame = frame.f_back
    raise RuntimeError("no caller outside of the logger module")


_LOG_COUNTER: Counter = Counter()
_LOG_TIMER: dict[tuple, float] = {}


def log_first_n(
    lvl: int, msg: str, n: int = 1, *, name: str | None = None, key: str | tuple = "caller"
) -> None:
    """Log only the first ``n`` times.

    Args:
        lvl: logging level.
        msg: the message.
        n: how many times at most.
        name: logger to use; that of the caller's module by default.
        key: what counts as the same: "caller" (the same line of code), "message", or both.
    """
    key = (key,) if isinstance(key, str) else key
    assert len(key) > 0
    caller_module, caller_key = _find_caller()
    hash_key: tuple = ()
    if "caller" in key:
        hash_key += caller_key
    if "message" in key:
        hash_key += (msg,)
    _LOG_COUNTER[hash_key] += 1
    if _LOG_COUNTER[hash_key] <= n:
        logging.getLogger(name or caller_module).log(lvl, msg)


def log_every_n(lvl: int, msg: str, n: int = 1, *, name: str | None = None) -> None:
    """Log the first and then every ``n``-th call made from the same line of code."""
    caller_module, key = _find_caller()
    _LOG_COUNTER[key] += 1
    if n == 1 or _LOG_COUNTER[key] % n == 1:
        logging.getLogger(name or caller_module).log(lvl, msg)


def log_every_n_seconds(lvl: int, msg: str, n: int = 1, *, name: str | None = None) -> None:
    """Log at most once in ``n`` seconds from the same line of code."""
    caller_module, key = _find_caller()
    last_logged = _LOG_TIMER.get(key)
    now = time.time()
    if last_logged is None or now - last_logged >= n:
        logging.getLogger(name or caller_module).log(lvl, msg)
        _LOG_TIMER[key] = now


def create_small_table(small_dict: Mapping[str, object]) -> str:
    """A two-line table, one column per key. Meant for few keys."""
    keys, values = tuple(zip(*small_dict.items(), strict=True))
    return tabulate(
        [values],
        headers=keys,
        tablefmt="pipe",
        floatfmt=".3f",
        stralign="center",
        numalign="center",
    )
