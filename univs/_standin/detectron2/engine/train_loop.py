"""The training loop, hooks into it, and one step of the plainest kinds of training."""

from __future__ import annotations

import logging
import time
import weakref
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch.nn.parallel import DataParallel, DistributedDataParallel

from detectron2.engine.data_order import CountingIterator, continue_order, order_seed
from detectron2.engine.interruption import DeferredInterrupt
from detectron2.utils import comm
from detectron2.utils.events import EventStorage, get_event_storage

__all__ = ["HookBase", "TrainerBase", "SimpleTrainer", "AMPTrainer"]


class HookBase:
    """Base of hooks, which a trainer calls around its steps::

        hook.before_train()
        for iteration in range(start_iter, max_iter):
            hook.before_step()
            trainer.run_step()
            hook.after_step()
        hook.after_train()

    Everything a hook needs it finds through ``self.trainer``, such as ``self.trainer.iter``.
    ``before_step`` should be cheap: what belongs to the work of a hook goes to ``after_step``.

    Attributes:
        trainer: the trainer; set when the hook is registered.
    """

    trainer: TrainerBase

    def before_train(self) -> None:
        """Called before the first iteration."""

    def after_train(self) -> None:
        """Called after the last iteration, however training ended."""

    def before_step(self) -> None:
        """Called before each iteration."""

    def after_backward(self) -> None:
        """Called after the backward pass of each iteration."""

    def after_step(self) -> None:
        """Called after each iteration."""

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint should keep of the hook; such a hook also has load_state_dict."""
        return {}


class TrainerBase:
    """A loop with hooks; subclasses say what a step is.

    Attributes:
        iter: the current iteration.
        start_iter: the first iteration of this run, 0 unless it is resumed.
        max_iter: where training ends.
        storage: the :class:`EventStorage`, while training.
        interrupted: whether Ctrl-C has ended training after a complete iteration.
    """

    def __init__(self) -> None:
        self._hooks: list[HookBase] = []
        self.iter: int = 0
        self.start_iter: int = 0
        self.max_iter: int
        self.storage: EventStorage
        self.interrupted = False
        self._interrupt = DeferredInterrupt()

    def register_hooks(self, hooks: Iterable[HookBase | None]) -> None:
        """Add hooks, to be called in the order in which they are registered; None is skipped."""
        for hook in hooks:
            if hook is None:
                continue
            assert isinstance(hook, HookBase)
            # The trainer owns the hooks: no cycle, so that both are freed with it.
            hook.trainer = weakref.proxy(self)
            self._hooks.append(hook)

    def train(self, start_iter: int, max_iter: int) -> None:
        """Run the iterations from ``start_iter`` (included) to ``max_iter`` (excluded).

        Ctrl-C lets the current iteration end; ``after_train`` of the hooks then runs with
        ``interrupted`` set, and ``KeyboardInterrupt`` is raised. A second Ctrl-C stops at once.
        """
        logger = logging.getLogger(__name__)
        logger.info("Starting training from iteration %d", start_iter)
        self.iter = self.start_iter = start_iter
        self.max_iter = max_iter
        self.interrupted = False
        self._interrupt = DeferredInterrupt()

        with EventStorage(start_iter) as self.storage:
            try:
                with self._interrupt:
                    self.before_train()
                    for self.iter in range(start_iter, max_iter):
                        self.before_step()
                        self.run_step()
                        self.after_step()
                        if self._interrupt.requested_anywhere():
                            self._interrupt.announce(self.iter)
                            self.interrupted = True
                            raise KeyboardInterrupt
                # In after_train, iter == max_iter tells that training has come to its end.
                self.iter += 1
            except Exception:
                logger.exception("Exception during training:")
                raise
            finally:
                self.after_train()

    @contextmanager
    def interruptible(self) -> Iterator[None]:
        """Inside, Ctrl-C raises ``KeyboardInterrupt`` at once: for long work of a hook.

        Who catches it and returns lets the iteration end, and training stop after it.
        """
        with self._interrupt.raised_at_once():
            yield

    @property
    def interrupt_requested(self) -> bool:
        """Whether training is to stop after the current iteration."""
        return self._interrupt.requested

    def before_train(self) -> None:
        for hook in self._hooks:
            hook.before_train()

    def after_train(self) -> None:
        self.storage.iter = self.iter
        for hook in self._hooks:
            hook.after_train()

    def before_step(self) -> None:
        # Kept equal, so that what is put into the storage is stamped with the trainer's iteration.
        self.storage.iter = self.iter
        for hook in self._hooks:
            hook.before_step()

    def after_backward(self) -> None:
        for hook in self._hooks:
            hook.after_backward()

    def after_step(self) -> None:
        for hook in self._hooks:
            hook.after_step()

    def run_step(self) -> None:
        raise NotImplementedError

    def state_dict(self) -> dict[str, Any]:
        """The iteration, and the states of hooks by class name."""
        state: dict[str, Any] = {"iteration": self.iter}
        hook_states: dict[str, Any] = {}
        for hook in self._hooks:
            hook_state = hook.state_dict()
            if hook_state:
                hook_states.setdefault(type(hook).__qualname__, hook_state)
        if hook_states:
            state["hooks"] = hook_states
        return state

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Undo :meth:`state_dict`. States of unknown hooks are ignored with a warning."""
        self.iter = state_dict["iteration"]
        by_name = {type(hook).__qualname__: hook for hook in reversed(self._hooks)}
        for name, hook_state in state_dict.get("hooks", {}).items():
            if name in by_name:
                by_name[name].load_state_dict(hook_state)
            else:
                logging.getLogger(__name__).warning(
                    "Cannot find the hook '%s', its state_dict is ignored.", name
                )


