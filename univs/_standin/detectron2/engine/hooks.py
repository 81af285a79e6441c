"""The hooks of the default trainer."""

from __future__ import annotations

import datetime
import logging
import math
import operator
import time
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

import torch
from fvcore.common.checkpoint import Checkpointer
from fvcore.common.checkpoint import PeriodicCheckpointer as _PeriodicCheckpointer
from fvcore.common.param_scheduler import ParamScheduler
from fvcore.common.timer import Timer
from fvcore.nn.precise_bn import get_bn_modules, update_bn_stats

from detectron2.engine.train_loop import HookBase, TrainerBase
from detectron2.evaluation.testing import flatten_results_dict
from detectron2.solver import LRMultiplier
from detectron2.utils import comm
from detectron2.utils.events import EventStorage, EventWriter

__all__ = [
    "BestCheckpointer",
    "CallbackHook",
    "EvalHook",
    "IterationTimer",
    "LRScheduler",
    "PeriodicCheckpointer",
    "PeriodicWriter",
    "PreciseBN",
]


class CallbackHook(HookBase):
    """Calls functions of the trainer."""

    def __init__(
        self,
        *,
        before_train: Callable[[TrainerBase], Any] | None = None,
        after_train: Callable[[TrainerBase], Any] | None = None,
        before_step: Callable[[TrainerBase], Any] | None = None,
        after_step: Callable[[TrainerBase], Any] | None = None,
    ) -> None:
        """Each function takes the trainer; None does nothing."""
        self._before_train = before_train
        self._after_train = after_train
        self._before_step = before_step
        self._after_step = after_step

    def before_train(self) -> None:
        if self._before_train:
            self._before_train(self.trainer)

    def after_train(self) -> None:
        if self._after_train:
            self._after_train(self.trainer)
        # The functions may refer to the trainer: they go, so that it can be freed.
        del self._before_train, self._after_train
        del self._before_step, self._after_step

    def before_step(self) -> None:
        if self._before_step:
            self._before_step(self.trainer)

    def after_step(self) -> None:
        if self._after_step:
            self._after_step(self.trainer)


class IterationTimer(HookBase):
    """Puts the seconds of each iteration into the storage as ``time``, and logs a summary.

    The hooks registered between it and the step are counted: register it first.
    """

    def __init__(self, warmup_iter: int = 3) -> None:
        """
        Args:
            warmup_iter: first iterations that are not counted.
        """
        self._warmup_iter = warmup_iter
        self._step_timer = Timer()
        self._start_time = time.perf_counter()
        self._total_timer = Timer()

    def before_train(self) -> None:
        self._start_time = time.perf_counter()
        self._total_timer.reset()
        self._total_timer.pause()

    def after_train(self) -> None:
        logger = logging.getLogger(__name__)
        total_time = time.perf_counter() - self._start_time
        total_time_minus_hooks = self._total_timer.seconds()
        hook_time = total_time - total_time_minus_hooks
        num_iter = self.trainer.storage.iter + 1 - self.trainer.start_iter - self._warmup_iter
        if num_iter > 0 and total_time_minus_hooks > 0:
            logger.info(
                "Overall training speed: %d iterations in %s (%.4f s / it)",
                num_iter,
                datetime.timedelta(seconds=int(total_time_minus_hooks)),
                total_time_minus_hooks / num_iter,
            )
        logger.info(
            "Total training time: %s (%s on hooks)",
            datetime.timedelta(seconds=int(total_time)),
            datetime.timedelta(seconds=int(hook_time)),
        )

    def before_step(self) -> None:
        self._step_timer.reset()
        self._total_timer.resume()

    def after_step(self) -> None:
        done = self.trainer.storage.iter - self.trainer.start_iter + 1
        if done >= self._warmup_iter:
            self.trainer.storage.put_scalars(time=self._step_timer.seconds())
        else:
            self._start_time = time.perf_counter()
            self._total_timer.reset()
        self._total_timer.pause()


class PeriodicWriter(HookBase):
    """Lets event writers write, every so many iterations and after the last one."""

    def __init__(self, writers: Iterable[EventWriter], period: int = 20) -> None:
        """
        Args:
            writers: the writers.
            period: iterations between writes.
        """
        self._writers = list(writers)
        for writer in self._writers:
            assert isinstance(writer, EventWriter), writer
        self._period = period

    def after_step(self) -> None:
        iteration = self.trainer.iter
        if (iteration + 1) % self._period == 0 or iteration == self.trainer.max_iter - 1:
            for writer in self._writers:
                writer.write()

    def after_train(self) -> None:
        for writer in self._writers:
            # Other hooks may have put results since the last iteration.
            writer.write()
            writer.close()


