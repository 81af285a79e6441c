"""Polynomial decay of the learning rate, as DeepLab trains."""

from __future__ import annotations

import torch
from torch.optim.lr_scheduler import LRScheduler

from detectron2.solver.lr_scheduler import _get_warmup_factor_at_iter

__all__ = ["WarmupPolyLR"]


class WarmupPolyLR(LRScheduler):
    """``(1 - iteration / max_iters) ** power``, times a warm-up."""

    def __init__(
        self,
        optimizer: torch.optim.Optimizer,
        max_iters: int,
        warmup_factor: float = 0.001,
        warmup_iters: int = 1000,
        warmup_method: str = "linear",
        last_epoch: int = -1,
        power: float = 0.9,
        constant_ending: float = 0.0,
    ) -> None:
        """
        Args:
            optimizer: its groups' rates at this time are the base rates.
            max_iters: iteration at which the rate reaches 0.
            warmup_factor: factor of the first iteration.
            warmup_iters: iterations until the factor of warm-up is 1.
            warmup_method: "linear" or "constant".
            last_epoch: iteration to continue after; -1 at the beginning.
            power: the exponent.
            constant_ending: once warm-up is over, the decay never falls below this.
        """
        self.max_iters = max_iters
        self.warmup_factor = warmup_factor
        self.warmup_iters = warmup_iters
        self.warmup_method = warmup_method
        self.power = power
        self.constant_ending = constant_ending
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        warmup = _get_warmup_factor_at_iter(
            self.warmup_method, self.last_epoch, self.warmup_iters, self.warmup_factor
        )
        remaining = max(0.0, 1.0 - self.last_epoch / self.max_iters)
        decay = remaining**self.power
        if warmup == 1.0:
            decay = max(decay, self.constant_ending)
        return [base_lr * warmup * decay for base_lr in self.base_lrs]
