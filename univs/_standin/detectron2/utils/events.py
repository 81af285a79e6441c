"""Where training code puts its numbers, and the writers that show and keep them."""

from __future__ import annotations

import datetime
import functools
import json
import logging
import os
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import torch
from fvcore.common.history_buffer import HistoryBuffer

from detectron2.utils.file_io import PathManager

__all__ = [
    "get_event_storage",
    "has_event_storage",
    "EventWriter",
    "JSONWriter",
    "TensorboardXWriter",
    "CommonMetricPrinter",
    "EventStorage",
]

_CURRENT_STORAGE_STACK: list[EventStorage] = []


def get_event_storage() -> EventStorage:
    """The storage of the innermost ``with EventStorage()`` around the caller.

    Raises:
        AssertionError: there is none.
    """
    assert _CURRENT_STORAGE_STACK, (
        "get_event_storage() has to be called inside a 'with EventStorage(...)' context!"
    )
    return _CURRENT_STORAGE_STACK[-1]


def has_event_storage() -> bool:
    """Tell whether the caller is inside a ``with EventStorage()``."""
    return bool(_CURRENT_STORAGE_STACK)


class EventWriter:
    """Base of writers, which fetch what they need from the current storage."""

    def write(self) -> None:
        raise NotImplementedError

    def close(self) -> None:
        """Release what the writer holds."""


class JSONWriter(EventWriter):
    """Writes scalars to a file, one JSON object per line and iteration.

    A scalar that is to be smoothed is written as its median over the last ``window_size``
    iterations. Each line has the keys of the scalars and ``iteration``, sorted.
    """

    def __init__(self, json_file: str, window_size: int = 20) -> None:
        """
        Args:
            json_file: appended to if it exists.
            window_size: iterations to smooth over.
        """
        self._file_handle = PathManager.open(json_file, "a")
        self._window_size = window_size
        self._last_write = -1

    def write(self) -> None:
        """Write the scalars that are newer than the last line."""
        storage = get_event_storage()
        lines: dict[int, dict[str, float]] = defaultdict(dict)
        scalars = storage.latest_with_smoothing_hint(self._window_size)
        for name, (value, iteration) in scalars.items():
            if iteration > self._last_write:
                lines[iteration][name] = value
        if lines:
            self._last_write = max(lines)
        for iteration in sorted(lines):
            line = {**lines[iteration], "iteration": iteration}
            self._file_handle.write(json.dumps(line, sort_keys=True) + "\n")
        self._file_handle.flush()
        with suppress(AttributeError, OSError):  # not a file of the operating system
            os.fsync(self._file_handle.fileno())

    def close(self) -> None:
        self._file_handle.close()


class TensorboardXWriter(EventWriter):
    """Writes scalars, images and histograms for TensorBoard."""

    def __init__(self, log_dir: str, window_size: int = 20, **kwargs: Any) -> None:
        """
        Args:
            log_dir: folder of the event files.
            window_size: iterations to smooth scalars over.
            kwargs: further arguments of ``torch.utils.tensorboard.SummaryWriter``.
        """
        self._window_size = window_size
        self._writer_args = {"log_dir": log_dir, **kwargs}
        self._last_write = -1

    @functools.cached_property
    def _writer(self) -> Any:
        from torch.utils.tensorboard import SummaryWriter

        return SummaryWriter(**self._writer_args)

    def write(self) -> None:
        """Write what is newer than the last call."""
        storage = get_event_storage()
        newest = self._last_write
        scalars = storage.latest_with_smoothing_hint(self._window_size)
        for name, (value, iteration) in scalars.items():
            if iteration > self._last_write:
                self._writer.add_scalar(name, value, iteration)
                newest = max(newest, iteration)
        self._last_write = newest

        for name, image, step in storage._vis_data:
            self._writer.add_image(name, image, step)
        storage.clear_images()
        for parameters in storage._histograms:
            self._writer.add_histogram_raw(**parameters)
        storage.clear_histograms()

    def close(self) -> None:
        if "_writer" in self.__dict__:
            self._writer.close()


