"""Ctrl-C that waits for the end of an iteration, so that a run stops in a state worth saving."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import torch
import torch.distributed as dist

from detectron2.utils import comm

__all__ = ["DeferredInterrupt"]


class DeferredInterrupt:
    """Remembers the first SIGINT instead of raising ``KeyboardInterrupt`` at once.

    The second one is raised immediately. It takes effect as a context manager, only in the main
    thread, and only where Python's own handler is in place.
    """

    def __init__(self) -> None:
        self.requested = False
        self._raise_at_once = False
        self._installed = False

    def __enter__(self) -> DeferredInterrupt:
        in_main_thread = threading.current_thread() is threading.main_thread()
        if in_main_thread and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, self._handle)
            self._installed = True
        return self

    def __exit__(self, *exception: object) -> None:
        if self._installed:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            self._installed = False

    def _handle(self, signal_number: int, frame: FrameType | None) -> None:
        at_once = self.requested or self._raise_at_once
        self.requested = True
        if at_once:
            raise KeyboardInterrupt

    @contextmanager
    def raised_at_once(self) -> Iterator[None]:
        """Inside, already the first SIGINT is raised, and one that is waiting is raised first.

        With several processes it keeps waiting: they must all stop at the same place.
        """
        if comm.get_world_size() > 1:
            yield
            return
        if self.requested:
            raise KeyboardInterrupt
        self._raise_at_once = self._installed
        try:
            yield
        finally:
            self._raise_at_once = False

    def requested_anywhere(self) -> bool:
        """Tell whether any process was asked to stop. All of them must call this together."""
        if comm.get_world_size() == 1:
            return self.requested
        flag = torch.tensor([int(self.requested)])
        dist.all_reduce(flag, op=dist.ReduceOp.MAX, group=comm._get_global_gloo_group())
        self.requested = bool(flag.item())
        return self.requested

    def announce(self, iteration: int) -> None:
        """Log that the run stops after ``iteration``."""
        logging.getLogger(__name__).info(
            "Interrupted: training stops after iteration %d. Continue it with --resume.", iteration
        )