class PeriodicCheckpointer(_PeriodicCheckpointer, HookBase):
    """Saves ``model_<iteration>`` every so many iterations, and ``model_final`` after the last.

    A run that is interrupted also saves the iteration that it ended after.
    """

    def before_train(self) -> None:
        self.max_iter = self.trainer.max_iter
        self._last_saved: int | None = None

    def after_step(self) -> None:
        iteration = self.trainer.iter
        self.step(iteration)
        if (iteration + 1) % self.period == 0 or iteration >= self.max_iter - 1:
            self._last_saved = iteration

    def after_train(self) -> None:
        iteration = self.trainer.iter
        if self.trainer.interrupted and self._last_saved != iteration:
            self.save(f"{self.file_prefix}_{iteration:07d}", iteration=iteration)


class BestCheckpointer(HookBase):
    """Saves the model whenever an evaluated metric is better than ever before.

    Register it after the hook that evaluates, with the same period.
    """

    def __init__(
        self,
        eval_period: int,
        checkpointer: Checkpointer,
        val_metric: str,
        mode: str = "max",
        file_prefix: str = "model_best",
    ) -> None:
        """
        Args:
            eval_period: iterations between evaluations.
            checkpointer: what saves.
            val_metric: name of the metric in the storage, such as "segm/AP50".
            mode: whether "max" or "min" is better.
            file_prefix: name of the file.
        """
        assert mode in ("max", "min"), f'Mode "{mode}" to `BestCheckpointer` is unknown.'
        self._logger = logging.getLogger(__name__)
        self._period = eval_period
        self._val_metric = val_metric
        self._is_better = operator.gt if mode == "max" else operator.lt
        self._checkpointer = checkpointer
        self._file_prefix = file_prefix
        self.best_metric: float | None = None
        self.best_iter: int | None = None

    def _best_checking(self) -> None:
        latest = self.trainer.storage.latest().get(self._val_metric)
        if latest is None:
            self._logger.warning(
                "Given val metric %s does not seem to be computed/stored. "
                "Will not be checkpointing based on it.",
                self._val_metric,
            )
            return
        metric, metric_iter = latest
        if not math.isfinite(metric):
            return
        if self.best_metric is not None and not self._is_better(metric, self.best_metric):
            self._logger.info(
                "Not saving as latest eval score for %s is %.5f, not better than best score "
                "%.5f @ iteration %d.",
                self._val_metric,
                metric,
                self.best_metric,
                self.best_iter,
            )
            return
        self.best_metric, self.best_iter = metric, metric_iter
        additional_state = {"iteration": metric_iter}
        self._checkpointer.save(self._file_prefix, **additional_state)
        self._logger.info(
            "Saved best model as latest eval score for %s is %.5f @ iteration %d",
            self._val_metric,
            metric,
            metric_iter,
        )

    def after_step(self) -> None:
        next_iter = self.trainer.iter + 1
        is_period = self._period > 0 and next_iter % self._period == 0
        if is_period and next_iter != self.trainer.max_iter:
            self._best_checking()

    def after_train(self) -> None:
        if self.trainer.iter + 1 >= self.trainer.max_iter:
            self._best_checking()


