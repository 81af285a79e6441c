"""The event storage and its writers."""

from __future__ import annotations

import json
import logging

import pytest
import torch

from detectron2.utils.events import (
    CommonMetricPrinter,
    EventStorage,
    JSONWriter,
    TensorboardXWriter,
    get_event_storage,
    has_event_storage,
)


def test_current_storage():
    assert not has_event_storage()
    with pytest.raises(AssertionError):
        get_event_storage()
    with EventStorage() as outer:
        with EventStorage(5) as inner:
            assert get_event_storage() is inner
            assert inner.iter == inner.iteration == 5
        assert get_event_storage() is outer and has_event_storage()


def test_scalars():
    with EventStorage(10) as storage:
        for iteration, value in enumerate([4.0, 1.0, 3.0], start=10):
            storage.iter = iteration
            storage.put_scalar("loss", torch.tensor(value))
            storage.put_scalars(lr=value, smoothing_hint=False)
        assert storage.latest() == {"loss": (3.0, 12), "lr": (3.0, 12)}
        assert storage.history("loss").values() == [(4.0, 10), (1.0, 11), (3.0, 12)]
        assert storage.latest_with_smoothing_hint(20)["loss"] == (3.0, 12)
        assert storage.latest_with_smoothing_hint(2)["loss"] == (2.0, 12)
        assert storage.smoothing_hints() == {"loss": True, "lr": False}
        with pytest.raises(AssertionError):
            storage.put_scalar("loss", 1.0, smoothing_hint=False)
        with pytest.raises(KeyError, match="nothing"):
            storage.history("nothing")


def test_samples_are_counted_by_iteration():
    with EventStorage() as storage:
        for iteration in (0, 10, 25, 29):
            storage.put_scalar("rare", 1.0, cur_iter=iteration)
        assert storage.count_samples("rare", 20) == 3
        assert storage.count_samples("rare", 100) == 4


def test_name_scope():
    with EventStorage() as storage:
        with storage.name_scope("head"):
            storage.put_scalar("loss", 1.0)
        storage.put_scalar("loss", 2.0)
    assert set(storage.latest()) == {"head/loss", "loss"}


def test_json_writer(tmp_path):
    path = tmp_path / "metrics.json"
    with EventStorage(3) as storage:
        writer = JSONWriter(str(path), window_size=2)
        storage.put_scalars(loss=1.0, other=7.0)
        storage.iter = 4
        storage.put_scalars(loss=2.0)
        writer.write()
        writer.write()  # nothing new
        storage.iter = 5
        storage.put_scalar("metric", 9.0, smoothing_hint=False)
        writer.write()
        writer.close()
    lines = path.read_text().splitlines()
    assert sorted((json.loads(line) for line in lines), key=lambda line: line["iteration"]) == [
        {"iteration": 3, "other": 7.0},
        {"iteration": 4, "loss": 1.5},
        {"iteration": 5, "metric": 9.0},
    ]
    assert all(list(json.loads(line)) == sorted(json.loads(line)) for line in lines)


@pytest.fixture
def messages():
    """What the metric printer logs."""
    records: list[str] = []

    class Collect(logging.Handler):
        def emit(self, record):
            records.append(record.getMessage())

    logger = logging.getLogger("detectron2.utils.events")
    handler, level = Collect(), logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield records
    logger.removeHandler(handler)
    logger.setLevel(level)


def test_metric_printer(messages):
    with EventStorage(7) as storage:
        storage.put_scalars(total_loss=1.23456, loss_a=0.5, time=2.0, data_time=0.25)
        storage.put_scalar("[metric]scale", 3.0)
        storage.put_scalar("lr", 1e-5, smoothing_hint=False)
        CommonMetricPrinter(max_iter=3608).write()
        assert storage.latest()["eta_seconds"] == (7200.0, 7)
    assert messages[0].startswith(
        " eta: 2:00:00  iter: 7  total_loss: 1.235  loss_a: 0.5  [metric]scale: 3  "
        "time: 2.0000  last_time: 2.0000  data_time: 0.2500  last_data_time: 0.2500   lr: 1e-05  "
    )


def test_metric_printer_is_silent_after_the_end(messages):
    with EventStorage(7):
        CommonMetricPrinter(max_iter=7).write()
    assert not messages


def test_metric_printer_with_nothing_to_tell(messages):
    with EventStorage(7):
        CommonMetricPrinter().write()
    assert messages[0].startswith(" iter: 7  ")
    assert "lr: N/A" in messages[0]


def test_tensorboard_writer(tmp_path):
    event_accumulator = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator"
    )
    with EventStorage(2) as storage:
        writer = TensorboardXWriter(str(tmp_path))
        storage.put_scalar("loss", 1.5)
        storage.put_image("picture", torch.zeros(3, 4, 5, dtype=torch.uint8))
        storage.put_histogram("weights", torch.arange(10.0))
        writer.write()
        writer.write()
        writer.close()
    events = event_accumulator.EventAccumulator(str(tmp_path))
    events.Reload()
    assert [(event.step, event.value) for event in events.Scalars("loss")] == [(2, 1.5)]
    assert len(events.Images("picture")) == 1
    assert len(events.Histograms("weights")) == 1
