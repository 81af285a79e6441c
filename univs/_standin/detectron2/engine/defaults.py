"""The usual set-up of a training script, and the trainer that a config describes."""

from __future__ import annotations

import argparse
import logging
import os
import sys
import warnings
import weakref
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch.nn.parallel import DistributedDataParallel

from detectron2.checkpoint import DetectionCheckpointer
from detectron2.config import CfgNode
from detectron2.engine import hooks
from detectron2.engine.train_loop import AMPTrainer, HookBase, SimpleTrainer, TrainerBase
from detectron2.evaluation import (
    DatasetEvaluator,
    inference_on_dataset,
    print_csv_format,
    verify_results,
)
from detectron2.solver import build_lr_scheduler, build_optimizer
from detectron2.utils import comm
from detectron2.utils.collect_env import collect_env_info
from detectron2.utils.env import seed_all_rng, seed_iteration
from detectron2.utils.events import (
    CommonMetricPrinter,
    EventWriter,
    JSONWriter,
    TensorboardXWriter,
)
from detectron2.utils.file_io import PathManager
from detectron2.utils.logger import setup_logger

__all__ = [
    "DefaultTrainer",
    "create_ddp_model",
    "default_argument_parser",
    "default_setup",
    "default_writers",
]


def create_ddp_model(
    model: torch.nn.Module, *, fp16_compression: bool = False, **kwargs: Any
) -> torch.nn.Module:
    """Wrap a model for training in several processes; return it as it is if there is one.

    Args:
        model: the model, on its device.
        fp16_compression: send gradients in half precision.
        kwargs: further arguments of ``DistributedDataParallel``.
    """
    if comm.get_world_size() == 1:
        return model
    on_gpu = any(parameter.is_cuda for parameter in model.parameters())
    if "device_ids" not in kwargs and on_gpu:
        kwargs["device_ids"] = [comm.get_local_rank()]
    with warnings.catch_warnings():
        # The new name of the argument does not exist in older versions of torch.
        warnings.filterwarnings("ignore", message=".*broadcast_buffers.*", category=FutureWarning)
        distributed = DistributedDataParallel(model, **kwargs)
    if fp16_compression:
        from torch.distributed.algorithms.ddp_comm_hooks import default as comm_hooks

        distributed.register_comm_hook(state=None, hook=comm_hooks.fp16_compress_hook)
    return distributed


