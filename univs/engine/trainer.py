"""Detectron2's default trainer with this project's data, optimizer, evaluation and checkpoints."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import nn

from detectron2.engine import DefaultTrainer, defaults
from detectron2.evaluation import (
    DatasetEvaluator,
    inference_on_dataset,
    print_csv_format,
    verify_results,
)
from detectron2.projects.deeplab import build_lr_scheduler
from detectron2.utils import comm
from univs.checkpoint import UnivsCheckpointer, load_weights
from univs.data import build_test_loader, build_train_loader
from univs.engine.optimizer import build_optimizer
from univs.engine.video_inference import VideoInference
from univs.evaluation.build import build_evaluator
from univs.tracking.segmenter import class_names, is_video_model, tasks_of

logger = logging.getLogger(__name__)


class Trainer(DefaultTrainer):
    """Trains and evaluates every system of this project."""

    def __init__(self, cfg) -> None:
        with parameters_may_be_unused():
            super().__init__(cfg)

    def build_hooks(self) -> list:
        """The default hooks, around a checkpointer that reads foreign files safely."""
        self.checkpointer = self.build_checkpointer(
            self.cfg, self._trainer.model, trainer=self.checkpointer.checkpointables["trainer"]
        )
        return super().build_hooks()

    @classmethod
    def build_checkpointer(cls, cfg, model: nn.Module, **checkpointables) -> UnivsCheckpointer:
        """Reader and writer of checkpoints in ``OUTPUT_DIR``."""
        return UnivsCheckpointer(
            model,
            cfg.OUTPUT_DIR,
            config=cfg,
            class_names={name: class_names(name) for name in cfg.DATASETS.TRAIN},
            tasks=tasks_of(getattr(model, "module", model)),
            **checkpointables,
        )

    @classmethod
    def build_train_loader(cls, cfg):
        return build_train_loader(cfg)

    @classmethod
    def build_test_loader(cls, cfg, dataset_name: str):
        return build_test_loader(cfg, dataset_name)

    @classmethod
    def build_optimizer(cls, cfg, model: nn.Module) -> torch.optim.Optimizer:
        return build_optimizer(cfg, model)

    @classmethod
    def build_lr_scheduler(cls, cfg, optimizer: torch.optim.Optimizer):
        return build_lr_scheduler(cfg, optimizer)

    @classmethod
    def build_evaluator(cls, cfg, dataset_name: str) -> DatasetEvaluator:
        return build_evaluator(dataset_name, Path(cfg.OUTPUT_DIR) / "inference" / dataset_name)

    @classmethod
    def inference_function(cls, cfg, model: nn.Module) -> Callable:
        """What is called with every sample of a test loader: videos go through sessions."""
        network = getattr(model, "module", model)  # inside of DistributedDataParallel
        return VideoInference(network, cfg) if is_video_model(network) else model

    @classmethod
    def test(cls, cfg, model: nn.Module, evaluators: list | None = None) -> OrderedDict:
        """Evaluate ``model`` on every dataset of ``DATASETS.TEST``.

        Returns:
            the results of the dataset, or of every dataset by name if there are several.
        """
        names = cfg.DATASETS.TEST
        evaluators = evaluators or [cls.build_evaluator(cfg, name) for name in names]
        if len(evaluators) != len(names):
            raise ValueError(f"{len(evaluators)} evaluators for {len(names)} datasets: {names}")
        results = OrderedDict()
        for name, evaluator in zip(names, evaluators, strict=True):
            loader = cls.build_test_loader(cfg, name)
            training = model.training
            model.eval()
            try:
                results[name] = inference_on_dataset(
                    cls.inference_function(cfg, model), loader, evaluator
                )
            finally:
                model.train(training)
            if comm.is_main_process():
                logger.info("Evaluation results for %s in csv format:", name)
                print_csv_format(results[name])
        return next(iter(results.values())) if len(results) == 1 else results


@contextmanager
def parameters_may_be_unused() -> Iterator[None]:
    """Let models of several processes say that a batch may need some of their parameters only.

    Such a model has an attribute ``parameters_may_be_unused``. Detectron2's trainer wraps models
    itself and has no option for this.
    """
    wrap = defaults.create_ddp_model

    def create_ddp_model(model: nn.Module, **options) -> nn.Module:
        may_be_unused = getattr(model, "parameters_may_be_unused", False)
        return wrap(model, find_unused_parameters=may_be_unused, **options)

    defaults.create_ddp_model = create_ddp_model
    try:
        yield
    finally:
        defaults.create_ddp_model = wrap


def evaluate(cfg, *, resume: bool = False) -> OrderedDict:
    """Build the model of ``cfg``, load its weights and evaluate it.

    Args:
        cfg: config; ``MODEL.WEIGHTS`` names the checkpoint.
        resume: take the last checkpoint in ``OUTPUT_DIR`` instead.
    """
    model = Trainer.build_model(cfg)
    checkpointer = Trainer.build_checkpointer(cfg, model)
    if resume and checkpointer.has_checkpoint():
        checkpointer.resume_or_load("", resume=True)
    elif cfg.MODEL.WEIGHTS:
        load_weights(model, cfg.MODEL.WEIGHTS, strict=True)
    else:
        raise ValueError("there is nothing to evaluate: add MODEL.WEIGHTS model.pth, or --resume")
    results = Trainer.test(cfg, model)
    if comm.is_main_process():
        verify_results(cfg, results)
    return results


def use_available_device(cfg) -> None:
    """Use the CPU, and say so, if the config asks for a GPU that is not there."""
    if cfg.MODEL.DEVICE.startswith("cuda") and not torch.cuda.is_available():
        logger.warning("MODEL.DEVICE is %s, but there is no GPU: using the CPU", cfg.MODEL.DEVICE)
        cfg.MODEL.DEVICE = "cpu"
