"""The training run of engine.json: what it computes, writes and logs."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import torch
import yaml

import univs
from detectron2.engine import (
    AMPTrainer,
    BestCheckpointer,
    CallbackHook,
    HookBase,
    SimpleTrainer,
    TrainerBase,
    default_argument_parser,
    default_setup,
    hooks,
)
from detectron2.engine.defaults import DefaultTrainer
from detectron2.utils.events import get_event_storage
from reference.linear_training import linear_config, linear_trainer


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, object, object]:
    """Output folder, trainer and what train() returned, of the whole run."""
    folder = tmp_path_factory.mktemp("run") / "output"
    trainer = linear_trainer(linear_config(folder))
    return folder, trainer, trainer.train()


def _lines(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "metrics.json").read_text().splitlines()]


def _pattern(line: str) -> str:
    """The line of a log as a regular expression: times and paths vary, the rest is fixed."""
    line = re.sub(r"^\[\S+ \S+\] ", "", line)  # date and time
    pattern = re.escape(line)
    pattern = pattern.replace(re.escape("OUTPUT_DIR/.."), r"\S+\.pth")
    for name in ("eta: ", "time: ", "last_time: ", "data_time: ", "last_data_time: "):
        pattern = re.sub(
            re.escape(re.escape(name)) + r"[\d:\\.]+", re.escape(name) + r"[\\d:.]+", pattern
        )
    # Durations such as 0:00:00.000120 and (0.000120 s.
    pattern = re.sub(r"\d:\d\d:\d\d(\\\.\d+)?", r"\\d:\\d\\d:\\d\\d(\\.\\d+)?", pattern)
    return re.sub(r"\\\(\d\\\.\d+\\ s", r"\\(\\d+\\.\\d+\\ s", pattern)


def test_final_weights(finished, engine_facts):
    _, trainer, _ = finished
    expected = torch.tensor(engine_facts["final_weight"])
    torch.testing.assert_close(trainer.model.lin.weight.detach(), expected, rtol=1e-6, atol=1e-7)


def test_train_returns(finished, engine_facts):
    assert finished[2] == engine_facts["train_returns"]


def test_files_written(finished, engine_facts):
    folder = finished[0]
    written = sorted(p.name for p in folder.iterdir() if "tfevents" not in p.name)
    assert written == engine_facts["files_written"]
    assert (folder / "last_checkpoint").read_text() == engine_facts["last_checkpoint_content"]


def test_checkpoint_top_level(finished, engine_facts):
    checkpoint = torch.load(finished[0] / "model_final.pth", weights_only=True)
    expected = engine_facts["checkpoint_top_level"]
    assert set(checkpoint) == set(expected)
    assert sorted(checkpoint["model"]) == expected["model"]
    assert sorted(checkpoint["trainer"]) == expected["trainer"]
    assert checkpoint["iteration"] == expected["iteration"]
    assert checkpoint["trainer"]["iteration"] == expected["iteration"]
    assert {"iteration", "optimizer"} <= set(checkpoint["trainer"]["_trainer"])
    assert set(checkpoint["trainer"]["hooks"]["LRScheduler"]) == {"base_lrs", "last_epoch"}


def test_metrics_file(finished, engine_facts):
    lines = _lines(finished[0])
    assert [line["iteration"] for line in lines] == engine_facts["metrics_json_iterations"]
    assert [sorted(line) for line in lines] == engine_facts["metrics_json_keys_per_line"]


def test_log_lines(finished, engine_facts):
    log = (finished[0] / "log.txt").read_text().splitlines()
    position = 0
    for line in engine_facts["log_lines_sample"]:
        pattern = re.compile(r"\[\d\d/\d\d \d\d:\d\d:\d\d\] " + _pattern(line))
        found = next((i for i in range(position, len(log)) if pattern.fullmatch(log[i])), None)
        assert found is not None, f"no line like {line!r} after line {position} of the log"
        position = found + 1


def test_saved_config_can_be_read_back(finished):
    cfg = linear_config(finished[0])
    again = linear_config(finished[0] / "elsewhere")
    again.merge_from_file(str(finished[0] / "config.yaml"))
    assert yaml.safe_load(again.dump()) == yaml.safe_load(cfg.dump())


def test_resume_starts_after_the_checkpoint(engine_facts, tmp_path):
    facts = engine_facts["resume"]
    cfg = linear_config(tmp_path)
    cfg.SOLVER.MAX_ITER = 20
    cfg.TEST.EVAL_PERIOD = 0
    linear_trainer(cfg).train()
    cfg.SOLVER.MAX_ITER = 40
    trainer = linear_trainer(cfg, resume=True)
    assert trainer.start_iter == facts["start_iter_after_resume"]
    if univs.DETECTRON2 == "standin":
        return  # its weights equal those of the uninterrupted run: test_interruption.py
    trainer.train()
    expected = torch.tensor(facts["final_weight"])
    torch.testing.assert_close(trainer.model.lin.weight.detach(), expected, rtol=1e-6, atol=1e-7)


def test_arguments(engine_facts):
    actions = [a for a in default_argument_parser()._actions if "--help" not in a.option_strings]
    found = [
        {
            "flags": action.option_strings or [action.dest],
            "default": action.default,
            "nargs": action.nargs,
            "type": action.type and action.type.__name__,
        }
        for action in actions
    ]
    expected = engine_facts["arguments"]
    for fact, action in zip(expected, found, strict=True):
        if "<port" in str(fact["default"]):
            assert re.fullmatch(r"tcp://127\.0\.0\.1:\d{5}", action.pop("default"))
            fact = {key: value for key, value in fact.items() if key != "default"}
        assert action == fact


def test_default_setup_logs_and_seeds(tmp_path):
    cfg = linear_config(tmp_path / "out")
    arguments = default_argument_parser().parse_args(["--eval-only", "SEED", "3"])
    default_setup(cfg, arguments)
    first = torch.rand(3)
    default_setup(cfg, arguments)
    assert torch.equal(torch.rand(3), first)
    log = (tmp_path / "out" / "log.txt").read_text()
    assert "Rank of current process: 0. World size: 1" in log
    assert "Command line arguments: " in log


class _Recorder(HookBase):
    def __init__(self, calls: list[str]) -> None:
        self.calls = calls

    def before_train(self):
        self.calls.append("before_train")

    def before_step(self):
        self.calls.append("before_step")

    def after_backward(self):
        self.calls.append("after_backward")

    def after_step(self):
        self.calls.append("after_step")

    def after_train(self):
        self.calls.append("after_train")


def _simple_trainer(loss: float | None = None, cls: type = SimpleTrainer) -> SimpleTrainer:
    model = torch.nn.Linear(1, 1)

    class Wrapper(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.lin = model

        def forward(self, x):
            value = self.lin(x).sum()
            return value if loss is None else {"loss": value * 0 + loss}

    def forever():
        while True:
            yield torch.ones(2, 1)

    return cls(Wrapper(), forever(), torch.optim.SGD(model.parameters(), lr=0.1))


def test_hooks_are_called_in_order():
    calls: list[str] = []
    trainer = _simple_trainer()
    trainer.register_hooks([_Recorder(calls), None])
    trainer.train(0, 2)
    step = ["before_step", "after_backward", "after_step"]
    assert calls == ["before_train", *step, *step, "after_train"]
    assert trainer.iter == 2


@pytest.mark.parametrize("loss", [float("nan"), float("inf")])
def test_training_stops_at_a_loss_that_is_not_finite(loss):
    calls: list[str] = []
    trainer = _simple_trainer(loss)
    trainer.register_hooks([_Recorder(calls)])
    weight = trainer.model.lin.weight.detach().clone()
    with pytest.raises(FloatingPointError, match="iteration=4"):
        trainer.train(4, 9)
    assert calls[-1] == "after_train"
    assert torch.equal(trainer.model.lin.weight, weight)


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
@pytest.mark.filterwarnings("ignore:.*GradScaler is enabled, but CUDA is not available")
def test_mixed_precision_needs_a_gpu():
    with pytest.raises(AssertionError, match="CUDA is required"):
        _simple_trainer(cls=AMPTrainer).train(0, 1)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_mixed_precision_trains_on_a_gpu():
    trainer = _simple_trainer(cls=AMPTrainer)
    trainer.model.cuda()
    trainer._data_loader_iter_obj = iter([torch.ones(2, 1, device="cuda")] * 3)
    before = trainer.model.lin.weight.detach().clone()
    trainer.train(0, 3)
    assert not torch.equal(trainer.model.lin.weight, before)
    assert {"optimizer", "grad_scaler", "iteration"} <= set(trainer.state_dict())


def test_step_refuses_a_model_in_evaluation_mode():
    trainer = _simple_trainer()
    trainer.model.eval()
    with pytest.raises(AssertionError, match="eval mode"):
        trainer.train(0, 1)


def test_state_of_an_unknown_hook_is_ignored(caplog):
    trainer = TrainerBase()
    trainer.load_state_dict({"iteration": 5, "hooks": {"Unknown": {"a": 1}}})
    assert trainer.iter == 5


def test_callback_hook():
    seen: list[int] = []
    trainer = _simple_trainer()
    trainer.register_hooks([CallbackHook(after_step=lambda trainer: seen.append(trainer.iter))])
    trainer.train(3, 6)
    assert seen == [3, 4, 5]


class _Saver:
    """Stands where a checkpointer does, and lists what it is asked to save."""

    def __init__(self) -> None:
        self.saved: list[tuple[str, int]] = []

    def save(self, name: str, iteration: int) -> None:
        self.saved.append((name, iteration))


def test_best_checkpointer_saves_improvements_only():
    values = iter([1.0, 3.0, 2.0, float("nan"), 4.0])
    saver = _Saver()
    trainer = _simple_trainer()
    trainer.register_hooks(
        [
            hooks.EvalHook(2, lambda: {"task": {"score": next(values)}}),
            BestCheckpointer(2, saver, "task/score"),
        ]
    )
    trainer.train(0, 10)
    assert [name for name, _ in saver.saved] == ["model_best"] * 3
    assert [iteration for _, iteration in saver.saved] == [1, 3, 10]


def test_eval_hook_refuses_what_is_no_number():
    trainer = _simple_trainer()
    trainer.register_hooks([hooks.EvalHook(1, lambda: {"task": {"score": "high"}})])
    with pytest.raises(ValueError, match="nested dict of float"):
        trainer.train(0, 2)


def test_learning_rate_is_logged_before_it_changes():
    trainer = _simple_trainer()
    scheduler = torch.optim.lr_scheduler.LambdaLR(trainer.optimizer, lambda i: 1.0 / (i + 1))
    rates: list[float] = []

    class Reader(HookBase):
        def after_step(self):
            rates.append(get_event_storage().latest()["lr"][0])

    trainer.register_hooks([hooks.LRScheduler(scheduler=scheduler), Reader()])
    trainer.train(0, 3)
    assert rates == pytest.approx([0.1, 0.05, 0.1 / 3])


def test_auto_scale_workers():
    cfg = linear_config(Path("output"))
    assert DefaultTrainer.auto_scale_workers(cfg, 4) is cfg
    cfg.SOLVER.REFERENCE_WORLD_SIZE = 1
    cfg.freeze()
    scaled = DefaultTrainer.auto_scale_workers(cfg, 2)
    assert scaled.is_frozen()
    assert scaled.SOLVER.IMS_PER_BATCH == 4
    assert pytest.approx(0.002) == scaled.SOLVER.BASE_LR
    assert (scaled.SOLVER.MAX_ITER, scaled.SOLVER.STEPS) == (20, (15,))
    assert cfg.SOLVER.IMS_PER_BATCH == 2


def test_expected_results_are_verified(tmp_path):
    cfg = linear_config(tmp_path)
    cfg.TEST.EXPECTED_RESULTS = [["task", "n", 6.0, 0.0]]
    assert linear_trainer(cfg).train()["task"]["n"] == 6
    cfg.TEST.EXPECTED_RESULTS = [["task", "n", 7.0, 0.5]]
    with pytest.raises(SystemExit):
        linear_trainer(cfg).train()
