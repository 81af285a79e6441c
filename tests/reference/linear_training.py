"""The training run of ``golden/detectron2/engine.json``: one linear layer on six numbers.

Also a script: ``python -m reference.linear_training OUTPUT_DIR [--resume] [--wait-at N]
[--processes N]``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import torch

import univs  # noqa: F401 - selects the Detectron2
from detectron2.config import CfgNode, get_cfg
from detectron2.engine import DefaultTrainer, default_setup, launch
from detectron2.evaluation import DatasetEvaluator
from detectron2.utils import comm

DATASET = "contract"
SIZE = 6
BATCH_SIZE = 2


class LinearModel(torch.nn.Module):
    """y = weight * [image_id, 1] + bias.

    Args:
        noise: standard deviation of noise added to y while training.
    """

    def __init__(self, noise: float = 0.0) -> None:
        super().__init__()
        self.lin = torch.nn.Linear(2, 1)
        torch.nn.init.constant_(self.lin.weight, 0.5)
        torch.nn.init.constant_(self.lin.bias, 0.0)
        self.noise = noise

    def forward(self, batch: list[dict]) -> dict[str, torch.Tensor] | list[float]:
        x = torch.tensor([[float(sample["image_id"]), 1.0] for sample in batch])
        y = self.lin(x)
        if not self.training:
            return y.flatten().tolist()
        if self.noise:
            y = y + self.noise * torch.randn_like(y)
        return {"loss_a": (y**2).mean(), "loss_b": 0.1 * y.abs().mean()}


class ShuffledIndices(torch.utils.data.Sampler):
    """One permutation after another, without end; every process takes its share of them.

    Args:
        size: number of samples.
        seed: of the permutations; a random one that all processes share if negative.
    """

    def __init__(self, size: int, seed: int) -> None:
        self.size = size
        self.seed = seed if seed >= 0 else comm.shared_random_seed()
        self.start = 0

    def skip(self, num_indices: int) -> None:
        self.start = num_indices

    def __iter__(self) -> Iterator[int]:
        rank, world_size = comm.get_rank(), comm.get_world_size()
        position = 0
        generator = torch.Generator()
        generator.manual_seed(self.seed)
        while True:
            for index in torch.randperm(self.size, generator=generator).tolist():
                own, remainder = divmod(position, world_size)
                if remainder == rank and own >= self.start:
                    yield index
                position += 1


class MeanEvaluator(DatasetEvaluator):
    """Number and mean of the outputs."""

    def reset(self) -> None:
        self.values: list[float] = []

    def process(self, inputs: list[dict], outputs: list[float]) -> None:
        self.values += outputs

    def evaluate(self) -> dict:
        return {"task": {"n": len(self.values), "mean": sum(self.values) / len(self.values)}}


class LinearTrainer(DefaultTrainer):
    """Trains a :class:`LinearModel`, with the noise of ``INPUT.NOISE``."""

    @classmethod
    def build_model(cls, cfg: CfgNode) -> torch.nn.Module:
        return LinearModel(cfg.INPUT.NOISE)

    @classmethod
    def build_train_loader(cls, cfg: CfgNode) -> torch.utils.data.DataLoader:
        return torch.utils.data.DataLoader(
            [{"image_id": index} for index in range(SIZE)],
            batch_size=cfg.SOLVER.IMS_PER_BATCH // comm.get_world_size(),
            sampler=ShuffledIndices(SIZE, cfg.SEED),
            num_workers=cfg.DATALOADER.NUM_WORKERS,
            collate_fn=list,
        )

    @classmethod
    def build_test_loader(cls, cfg: CfgNode, dataset_name: str) -> list[list[dict]]:
        return [[{"image_id": index}] for index in range(SIZE)]

    @classmethod
    def build_evaluator(cls, cfg: CfgNode, dataset_name: str) -> DatasetEvaluator:
        return MeanEvaluator()


def linear_config(output_dir: Path) -> CfgNode:
    """The config of the run."""
    cfg = get_cfg()
    cfg.MODEL.DEVICE = "cpu"
    cfg.INPUT.NOISE = 0.0
    cfg.OUTPUT_DIR = str(output_dir)
    cfg.DATASETS.TRAIN = cfg.DATASETS.TEST = (DATASET,)
    cfg.DATALOADER.NUM_WORKERS = 0
    cfg.DATALOADER.ASPECT_RATIO_GROUPING = False
    cfg.SEED = 7
    cfg.SOLVER.IMS_PER_BATCH = BATCH_SIZE
    cfg.SOLVER.MAX_ITER = 40
    cfg.SOLVER.BASE_LR = 0.001
    cfg.SOLVER.STEPS = (30,)
    cfg.SOLVER.WARMUP_ITERS = 5
    cfg.SOLVER.CHECKPOINT_PERIOD = 10
    cfg.TEST.EVAL_PERIOD = 20
    return cfg


def linear_trainer(cfg: CfgNode, resume: bool = False) -> LinearTrainer:
    """A trainer, ready to train, as a training script makes it."""
    default_setup(cfg, argparse.Namespace())
    trainer = LinearTrainer(cfg)
    trainer.resume_or_load(resume=resume)
    return trainer


def train_in_process(output_dir: str, options: list) -> None:
    """Train, or go on training, with config options: what a launched process runs."""
    torch.set_num_threads(1)
    cfg = linear_config(Path(output_dir))
    cfg.merge_from_list(options)
    linear_trainer(cfg, resume=True).train()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("output_dir", type=Path)
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--wait-at", type=int, help="iteration that waits for a line of input")
    parser.add_argument("--processes", type=int, default=1, help="several train until stopped")
    arguments = parser.parse_args()
    if arguments.processes > 1:
        options = ["SOLVER.MAX_ITER", 10**6, "SOLVER.CHECKPOINT_PERIOD", 10**6]
        options += ["TEST.EVAL_PERIOD", 0, "SOLVER.IMS_PER_BATCH", 2 * arguments.processes]
        shared = (str(arguments.output_dir), options)
        launch(train_in_process, arguments.processes, dist_url="auto", args=shared)
        return
    cfg = linear_config(arguments.output_dir)
    cfg.INPUT.NOISE = 0.5
    cfg.DATALOADER.NUM_WORKERS = 2
    trainer = linear_trainer(cfg, arguments.resume)

    def wait(*_: object) -> None:
        if trainer.iter == arguments.wait_at:
            print("WAITING", flush=True)
            sys.stdin.readline()

    trainer.model.register_forward_hook(wait)
    trainer.train()


if __name__ == "__main__":
    main()