class CommonMetricPrinter(EventWriter):
    """Logs one line with losses, speed, learning rate, memory and the estimated end."""

    def __init__(self, max_iter: int | None = None, window_size: int = 20) -> None:
        """
        Args:
            max_iter: last iteration, to estimate the remaining time; no estimate if None.
            window_size: losses are medians over this many iterations.
        """
        self.logger = logging.getLogger("detectron2.utils.events")
        self._max_iter = max_iter
        self._window_size = window_size
        self._last_write: tuple[int, float] | None = None  # iteration and time, if nobody times

    def _get_eta(self, storage: EventStorage) -> str:
        if self._max_iter is None:
            return ""
        iteration = storage.iter
        if "time" in storage.histories():
            seconds = storage.history("time").median(1000) * (self._max_iter - iteration - 1)
            storage.put_scalar("eta_seconds", seconds, smoothing_hint=False)
            return str(datetime.timedelta(seconds=int(seconds)))
        # No hook measures the time: a coarser estimate from one call to the next.
        eta = ""
        now = time.perf_counter()
        if self._last_write is not None and iteration > self._last_write[0]:
            per_iteration = (now - self._last_write[1]) / (iteration - self._last_write[0])
            seconds = per_iteration * (self._max_iter - iteration - 1)
            eta = str(datetime.timedelta(seconds=int(seconds)))
        self._last_write = (iteration, now)
        return eta

    def write(self) -> None:
        """Log the line; nothing once ``max_iter`` is reached."""
        storage = get_event_storage()
        iteration = storage.iter
        if iteration == self._max_iter:
            return  # the last step has been written already; this call comes from after_train
        histories = storage.histories()

        def medians(mark: str) -> str:
            return "  ".join(
                f"{name}: {history.median(storage.count_samples(name, self._window_size)):.4g}"
                for name, history in histories.items()
                if mark in name
            )

        speed = ""
        if "time" in histories:  # absent while IterationTimer warms up
            history = histories["time"]
            speed += f"time: {history.global_avg():.4f}  last_time: {history.latest():.4f}  "
        if "data_time" in histories:
            history = histories["data_time"]
            average = history.avg(storage.count_samples("data_time", self._window_size))
            speed += f"data_time: {average:.4f}  last_data_time: {history.latest():.4f}  "

        eta = self._get_eta(storage)
        eta = f"eta: {eta}  " if eta else ""
        lr = f"{histories['lr'].latest():.5g}" if "lr" in histories else "N/A"
        memory = ""
        if torch.cuda.is_available():
            memory = f"max_mem: {torch.cuda.max_memory_allocated() / 1024**2:.0f}M"
        self.logger.info(
            f" {eta}iter: {iteration}  {medians('loss')}  {medians('[metric]')}  {speed} "
            f"lr: {lr}  {memory}"
        )


