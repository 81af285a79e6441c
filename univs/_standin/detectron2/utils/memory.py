"""Recovery from a GPU that has no memory left."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

import torch

__all__ = ["retry_if_cuda_oom"]


@contextmanager
def _ignore_torch_cuda_oom() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        if "CUDA out of memory. " not in str(error):
            raise


def retry_if_cuda_oom(func: Callable) -> Callable:
    """Let a stateless function survive a full GPU.

    When it fails for lack of memory it is called again after the cache was emptied, and, if that
    fails too, with its tensor arguments moved to the CPU (those inside of containers are not). The
    result then lies on the CPU, too.

    Example::

        output = retry_if_cuda_oom(some_function)(tensor1, tensor2)
    """

    def maybe_to_cpu(argument: Any) -> Any:
        on_gpu = getattr(getattr(argument, "device", None), "type", None) == "cuda"
        return argument.to(device="cpu") if on_gpu and hasattr(argument, "to") else argument

    @wraps(func)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        with _ignore_torch_cuda_oom():
            return func(*args, **kwargs)

        torch.cuda.empty_cache()
        with _ignore_torch_cuda_oom():
            return func(*args, **kwargs)

        logging.getLogger(__name__).info(
            "Attempting to copy inputs of %s to CPU due to CUDA OOM", func
        )
        new_args = (maybe_to_cpu(argument) for argument in args)
        new_kwargs = {name: maybe_to_cpu(argument) for name, argument in kwargs.items()}
        return func(*new_args, **new_kwargs)

    return wrapped
