"""Evaluators, and the loop that feeds them."""

from __future__ import annotations

import datetime
import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import torch

from detectron2.utils.comm import get_world_size, is_main_process
from detectron2.utils.logger import log_every_n_seconds

__all__ = ["DatasetEvaluator", "DatasetEvaluators", "inference_context", "inference_on_dataset"]

_NUM_WARMUP = 5  # first batches that speed is not measured on


class DatasetEvaluator:
    """Base of evaluators, which collect a model's outputs and turn them into numbers."""

    def reset(self) -> None:
        """Prepare for a new round of evaluation."""

    def process(self, inputs: Any, outputs: Any) -> None:
        """Take one batch.

        Args:
            inputs: what the model was called with.
            outputs: what it returned.
        """

    def evaluate(self) -> dict[str, Any] | None:
        """Summarise what was processed.

        Returns:
            ``{task: {metric: number}}`` on the main process; None elsewhere.
        """


class DatasetEvaluators(DatasetEvaluator):
    """Several evaluators as one. Their results must not share a key."""

    def __init__(self, evaluators: Iterable[DatasetEvaluator]) -> None:
        super().__init__()
        self._evaluators = list(evaluators)

    def reset(self) -> None:
        for evaluator in self._evaluators:
            evaluator.reset()

    def process(self, inputs: Any, outputs: Any) -> None:
        for evaluator in self._evaluators:
            evaluator.process(inputs, outputs)

    def evaluate(self) -> dict[str, Any]:
        results: OrderedDict[str, Any] = OrderedDict()
        for evaluator in self._evaluators:
            result = evaluator.evaluate()
            if is_main_process() and result is not None:
                for key, value in result.items():
                    assert key not in results, (
                        f"Different evaluators produce results with the same key {key}"
                    )
                    results[key] = value
        return results


def inference_on_dataset(
    model: Callable[[Any], Any] | torch.nn.Module,
    data_loader: Iterable,
    evaluator: DatasetEvaluator | list[DatasetEvaluator] | None,
    callbacks: Mapping[str, Callable[[], Any]] | None = None,
) -> dict[str, Any]:
    """Run a model over a data loader and evaluate its outputs. The speed is logged.

    Args:
        model: any callable; a module is in evaluation mode meanwhile.
        data_loader: yields the inputs of the model, and has a length.
        evaluator: one or more; None only runs the model.
        callbacks: functions for "on_start" and "on_end".

    Returns:
        What ``evaluator.evaluate()`` returns; {} for None.
    """
    num_devices = get_world_size()
    logger = logging.getLogger(__name__)
    total = len(data_loader)
    logger.info("Start inference on %d batches", total)
    if evaluator is None:
        evaluator = DatasetEvaluators([])
    if isinstance(evaluator, (list, tuple)):
        evaluator = DatasetEvaluators(evaluator)
    evaluator.reset()
    callbacks = callbacks or {}

    num_warmup = min(_NUM_WARMUP, total - 1)
    start_time = time.perf_counter()
    total_data_time = total_compute_time = total_eval_time = 0.0
    with ExitStack() as stack:
        if isinstance(model, torch.nn.Module):
            stack.enter_context(inference_context(model))
        stack.enter_context(torch.no_grad())

        start_data_time = time.perf_counter()
        callbacks.get("on_start", lambda: None)()
        for index, inputs in enumerate(data_loader):
            total_data_time += time.perf_counter() - start_data_time
            if index == num_warmup:
                start_time = time.perf_counter()
                total_data_time = total_compute_time = total_eval_time = 0.0

            start_compute_time = time.perf_counter()
            outputs = model(inputs)
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            total_compute_time += time.perf_counter() - start_compute_time

            start_eval_time = time.perf_counter()
            evaluator.process(inputs, outputs)
            total_eval_time += time.perf_counter() - start_eval_time

            done = index + 1 - num_warmup * int(index >= num_warmup)
            seconds = (time.perf_counter() - start_time) / done
            if index >= num_warmup * 2 or seconds > 5:
                eta = datetime.timedelta(seconds=int(seconds * (total - index - 1)))
                log_every_n_seconds(
                    logging.INFO,
                    f"Inference done {index + 1}/{total}. "
                    f"Dataloading: {total_data_time / done:.4f} s/iter. "
                    f"Inference: {total_compute_time / done:.4f} s/iter. "
                    f"Eval: {total_eval_time / done:.4f} s/iter. "
                    f"Total: {seconds:.4f} s/iter. "
                    f"ETA={eta}",
                    n=5,
                )
            start_data_time = time.perf_counter()
        callbacks.get("on_end", lambda: None)()

    measured = max(total - num_warmup, 1)
    total_time = time.perf_counter() - start_time
    logger.info(
        "Total inference time: %s (%.6f s / iter per device, on %d devices)",
        datetime.timedelta(seconds=total_time),
        total_time / measured,
        num_devices,
    )
    logger.info(
        "Total inference pure compute time: %s (%.6f s / iter per device, on %d devices)",
        datetime.timedelta(seconds=int(total_compute_time)),
        total_compute_time / measured,
        num_devices,
    )
    results = evaluator.evaluate()
    return {} if results is None else results


@contextmanager
def inference_context(model: torch.nn.Module) -> Iterator[None]:
    """Put a model into evaluation mode, and back into its former mode afterwards."""
    training_mode = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(training_mode)