def default_argument_parser(epilog: str | None = None) -> argparse.ArgumentParser:
    """The command line of a training script.

    Args:
        epilog: shown below the help; examples of use by default.
    """
    parser = argparse.ArgumentParser(
        epilog=epilog
        or f"""
Examples:

Run on single machine:
    $ {sys.argv[0]} --num-gpus 8 --config-file cfg.yaml

Change some config options:
    $ {sys.argv[0]} --config-file cfg.yaml MODEL.WEIGHTS /path/to/weight.pth SOLVER.BASE_LR 0.001

Run on multiple machines:
    (machine0)$ {sys.argv[0]} --machine-rank 0 --num-machines 2 --dist-url <URL> [--other-flags]
    (machine1)$ {sys.argv[0]} --machine-rank 1 --num-machines 2 --dist-url <URL> [--other-flags]
""",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--config-file", default="", metavar="FILE", help="path to config file")
    parser.add_argument(
        "--resume",
        action="store_true",
        help="continue from the last checkpoint in OUTPUT_DIR, if there is one",
    )
    parser.add_argument("--eval-only", action="store_true", help="perform evaluation only")
    parser.add_argument("--num-gpus", type=int, default=1, help="number of gpus *per machine*")
    parser.add_argument("--num-machines", type=int, default=1, help="total number of machines")
    parser.add_argument(
        "--machine-rank", type=int, default=0, help="the rank of this machine (unique per machine)"
    )
    # A port of its own for each user, so that users of one machine do not meet.
    user = os.getuid() if sys.platform != "win32" else 1
    port = 2**15 + 2**14 + hash(user) % 2**14
    parser.add_argument(
        "--dist-url",
        default=f"tcp://127.0.0.1:{port}",
        help="address of the first process of a distributed run, in the form tcp://host:port",
    )
    parser.add_argument(
        "opts",
        help="config options to change, at the end of the command line: pairs 'KEY VALUE'",
        default=None,
        nargs=argparse.REMAINDER,
    )
    return parser


def default_setup(cfg: CfgNode, args: argparse.Namespace) -> None:
    """Set up a script: loggers, a log of environment and config, a copy of the config, the seed.

    Args:
        cfg: the complete config.
        args: the command line, to be logged.
    """
    output_dir = cfg.OUTPUT_DIR
    if comm.is_main_process() and output_dir:
        PathManager.mkdirs(output_dir)

    rank = comm.get_rank()
    setup_logger(output_dir, distributed_rank=rank, name="fvcore")
    logger = setup_logger(output_dir, distributed_rank=rank)
    logger.info("Rank of current process: %d. World size: %d", rank, comm.get_world_size())
    logger.info("Environment info:\n%s", collect_env_info())
    logger.info("Command line arguments: %s", args)
    if getattr(args, "config_file", ""):
        with PathManager.open(args.config_file, "r") as file:
            logger.info("Contents of args.config_file=%s:\n%s", args.config_file, file.read())

    if comm.is_main_process() and output_dir:
        logger.info("Running with full config:\n%s", cfg.dump())
        path = os.path.join(output_dir, "config.yaml")
        with PathManager.open(path, "w") as file:
            file.write(cfg.dump())
        logger.info("Full config saved to %s", path)

    # Another seed for every process, the same in every run.
    seed_all_rng(None if cfg.SEED < 0 else cfg.SEED + rank)
    # While evaluating, image sizes change all the time.
    if not getattr(args, "eval_only", False):
        torch.backends.cudnn.benchmark = cfg.CUDNN_BENCHMARK
    if cfg.FLOAT32_PRECISION:
        logger.info("Set fp32 precision to %s", cfg.FLOAT32_PRECISION)
        torch.set_float32_matmul_precision(cfg.FLOAT32_PRECISION)


def default_writers(output_dir: str, max_iter: int | None = None) -> list[EventWriter]:
    """Writers to the log, to ``metrics.json`` and to TensorBoard.

    Args:
        output_dir: folder of the files.
        max_iter: end of training, for the estimate of the remaining time.
    """
    PathManager.mkdirs(output_dir)
    return [
        CommonMetricPrinter(max_iter),
        JSONWriter(os.path.join(output_dir, "metrics.json")),
        TensorboardXWriter(output_dir),
    ]


class DefaultTrainer(TrainerBase):
    """Builds model, optimiser, loader, schedule and hooks from a config, and trains::

        trainer = DefaultTrainer(cfg)
        trainer.resume_or_load(resume=args.resume)
        trainer.train()

    Subclasses override the class methods ``build_*`` and ``build_hooks``.

    Beyond Detectron2's, a run that is interrupted (Ctrl-C) and resumed continues as if it had not
    been: the checkpoint keeps the position in the training data
    (:mod:`detectron2.engine.data_order`), what smoothed metrics need, and the seed that the random
    generators are set by at each iteration. They are entries of ``trainer/_trainer``, which
    Detectron2 ignores.

    Attributes:
        scheduler: the learning-rate schedule.
        checkpointer: saves and loads.
        cfg: the config.
    """

    def __init__(self, cfg: CfgNode) -> None:
        super().__init__()
        logger = logging.getLogger("detectron2")
        if not logger.isEnabledFor(logging.INFO):  # default_setup was not called
            setup_logger()
        cfg = DefaultTrainer.auto_scale_workers(cfg, comm.get_world_size())

        model = self.build_model(cfg)
        optimizer = self.build_optimizer(cfg, model)
        data_loader = self.build_train_loader(cfg)
        model = create_ddp_model(model, broadcast_buffers=False)
        trainer_class = AMPTrainer if cfg.SOLVER.AMP.ENABLED else SimpleTrainer
        self._trainer = trainer_class(model, data_loader, optimizer)
        self.scheduler = self.build_lr_scheduler(cfg, optimizer)
        self.checkpointer = DetectionCheckpointer(
            model, cfg.OUTPUT_DIR, trainer=weakref.proxy(self)
        )
        self.start_iter = 0
        self.max_iter = cfg.SOLVER.MAX_ITER
        self.cfg = cfg
        self._random_seed = cfg.SEED if cfg.SEED >= 0 else comm.shared_random_seed()
        self._recent_scalars: Mapping[str, list[tuple[float, int]]] = {}
        self.register_hooks(self.build_hooks())

    @property
    def model(self) -> torch.nn.Module:
        return self._trainer.model

    @model.setter
    def model(self, model: torch.nn.Module) -> None:
        self._trainer.model = model

    @property
    def data_loader(self) -> Iterable:
        return self._trainer.data_loader

    @data_loader.setter
    def data_loader(self, data_loader: Iterable) -> None:
        self._trainer.data_loader = data_loader

    @property
    def optimizer(self) -> torch.optim.Optimizer:
        return self._trainer.optimizer

    @optimizer.setter
    def optimizer(self, optimizer: torch.optim.Optimizer) -> None:
        self._trainer.optimizer = optimizer

    def resume_or_load(self, resume: bool = True) -> None:
        """Continue from the last checkpoint in ``OUTPUT_DIR``, or load ``MODEL.WEIGHTS``.

        Args:
            resume: whether to continue, if there is a checkpoint. Without one, or if False, only
                weights are loaded, and training starts at iteration 0.
        """
        self.checkpointer.resume_or_load(self.cfg.MODEL.WEIGHTS, resume=resume)
        if resume and self.checkpointer.has_checkpoint():
            # What is saved is the last iteration that was completed.
            self.start_iter = self.iter + 1

    def build_hooks(self) -> list[HookBase | None]:
        """The hooks, in order: timing, learning rate, statistics, saving, evaluating, writing."""
        cfg = self.cfg.clone()
        cfg.defrost()
        cfg.DATALOADER.NUM_WORKERS = 0  # of the loader of PreciseBN

        precise_bn = None
        if cfg.TEST.PRECISE_BN.ENABLED and hooks.get_bn_modules(self.model):
            precise_bn = hooks.PreciseBN(
                cfg.TEST.EVAL_PERIOD,
                self.model,
                self.build_train_loader(cfg),
                cfg.TEST.PRECISE_BN.NUM_ITER,
            )
        # Saved before evaluating: an evaluation may fail.
        result: list[HookBase | None] = [hooks.IterationTimer(), hooks.LRScheduler(), precise_bn]
        if comm.is_main_process():
            result.append(
                hooks.PeriodicCheckpointer(self.checkpointer, cfg.SOLVER.CHECKPOINT_PERIOD)
            )

        def test_and_save_results() -> dict[str, Any]:
            self._last_eval_results = self.test(self.cfg, self.model)
            return self._last_eval_results

        result.append(hooks.EvalHook(cfg.TEST.EVAL_PERIOD, test_and_save_results))
        if comm.is_main_process():
            # Last, so that the results of the other hooks are written.
            result.append(hooks.PeriodicWriter(self.build_writers(), period=20))
        return result

    def build_writers(self) -> list[EventWriter]:
        """Where metrics are written; see :func:`default_writers`."""
        return default_writers(self.cfg.OUTPUT_DIR, self.max_iter)

    def train(self) -> dict[str, Any] | None:
        """Train to the end.

        Returns:
            The results of the last evaluation if ``TEST.EXPECTED_RESULTS`` are given (and met).
        """
        super().train(self.start_iter, self.max_iter)
        if self.cfg.TEST.EXPECTED_RESULTS and comm.is_main_process():
            assert hasattr(self, "_last_eval_results"), (
                "No evaluation results obtained during training!"
            )
            verify_results(self.cfg, self._last_eval_results)
            return self._last_eval_results
        return None

    def before_train(self) -> None:
        self.storage.continue_scalars(self._recent_scalars)
        # An iterator draws a random number when it starts: not in the first iteration, which a
        # resumed run would then draw differently.
        seed_iteration(self._random_seed, comm.get_rank(), self.start_iter)
        self._trainer.start_data_loader()
        super().before_train()

    def run_step(self) -> None:
        seed_iteration(self._random_seed, comm.get_rank(), self.iter)
        self._trainer.iter = self.iter
        self._trainer.run_step()

    def state_dict(self) -> dict[str, Any]:
        state = super().state_dict()
        state["_trainer"] = self._trainer.state_dict()
        state["_trainer"]["random_seed"] = self._random_seed
        if hasattr(self, "storage"):
            state["_trainer"]["recent_scalars"] = self.storage.recent_scalars()
        return state

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        super().load_state_dict(state_dict)
        inner = state_dict["_trainer"]
        self._trainer.load_state_dict(inner)
        self._random_seed = inner.get("random_seed", self._random_seed)
        self._recent_scalars = inner.get("recent_scalars", {})

    @classmethod
    def build_model(cls, cfg: CfgNode) -> torch.nn.Module:
        """The model that ``MODEL.META_ARCHITECTURE`` names."""
        from detectron2.modeling import build_model

        model = build_model(cfg)
        logging.getLogger(__name__).info("Model:\n%s", model)
        return model

    @classmethod
    def build_optimizer(cls, cfg: CfgNode, model: torch.nn.Module) -> torch.optim.Optimizer:
        """SGD; see :func:`detectron2.solver.build_optimizer`."""
        return build_optimizer(cfg, model)

    @classmethod
    def build_lr_scheduler(cls, cfg: CfgNode, optimizer: torch.optim.Optimizer) -> Any:
        """See :func:`detectron2.solver.build_lr_scheduler`."""
        return build_lr_scheduler(cfg, optimizer)

    @classmethod
    def build_train_loader(cls, cfg: CfgNode) -> Iterable:
        """See :func:`detectron2.data.build_detection_train_loader`."""
        from detectron2.data import build_detection_train_loader

        return build_detection_train_loader(cfg)

    @classmethod
    def build_test_loader(cls, cfg: CfgNode, dataset_name: str) -> Iterable:
        """See :func:`detectron2.data.build_detection_test_loader`."""
        from detectron2.data import build_detection_test_loader

        return build_detection_test_loader(cfg, dataset_name)

    @classmethod
    def build_evaluator(cls, cfg: CfgNode, dataset_name: str) -> DatasetEvaluator:
        """What evaluates on this data set. To be given by a subclass."""
        raise NotImplementedError(
            "If you want DefaultTrainer to automatically run evaluation, please implement "
            "`build_evaluator()` in subclasses (see train_net.py for example). "
            "Alternatively, you can call evaluation functions yourself."
        )

    @classmethod
    def test(
        cls,
        cfg: CfgNode,
        model: torch.nn.Module,
        evaluators: DatasetEvaluator | list[DatasetEvaluator] | None = None,
    ) -> dict[str, Any]:
        """Evaluate a model on all data sets of ``DATASETS.TEST``.

        Args:
            cfg: the config.
            model: the model.
            evaluators: one per data set; those of :meth:`build_evaluator` if None.

        Returns:
            Results by data set; those of the only one if there is one.
        """
        logger = logging.getLogger(__name__)
        if isinstance(evaluators, DatasetEvaluator):
            evaluators = [evaluators]
        if evaluators is not None:
            assert len(cfg.DATASETS.TEST) == len(evaluators), (
                f"{len(cfg.DATASETS.TEST)} != {len(evaluators)}"
            )
        results: OrderedDict[str, Any] = OrderedDict()
        for index, dataset_name in enumerate(cfg.DATASETS.TEST):
            data_loader = cls.build_test_loader(cfg, dataset_name)
            if evaluators is not None:
                evaluator = evaluators[index]
            else:
                try:
                    evaluator = cls.build_evaluator(cfg, dataset_name)
                except NotImplementedError:
                    logger.warning(
                        "No evaluator found. Use `DefaultTrainer.test(evaluators=)`, "
                        "or implement its `build_evaluator` method."
                    )
                    results[dataset_name] = {}
                    continue
            result = inference_on_dataset(model, data_loader, evaluator)
            results[dataset_name] = result
            if comm.is_main_process():
                assert isinstance(result, dict), (
                    f"Evaluator must return a dict on the main process. Got {result} instead."
                )
                logger.info("Evaluation results for %s in csv format:", dataset_name)
                print_csv_format(result)
        return next(iter(results.values())) if len(results) == 1 else results

    @staticmethod
    def auto_scale_workers(cfg: CfgNode, num_workers: int) -> CfgNode:
        """Scale a config that is meant for ``SOLVER.REFERENCE_WORLD_SIZE`` processes.

        Args:
            cfg: returned as it is if the reference is 0 or ``num_workers``.
            num_workers: actual number of processes.

        Returns:
            A copy with batch size and learning rate scaled up, and everything that counts
            iterations scaled down, by ``num_workers / REFERENCE_WORLD_SIZE``.
        """
        old_world_size = cfg.SOLVER.REFERENCE_WORLD_SIZE
        if old_world_size in (0, num_workers):
            return cfg
        cfg = cfg.clone()
        frozen = cfg.is_frozen()
        cfg.defrost()

        assert cfg.SOLVER.IMS_PER_BATCH % old_world_size == 0, (
            "Invalid REFERENCE_WORLD_SIZE in config!"
        )
        scale = num_workers / old_world_size
        cfg.SOLVER.IMS_PER_BATCH = int(round(cfg.SOLVER.IMS_PER_BATCH * scale))
        cfg.SOLVER.BASE_LR *= scale
        cfg.SOLVER.MAX_ITER = int(round(cfg.SOLVER.MAX_ITER / scale))
        cfg.SOLVER.WARMUP_ITERS = int(round(cfg.SOLVER.WARMUP_ITERS / scale))
        cfg.SOLVER.STEPS = tuple(int(round(step / scale)) for step in cfg.SOLVER.STEPS)
        cfg.TEST.EVAL_PERIOD = int(round(cfg.TEST.EVAL_PERIOD / scale))
        cfg.SOLVER.CHECKPOINT_PERIOD = int(round(cfg.SOLVER.CHECKPOINT_PERIOD / scale))
        cfg.SOLVER.REFERENCE_WORLD_SIZE = num_workers  # scaled once
        logging.getLogger(__name__).info(
            "Auto-scaling the config to batch_size=%d, learning_rate=%s, max_iter=%d, warmup=%d.",
            cfg.SOLVER.IMS_PER_BATCH,
            cfg.SOLVER.BASE_LR,
            cfg.SOLVER.MAX_ITER,
            cfg.SOLVER.WARMUP_ITERS,
        )
        if frozen:
            cfg.freeze()
        return cfg