class EventStorage:
    """Numbers, images and histograms of a run, stamped with the iteration.

    Used as a context manager: inside, :func:`get_event_storage` returns the storage.
    """

    def __init__(self, start_iter: int = 0) -> None:
        """
        Args:
            start_iter: iteration of the first entries.
        """
        self._history: dict[str, HistoryBuffer] = defaultdict(HistoryBuffer)
        self._smoothing_hints: dict[str, bool] = {}
        self._latest_scalars: dict[str, tuple[float, int]] = {}
        self._iter = start_iter
        self._current_prefix = ""
        self._vis_data: list[tuple[str, Any, int]] = []
        self._histograms: list[dict[str, Any]] = []

    def put_image(self, img_name: str, img_tensor: Any) -> None:
        """Keep an image for TensorBoard.

        Args:
            img_name: its name.
            img_tensor: [C, H, W], uint8 or float, C = 3 (RGB).
        """
        self._vis_data.append((img_name, img_tensor, self._iter))

    def put_scalar(
        self, name: str, value: float, smoothing_hint: bool = True, cur_iter: int | None = None
    ) -> None:
        """Keep a number under ``name``, prefixed by the current :meth:`name_scope`.

        Args:
            name: its name; those with "loss" in them appear in the log line.
            value: a number or a tensor with one element.
            smoothing_hint: whether writers should smooth it (a loss: yes; the result of an
                evaluation: no). It must be the same for all calls with this name.
            cur_iter: its iteration, if not the storage's.
        """
        name = self._current_prefix + name
        iteration = self._iter if cur_iter is None else cur_iter
        value = float(value)
        self._history[name].update(value, iteration)
        self._latest_scalars[name] = (value, iteration)
        known_hint = self._smoothing_hints.setdefault(name, smoothing_hint)
        assert known_hint == smoothing_hint, (
            f"Scalar {name} was put with a different smoothing_hint before!"
        )

    def put_scalars(
        self, *, smoothing_hint: bool = True, cur_iter: int | None = None, **kwargs: float
    ) -> None:
        """Keep several numbers: ``put_scalars(loss=loss, accuracy=accuracy)``."""
        for name, value in kwargs.items():
            self.put_scalar(name, value, smoothing_hint=smoothing_hint, cur_iter=cur_iter)

    def put_histogram(self, hist_name: str, hist_tensor: torch.Tensor, bins: int = 1000) -> None:
        """Keep a histogram of the values of a tensor for TensorBoard."""
        low, high = hist_tensor.min().item(), hist_tensor.max().item()
        counts = torch.histc(hist_tensor, bins=bins)
        edges = torch.linspace(low, high, steps=bins + 1, dtype=torch.float32)
        self._histograms.append(
            {
                "tag": hist_name,
                "min": low,
                "max": high,
                "num": len(hist_tensor),
                "sum": float(hist_tensor.sum()),
                "sum_squares": float(torch.sum(hist_tensor**2)),
                "bucket_limits": edges[1:].tolist(),
                "bucket_counts": counts.tolist(),
                "global_step": self._iter,
            }
        )

    def history(self, name: str) -> HistoryBuffer:
        """All values of a scalar.

        Raises:
            KeyError: nothing was put under this name.
        """
        history = self._history.get(name)
        if history is None:
            raise KeyError(f"No history metric available for {name}!")
        return history

    def histories(self) -> Mapping[str, HistoryBuffer]:
        """The histories of all scalars by name."""
        return self._history

    def latest(self) -> dict[str, tuple[float, int]]:
        """The last value of every scalar and its iteration."""
        return self._latest_scalars

    def latest_with_smoothing_hint(self, window_size: int = 20) -> dict[str, tuple[float, int]]:
        """As :meth:`latest`, with medians over a window for scalars that want smoothing."""
        return {
            name: (
                self._history[name].median(self.count_samples(name, window_size))
                if self._smoothing_hints[name]
                else value,
                iteration,
            )
            for name, (value, iteration) in self._latest_scalars.items()
        }

    def count_samples(self, name: str, window_size: int = 20) -> int:
        """How many values of ``name`` lie in its last ``window_size`` iterations."""
        values = self._history[name].values()
        newest = values[-1][1]
        samples = 0
        for _, iteration in reversed(values):
            if iteration <= newest - window_size:
                break
            samples += 1
        return samples

    def recent_scalars(self, window_size: int = 20) -> dict[str, list[tuple[float, int]]]:
        """What smoothing needs of the scalars that want it, to be kept in a checkpoint."""
        return {
            name: list(history.values()[-self.count_samples(name, window_size) :])
            for name, history in self._history.items()
            if self._smoothing_hints[name]
        }

    def continue_scalars(self, recent_scalars: Mapping[str, list[tuple[float, int]]]) -> None:
        """Put back what :meth:`recent_scalars` returned, for smoothing only."""
        for name, values in recent_scalars.items():
            self._smoothing_hints[name] = True
            for value, iteration in values:
                self._history[name].update(value, iteration)

    def smoothing_hints(self) -> dict[str, bool]:
        """Whether each scalar wants smoothing."""
        return self._smoothing_hints

    def step(self) -> None:
        """Go to the next iteration. Trainers set :attr:`iter` instead."""
        self._iter += 1

    @property
    def iter(self) -> int:
        """The current iteration; while training, always that of the trainer."""
        return self._iter

    @iter.setter
    def iter(self, value: int) -> None:
        self._iter = int(value)

    @property
    def iteration(self) -> int:
        """The same as :attr:`iter`."""
        return self._iter

    def __enter__(self) -> EventStorage:
        _CURRENT_STORAGE_STACK.append(self)
        return self

    def __exit__(self, *exception: object) -> None:
        assert _CURRENT_STORAGE_STACK[-1] is self
        _CURRENT_STORAGE_STACK.pop()

    @contextmanager
    def name_scope(self, name: str) -> Iterator[None]:
        """Inside, the names of scalars get the prefix ``name/``."""
        old_prefix = self._current_prefix
        self._current_prefix = name.rstrip("/") + "/"
        try:
            yield
        finally:
            self._current_prefix = old_prefix

    def clear_images(self) -> None:
        """Forget the images, once written."""
        self._vis_data = []

    def clear_histograms(self) -> None:
        """Forget the histograms, once written."""
        self._histograms = []