class LRScheduler(HookBase):
    """Steps a learning-rate schedule after each iteration, and keeps the rate as ``lr``."""

    def __init__(
        self, optimizer: torch.optim.Optimizer | None = None, scheduler: Any = None
    ) -> None:
        """
        Args:
            optimizer: that of the trainer if None.
            scheduler: a torch scheduler, or an fvcore ``ParamScheduler`` that multiplies the rates
                of ``optimizer``; that of the trainer if None.
        """
        self._optimizer = optimizer
        self._scheduler = scheduler

    def before_train(self) -> None:
        self._optimizer = self._optimizer or self.trainer.optimizer
        if isinstance(self.scheduler, ParamScheduler):
            self._scheduler = LRMultiplier(
                self._optimizer,
                self.scheduler,
                self.trainer.max_iter,
                last_iter=self.trainer.iter - 1,
            )
        self._best_param_group_id = LRScheduler.get_best_param_group_id(self._optimizer)

    @staticmethod
    def get_best_param_group_id(optimizer: torch.optim.Optimizer) -> int:
        """The group whose rate stands for all: the largest, or else one with the usual rate."""
        sizes = [len(group["params"]) for group in optimizer.param_groups]
        if max(sizes) > 1:
            return sizes.index(max(sizes))
        rates = [group["lr"] for group in optimizer.param_groups]
        return rates.index(Counter(rates).most_common()[0][0])

    def after_step(self) -> None:
        rate = self._optimizer.param_groups[self._best_param_group_id]["lr"]
        self.trainer.storage.put_scalar("lr", rate, smoothing_hint=False)
        self.scheduler.step()

    @property
    def scheduler(self) -> Any:
        return self._scheduler or self.trainer.scheduler

    def state_dict(self) -> dict[str, Any]:
        if isinstance(self.scheduler, torch.optim.lr_scheduler.LRScheduler):
            return self.scheduler.state_dict()
        return {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        if isinstance(self.scheduler, torch.optim.lr_scheduler.LRScheduler):
            logging.getLogger(__name__).info("Loading scheduler from state_dict ...")
            self.scheduler.load_state_dict(state_dict)


class EvalHook(HookBase):
    """Evaluates, every so many iterations and after the last one.

    Ctrl-C ends a running evaluation without results, and training after it.
    """

    def __init__(
        self, eval_period: int, eval_function: Callable[[], Any], eval_after_train: bool = True
    ) -> None:
        """
        Args:
            eval_period: iterations between evaluations; 0 evaluates at the end only.
            eval_function: returns a nested dictionary of numbers. It runs in every process.
            eval_after_train: whether to evaluate at the end.
        """
        self._period = eval_period
        self._func = eval_function
        self._eval_after_train = eval_after_train

    def _do_eval(self) -> None:
        results = self._func()
        if results:
            assert isinstance(results, dict), (
                f"Eval function must return a dict. Got {results} instead."
            )
            flattened = flatten_results_dict(results)
            for name, value in flattened.items():
                try:
                    flattened[name] = float(value)
                except (TypeError, ValueError) as error:
                    raise ValueError(
                        "[EvalHook] eval_function should return a nested dict of float. "
                        f"Got '{name}: {value}' instead."
                    ) from error
            self.trainer.storage.put_scalars(**flattened, smoothing_hint=False)
        # Some processes may have finished earlier.
        comm.synchronize()

    def after_step(self) -> None:
        next_iter = self.trainer.iter + 1
        is_period = self._period > 0 and next_iter % self._period == 0
        if not is_period or next_iter == self.trainer.max_iter:  # the last one is after_train's
            return
        try:
            with self.trainer.interruptible():
                self._do_eval()
        except KeyboardInterrupt:
            if not self.trainer.interrupt_requested:
                raise
            logging.getLogger(__name__).info("The evaluation was interrupted.")

    def after_train(self) -> None:
        finished = self.trainer.iter + 1 >= self.trainer.max_iter
        if self._eval_after_train and finished and not self.trainer.interrupted:
            self._do_eval()
        # The function may refer to the trainer: it goes, so that the trainer can be freed.
        del self._func


class PreciseBN(HookBase):
    """Recomputes the statistics of BatchNorm layers, before every evaluation.

    Only layers in training mode are touched.
    """

    def __init__(
        self, period: int, model: torch.nn.Module, data_loader: Iterable, num_iter: int
    ) -> None:
        """
        Args:
            period: iterations between updates; 0 updates at the end only.
            model: its BatchNorm layers in training mode are updated.
            data_loader: yields the inputs.
            num_iter: batches per update.
        """
        self._logger = logging.getLogger(__name__)
        if not get_bn_modules(model):
            self._logger.info(
                "PreciseBN is disabled because model does not contain BN layers in training mode."
            )
            self._disabled = True
            return
        self._model = model
        self._data_loader = data_loader
        self._num_iter = num_iter
        self._period = period
        self._disabled = False
        self._data_iter: Any = None

    def after_step(self) -> None:
        if self._disabled:
            return
        next_iter = self.trainer.iter + 1
        is_final = next_iter == self.trainer.max_iter
        if is_final or (self._period > 0 and next_iter % self._period == 0):
            self.update_stats()

    def update_stats(self) -> None:
        """Update the statistics now."""
        if self._disabled:
            return
        if self._data_iter is None:
            self._data_iter = iter(self._data_loader)

        def batches() -> Iterable:
            for count in range(self._num_iter):
                if count % 100 == 0:
                    self._logger.info(
                        "Running precise-BN ... %d/%d iterations.", count, self._num_iter
                    )
                yield next(self._data_iter)

        with EventStorage():  # keeps what the model puts out of the trainer's storage
            self._logger.info(
                "Running precise-BN for %d iterations...  Note that this could produce different "
                "statistics every time.",
                self._num_iter,
            )
            update_bn_stats(self._model, batches(), self._num_iter)
