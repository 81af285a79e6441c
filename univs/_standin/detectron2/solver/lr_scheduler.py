"""Learning-rate schedules: a multiplier of the base rate as a function of training progress."""

from __future__ import annotations

import logging
import math
from bisect import bisect_right
from typing import Any

import torch
from fvcore.common.param_scheduler import (
    CompositeParamScheduler,
    ConstantParamScheduler,
    LinearParamScheduler,
    ParamScheduler,
)
from torch.optim.lr_scheduler import LRScheduler

logger = logging.getLogger(__name__)

__all__ = ["LRMultiplier", "WarmupCosineLR", "WarmupMultiStepLR", "WarmupParamScheduler"]


class WarmupParamScheduler(CompositeParamScheduler):
    """A schedule whose beginning is replaced by a warm-up."""

    def __init__(
        self,
        scheduler: ParamScheduler,
        warmup_factor: float,
        warmup_length: float,
        warmup_method: str = "linear",
        rescale_interval: bool = False,
    ) -> None:
        """
        Args:
            scheduler: the schedule after warm-up.
            warmup_factor: first value, as a factor of the first one of ``scheduler``.
            warmup_length: fraction of the training, in [0, 1], that is warm-up.
            warmup_method: "linear" up to the value where ``scheduler`` takes over, or "constant".
            rescale_interval: squeeze all of ``scheduler`` into the rest of the training, instead of
                cutting off its beginning.
        """
        end_value = scheduler(0.0) if rescale_interval else scheduler(warmup_length)
        start_value = warmup_factor * scheduler(0.0)
        if warmup_method == "constant":
            warmup: ParamScheduler = ConstantParamScheduler(start_value)
        elif warmup_method == "linear":
            warmup = LinearParamScheduler(start_value, end_value)
        else:
            raise ValueError(
                f"Unknown warmup method: {warmup_method!r}; use 'linear' or 'constant'"
            )
        super().__init__(
            [warmup, scheduler],
            interval_scaling=["rescaled", "rescaled" if rescale_interval else "fixed"],
            lengths=[warmup_length, 1 - warmup_length],
        )


class LRMultiplier(LRScheduler):
    """Multiplies the learning rate of every parameter group by a :class:`ParamScheduler`."""

    def __init__(
        self,
        optimizer: torch.optim.Optimizer,
        multiplier: ParamScheduler,
        max_iter: int,
        last_iter: int = -1,
    ) -> None:
        """
        Args:
            optimizer: its groups' rates at this time are the base rates.
            multiplier: maps progress in [0, 1) to a factor of the base rates.
            max_iter: number of iterations that progress 1 stands for.
            last_iter: iteration to continue after; -1 at the beginning.
        """
        if not isinstance(multiplier, ParamScheduler):
            raise ValueError(
                "LRMultiplier(multiplier=) must be an instance of fvcore ParamScheduler. "
                f"Got {multiplier} instead."
            )
        self._multiplier = multiplier
        self._max_iter = max_iter
        super().__init__(optimizer, last_epoch=last_iter)

    def state_dict(self) -> dict[str, Any]:
        # The schedule itself follows from the config.
        return {"base_lrs": self.base_lrs, "last_epoch": self.last_epoch}

    def get_lr(self) -> list[float]:
        multiplier = self._multiplier(self.last_epoch / self._max_iter)
        return [base_lr * multiplier for base_lr in self.base_lrs]


class WarmupMultiStepLR(LRScheduler):
    """Step schedule in iterations. :class:`LRMultiplier` is what ``build_lr_scheduler`` uses."""

    def __init__(
        self,
        optimizer: torch.optim.Optimizer,
        milestones: list[int],
        gamma: float = 0.1,
        warmup_factor: float = 0.001,
        warmup_iters: int = 1000,
        warmup_method: str = "linear",
        last_epoch: int = -1,
    ) -> None:
        """
        Args:
            optimizer: its groups' rates at this time are the base rates.
            milestones: increasing iterations at which the rate is multiplied by ``gamma``.
            gamma: the factor.
            warmup_factor: factor of the first iteration.
            warmup_iters: iterations until the factor of warm-up is 1.
            warmup_method: "linear" or "constant".
            last_epoch: iteration to continue after; -1 at the beginning.
        """
        if list(milestones) != sorted(milestones):
            raise ValueError(
                f"Milestones should be a list of increasing integers. Got {milestones}"
            )
        self.milestones = milestones
        self.gamma = gamma
        self.warmup_factor = warmup_factor
        self.warmup_iters = warmup_iters
        self.warmup_method = warmup_method
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        warmup = _get_warmup_factor_at_iter(
            self.warmup_method, self.last_epoch, self.warmup_iters, self.warmup_factor
        )
        decay = self.gamma ** bisect_right(self.milestones, self.last_epoch)
        return [base_lr * warmup * decay for base_lr in self.base_lrs]


class WarmupCosineLR(LRScheduler):
    """Cosine schedule in iterations. :class:`LRMultiplier` is what ``build_lr_scheduler`` uses."""

    def __init__(
        self,
        optimizer: torch.optim.Optimizer,
        max_iters: int,
        warmup_factor: float = 0.001,
        warmup_iters: int = 1000,
        warmup_method: str = "linear",
        last_epoch: int = -1,
    ) -> None:
        """
        Args:
            optimizer: its groups' rates at this time are the base rates.
            max_iters: iteration at which the rate reaches 0.
            warmup_factor: factor of the first iteration.
            warmup_iters: iterations until the factor of warm-up is 1.
            warmup_method: "linear" or "constant".
            last_epoch: iteration to continue after; -1 at the beginning.
        """
        self.max_iters = max_iters
        self.warmup_factor = warmup_factor
        self.warmup_iters = warmup_iters
        self.warmup_method = warmup_method
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        warmup = _get_warmup_factor_at_iter(
            self.warmup_method, self.last_epoch, self.warmup_iters, self.warmup_factor
        )
        decay = 0.5 * (1.0 + math.cos(math.pi * self.last_epoch / self.max_iters))
        return [base_lr * warmup * decay for base_lr in self.base_lrs]


def _get_warmup_factor_at_iter(
    method: str, iter: int, warmup_iters: int, warmup_factor: float
) -> float:
    """Factor of the warm-up at a 0-based iteration; 1 once warm-up is over.

    Args:
        method: "constant" stays at ``warmup_factor``, "linear" goes from there to 1.
        iter: the iteration.
        warmup_iters: number of iterations of warm-up.
        warmup_factor: first factor.
    """
    if iter >= warmup_iters:
        return 1.0
    if method == "constant":
        return warmup_factor
    if method == "linear":
        progress = iter / warmup_iters
        return warmup_factor * (1 - progress) + progress
    raise ValueError(f"Unknown warmup method: {method!r}; use 'linear' or 'constant'")
