"""Evaluators and what is done with their results."""

from __future__ import annotations

import logging
from collections import OrderedDict

import pytest
import torch

from detectron2.config import get_cfg
from detectron2.evaluation import (
    DatasetEvaluator,
    DatasetEvaluators,
    inference_context,
    inference_on_dataset,
    print_csv_format,
    verify_results,
)
from detectron2.evaluation.testing import flatten_results_dict


class _Sum(DatasetEvaluator):
    def __init__(self, task: str = "sum") -> None:
        self.task = task

    def reset(self):
        self.total = 0.0

    def process(self, inputs, outputs):
        self.total += float(outputs)

    def evaluate(self):
        return {self.task: {"total": self.total}}


class _Double(torch.nn.Module):
    def forward(self, x):
        assert not self.training and not torch.is_grad_enabled()
        return 2 * x


@pytest.fixture
def messages():
    """What ``detectron2.evaluation`` logs."""
    records: list[str] = []

    class Collect(logging.Handler):
        def emit(self, record):
            records.append(record.getMessage())

    logger = logging.getLogger("detectron2.evaluation")
    handler, level = Collect(), logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield records
    logger.removeHandler(handler)
    logger.setLevel(level)


@pytest.mark.parametrize("count", [1, 2, 12])
def test_inference(messages, count):
    model = _Double()
    calls: list[str] = []
    results = inference_on_dataset(
        model,
        [torch.tensor(1.0)] * count,
        [_Sum("a"), _Sum("b")],
        callbacks={
            "on_start": lambda: calls.append("start"),
            "on_end": lambda: calls.append("end"),
        },
    )
    assert results == {"a": {"total": 2.0 * count}, "b": {"total": 2.0 * count}}
    assert model.training and calls == ["start", "end"]
    assert messages[0] == f"Start inference on {count} batches"
    assert messages[-2].startswith("Total inference time: 0:00:0")
    assert messages[-1].startswith("Total inference pure compute time: 0:00:0")


def test_inference_without_evaluator():
    assert inference_on_dataset(lambda x: x, [1, 2], None) == {}


def test_equal_keys_of_evaluators_are_refused():
    evaluators = DatasetEvaluators([_Sum(), _Sum()])
    evaluators.reset()
    with pytest.raises(AssertionError, match="sum"):
        evaluators.evaluate()


@pytest.mark.parametrize("training", [True, False])
def test_inference_context_restores_the_mode(training):
    model = torch.nn.Linear(1, 1).train(training)
    with pytest.raises(KeyError), inference_context(model):
        assert not model.training
        raise KeyError
    assert model.training == training


def test_csv_format(messages):
    print_csv_format(OrderedDict(segm={"AP": 12.34567, "AP50": 1.0, "AP-person": 3.0}, other=5))
    assert messages == [
        "copypaste: Task: segm",
        "copypaste: AP,AP50",
        "copypaste: 12.3457,1.0000",
        "copypaste: other=5",
    ]


def test_verify_results():
    cfg = get_cfg()
    assert verify_results(cfg, {})
    cfg.TEST.EXPECTED_RESULTS = [["segm", "AP", 10.0, 0.5]]
    assert verify_results(cfg, {"segm": {"AP": 10.4}})
    for wrong in (10.6, float("nan")):
        with pytest.raises(SystemExit) as stopped:
            verify_results(cfg, {"segm": {"AP": wrong}})
        assert stopped.value.code == 1


def test_flatten_results():
    nested = {"a": {"b": {"c": 1}, "d": 2}, "e": 3}
    assert flatten_results_dict(nested) == {"a/b/c": 1, "a/d": 2, "e": 3}