class SimpleTrainer(TrainerBase):
    """One optimiser, one loader, one model that returns its losses.

    Each step takes one batch, sums the losses, and makes one step of the optimiser.
    """

    def __init__(
        self,
        model: torch.nn.Module,
        data_loader: Iterable,
        optimizer: torch.optim.Optimizer,
        gather_metric_period: int = 1,
        zero_grad_before_forward: bool = False,
    ) -> None:
        """
        Args:
            model: takes a batch and returns a dictionary of losses, or one loss. It is put into
                training mode.
            data_loader: endless.
            optimizer: the optimiser.
            gather_metric_period: iterations between gathering the losses of all processes.
            zero_grad_before_forward: set the gradients to zero before the forward pass, instead of
                after it.
        """
        super().__init__()
        model.train()
        self.model = model
        self.data_loader = data_loader
        self._data_loader_iter_obj: CountingIterator | None = None
        self._consumed_batches = 0  # when the iterator was made
        self.optimizer = optimizer
        self.gather_metric_period = gather_metric_period
        self.zero_grad_before_forward = zero_grad_before_forward

    @property
    def _data_loader_iter(self) -> CountingIterator:
        # Made when it is needed: a resumed run sets the position before.
        self.start_data_loader()
        return self._data_loader_iter_obj

    def start_data_loader(self) -> None:
        """Start the loader, and its workers, unless that is done already."""
        if self._data_loader_iter_obj is None:
            self._data_loader_iter_obj = CountingIterator(
                iter(self.data_loader), self._consumed_batches
            )

    def reset_data_loader(self, data_loader_builder: Any) -> None:
        """Replace the loader by what ``data_loader_builder()`` returns."""
        del self.data_loader
        self.data_loader = data_loader_builder()
        self._data_loader_iter_obj = None
        self._consumed_batches = 0

    def run_step(self) -> None:
        """One iteration: data, losses, gradients, update."""
        assert self.model.training, "[SimpleTrainer] model was changed to eval mode!"
        data, data_time = self._next_batch()
        if self.zero_grad_before_forward:
            self.optimizer.zero_grad()
        losses, loss_dict = self._sum_losses(self.model(data))
        if not self.zero_grad_before_forward:
            self.optimizer.zero_grad()
        losses.backward()
        self.after_backward()
        self._write_metrics(loss_dict, data_time)
        self.optimizer.step()

    def _next_batch(self) -> tuple[Any, float]:
        """A batch and the seconds spent waiting for it."""
        start = time.perf_counter()
        data = next(self._data_loader_iter)
        return data, time.perf_counter() - start

    @staticmethod
    def _sum_losses(
        losses: torch.Tensor | Mapping[str, torch.Tensor],
    ) -> tuple[torch.Tensor, Mapping[str, torch.Tensor]]:
        if isinstance(losses, torch.Tensor):
            return losses, {"total_loss": losses}
        return sum(losses.values()), losses

    def _write_metrics(
        self, loss_dict: Mapping[str, torch.Tensor], data_time: float, prefix: str = ""
    ) -> None:
        if (self.iter + 1) % self.gather_metric_period == 0:
            SimpleTrainer.write_metrics(loss_dict, data_time, self.iter, prefix)

    @staticmethod
    def write_metrics(
        loss_dict: Mapping[str, torch.Tensor], data_time: float, cur_iter: int, prefix: str = ""
    ) -> None:
        """Put losses, averaged over the processes, into the storage.

        Args:
            loss_dict: scalar losses.
            data_time: seconds this process waited for its data.
            cur_iter: the iteration.
            prefix: of the names.

        Raises:
            FloatingPointError: the sum of the losses is not finite (in the main process).
        """
        metrics = {name: value.detach().cpu().item() for name, value in loss_dict.items()}
        storage = get_event_storage()
        storage.put_scalar("rank_data_time", data_time, cur_iter=cur_iter)
        gathered = comm.gather({**metrics, "data_time": data_time})
        if not comm.is_main_process():
            return
        # All processes wait for the slowest one.
        data_time = float(np.max([one.pop("data_time") for one in gathered]))
        storage.put_scalar("data_time", data_time, cur_iter=cur_iter)
        metrics = {name: float(np.mean([one[name] for one in gathered])) for name in gathered[0]}
        total_loss = sum(metrics.values())
        if not np.isfinite(total_loss):
            raise FloatingPointError(
                f"Loss became infinite or NaN at iteration={cur_iter}!\nloss_dict = {metrics}"
            )
        storage.put_scalar(f"{prefix}total_loss", total_loss, cur_iter=cur_iter)
        if len(metrics) > 1:
            storage.put_scalars(cur_iter=cur_iter, **metrics)

    def state_dict(self) -> dict[str, Any]:
        iterator = self._data_loader_iter_obj
        counted = isinstance(iterator, CountingIterator)
        consumed = iterator.count if counted else self._consumed_batches
        return {
            **super().state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "data_order": {"batches": consumed, "seed": order_seed(self.data_loader)},
        }

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Undo :meth:`state_dict`; the next batch is the one after the saved iteration."""
        super().load_state_dict(state_dict)
        self.optimizer.load_state_dict(state_dict["optimizer"])
        # Detectron2 itself does not save the position: one batch per iteration since the start.
        order = state_dict.get("data_order", {"batches": self.iter + 1, "seed": None})
        continued = continue_order(self.data_loader, order["batches"], order["seed"])
        self._consumed_batches = order["batches"] if continued else 0
        self._data_loader_iter_obj = None


class AMPTrainer(SimpleTrainer):
    """:class:`SimpleTrainer` in mixed precision, with scaled gradients. Needs a GPU."""

    def __init__(
        self,
        model: torch.nn.Module,
        data_loader: Iterable,
        optimizer: torch.optim.Optimizer,
        gather_metric_period: int = 1,
        zero_grad_before_forward: bool = False,
        grad_scaler: Any = None,
        precision: torch.dtype = torch.float16,
        log_grad_scaler: bool = False,
    ) -> None:
        """
        Args:
            model, data_loader, optimizer, gather_metric_period, zero_grad_before_forward: as in
                :class:`SimpleTrainer`.
            grad_scaler: a ``torch.amp.GradScaler``; a default one if None.
            precision: of the forward pass where autocast allows it.
            log_grad_scaler: keep the scale as ``[metric]grad_scaler``.
        """
        unsupported = "AMPTrainer does not support single-process multi-device training!"
        if isinstance(model, DistributedDataParallel):
            assert not (model.device_ids and len(model.device_ids) > 1), unsupported
        assert not isinstance(model, DataParallel), unsupported
        super().__init__(
            model, data_loader, optimizer, gather_metric_period, zero_grad_before_forward
        )
        self.grad_scaler = torch.amp.GradScaler("cuda") if grad_scaler is None else grad_scaler
        self.precision = precision
        self.log_grad_scaler = log_grad_scaler

    def run_step(self) -> None:
        """One iteration: data, losses, scaled gradients, update."""
        assert self.model.training, "[AMPTrainer] model was changed to eval mode!"
        assert torch.cuda.is_available(), (
            "[AMPTrainer] CUDA is required for AMP training! Set SOLVER.AMP.ENABLED False "
            "to train on the CPU."
        )
        data, data_time = self._next_batch()
        if self.zero_grad_before_forward:
            self.optimizer.zero_grad()
        with torch.autocast("cuda", dtype=self.precision):
            losses, loss_dict = self._sum_losses(self.model(data))
        if not self.zero_grad_before_forward:
            self.optimizer.zero_grad()
        self.grad_scaler.scale(losses).backward()
        if self.log_grad_scaler:
            get_event_storage().put_scalar("[metric]grad_scaler", self.grad_scaler.get_scale())
        self.after_backward()
        self._write_metrics(loss_dict, data_time)
        self.grad_scaler.step(self.optimizer)
        self.grad_scaler.update()

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "grad_scaler": self.grad_scaler.state_dict()}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        super().load_state_dict(state_dict)
        if "grad_scaler" in state_dict:
            self.grad_scaler.load_state_dict(state_dict["grad_scaler"])
