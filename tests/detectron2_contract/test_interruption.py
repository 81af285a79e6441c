"""Runs that are interrupted and resumed: the stand-in continues as if they had not been."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
import torch

from detectron2.engine import HookBase, hooks, launch
from reference import linear_training
from reference.linear_training import linear_config, linear_trainer, train_in_process

pytestmark = pytest.mark.usefixtures("only_standin")


class _Interrupt(HookBase):
    """Sends SIGINT to this process, ``times`` times, before the given iteration's step."""

    def __init__(self, iteration: int, times: int = 1) -> None:
        self.iteration, self.times = iteration, times

    def before_step(self) -> None:
        if self.trainer.iter == self.iteration:
            for _ in range(self.times):
                os.kill(os.getpid(), signal.SIGINT)


class _LossCurve(HookBase):
    def __init__(self) -> None:
        self.losses: dict[int, float] = {}

    def after_step(self) -> None:
        value, iteration = self.trainer.storage.latest()["total_loss"]
        self.losses[iteration] = value


def _noisy_config(folder: Path):
    cfg = linear_config(folder)
    cfg.INPUT.NOISE = 0.5
    return cfg


def _train(trainer) -> dict[int, float]:
    curve = _LossCurve()
    trainer.register_hooks([curve])
    trainer.train()
    return curve.losses


def _metrics(folder: Path, key: str) -> dict[int, float]:
    """Values by iteration, of the iterations at which an uninterrupted run writes."""
    lines = [json.loads(line) for line in (folder / "metrics.json").read_text().splitlines()]
    return {line["iteration"]: line[key] for line in lines if line["iteration"] in (19, 39)}


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    """Folder, weight and losses of a whole run with noise."""
    folder = tmp_path_factory.mktemp("whole")
    trainer = linear_trainer(_noisy_config(folder))
    losses = _train(trainer)
    return folder, trainer.model.state_dict(), losses


@pytest.mark.parametrize("iteration", [0, 9, 19, 23, 38, 39])
def test_interrupted_and_resumed_run_equals_the_whole_run(tmp_path, uninterrupted, iteration):
    folder, weights, losses = uninterrupted
    cfg = _noisy_config(tmp_path)
    first = linear_trainer(cfg)
    first.register_hooks([_Interrupt(iteration)])
    curve = _LossCurve()
    first.register_hooks([curve])
    with pytest.raises(KeyboardInterrupt):
        first.train()
    assert first.interrupted
    last = (tmp_path / "last_checkpoint").read_text()
    assert last in (f"model_{iteration:07d}.pth", "model_final.pth")
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler

    torch.rand(17)  # whatever happens to the generators in between
    resumed = linear_trainer(cfg, resume=True)
    assert resumed.start_iter == iteration + 1
    curve.losses.update(_train(resumed))
    assert curve.losses == losses
    for name, value in resumed.model.state_dict().items():
        assert torch.equal(value, weights[name])
    if 19 < iteration < 39:  # smoothed over iterations of both parts
        for key in ("total_loss", "lr"):
            assert _metrics(tmp_path, key) == _metrics(folder, key)


def test_several_interruptions(tmp_path, uninterrupted):
    cfg = _noisy_config(tmp_path)
    losses: dict[int, float] = {}
    for iteration in (3, 4, 17, 31):
        trainer = linear_trainer(cfg, resume=True)
        curve = _LossCurve()
        trainer.register_hooks([_Interrupt(iteration), curve])
        with pytest.raises(KeyboardInterrupt):
            trainer.train()
        losses.update(curve.losses)
    losses.update(_train(linear_trainer(cfg, resume=True)))
    assert losses == uninterrupted[2]


def test_run_without_a_seed_continues_its_own_order(tmp_path):
    cfg = _noisy_config(tmp_path)
    cfg.SEED = -1
    first = linear_trainer(cfg)
    first.register_hooks([_Interrupt(7)])
    with pytest.raises(KeyboardInterrupt):
        first.train()
    resumed = linear_trainer(cfg, resume=True)
    assert resumed.data_loader.sampler.seed == first.data_loader.sampler.seed
    assert resumed._random_seed == first._random_seed
    following = [sample["image_id"] for sample in next(resumed._trainer._data_loader_iter)]
    expected = [sample["image_id"] for sample in next(first._trainer._data_loader_iter)]
    assert following == expected


def test_checkpoint_of_detectron2_is_continued(tmp_path):
    """Without the stand-in's own entries the order goes on after one batch per iteration."""
    cfg = linear_config(tmp_path)
    whole = linear_trainer(cfg)
    whole.train()
    path = tmp_path / "model_0000019.pth"
    checkpoint = torch.load(path, weights_only=True)
    inner = checkpoint["trainer"]["_trainer"]
    checkpoint["trainer"]["_trainer"] = {key: inner[key] for key in ("iteration", "optimizer")}
    torch.save(checkpoint, path)
    (tmp_path / "last_checkpoint").write_text(path.name)
    resumed = linear_trainer(cfg, resume=True)
    resumed.train()
    assert torch.equal(resumed.model.lin.weight, whole.model.lin.weight)


def test_loader_that_cannot_skip_starts_over_with_a_warning(tmp_path, capsys):
    cfg = linear_config(tmp_path)
    cfg.SOLVER.MAX_ITER = 4
    linear_trainer(cfg).train()
    cfg.SOLVER.MAX_ITER = 5
    resumed = linear_trainer(cfg)
    loader = torch.utils.data.DataLoader(
        [{"image_id": 0}] * 20, batch_size=2, collate_fn=list, shuffle=False
    )
    resumed.data_loader = loader
    resumed.resume_or_load(resume=True)
    assert "order of the training data starts from its beginning" in capsys.readouterr().out
    resumed.train()
    assert resumed.state_dict()["_trainer"]["data_order"]["batches"] == 1


def test_second_interrupt_stops_at_once_and_saves_nothing(tmp_path):
    trainer = linear_trainer(linear_config(tmp_path))
    trainer.register_hooks([_Interrupt(3, times=2)])
    with pytest.raises(KeyboardInterrupt):
        trainer.train()
    assert not trainer.interrupted
    assert not list(tmp_path.glob("*.pth"))
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_interrupt_ends_an_evaluation_at_once(tmp_path, monkeypatch):
    cfg = linear_config(tmp_path)
    trainer = linear_trainer(cfg)
    reached: list[str] = []

    def process(self, inputs, outputs):
        reached.append("before")
        os.kill(os.getpid(), signal.SIGINT)
        reached.append("after")

    monkeypatch.setattr(linear_training.MeanEvaluator, "process", process)
    with pytest.raises(KeyboardInterrupt):
        trainer.train()
    assert reached == ["before"]
    assert trainer.model.training
    assert (tmp_path / "last_checkpoint").read_text() == "model_0000019.pth"


def test_hooks_after_train_run_when_interrupted(tmp_path):
    trainer = linear_trainer(linear_config(tmp_path))
    ended: list[int] = []
    trainer.register_hooks(
        [_Interrupt(5), hooks.CallbackHook(after_train=lambda trainer: ended.append(trainer.iter))]
    )
    with pytest.raises(KeyboardInterrupt):
        trainer.train()
    assert ended == [5]


def _run_script(folder: Path, *options: str, **settings: object) -> subprocess.Popen:
    repository = Path(__file__).resolve().parents[2]
    path = os.pathsep.join([str(repository), str(repository / "tests")])
    return subprocess.Popen(
        [sys.executable, "-m", "reference.linear_training", str(folder), *options],
        env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        **settings,
    )


def test_sigint_to_a_training_process(tmp_path, uninterrupted):
    process = _run_script(tmp_path, "--wait-at", "13")
    assert any(line == "WAITING\n" for line in process.stdout)
    # In the middle of an iteration; to the workers of the loader as well, as a terminal does.
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate("\n", timeout=60)
    assert process.returncode != 0
    assert "KeyboardInterrupt" in errors
    assert (tmp_path / "last_checkpoint").read_text() == "model_0000013.pth"
    assert not list(tmp_path.glob("*.tmp"))

    process = _run_script(tmp_path, "--resume")
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    checkpoint = torch.load(tmp_path / "model_final.pth", weights_only=True)
    for name, value in checkpoint["model"].items():
        assert torch.equal(value, uninterrupted[1][name])


@pytest.mark.slow
@pytest.mark.skipif(torch.cuda.is_available(), reason="one process per GPU where there are GPUs")
def test_two_processes_resume_like_one_run(tmp_path):
    weights = {}
    for name, ends in {"whole": [24], "parts": [13, 24]}.items():
        for end in ends:
            options = ["SOLVER.MAX_ITER", end, "INPUT.NOISE", 0.5, "TEST.EVAL_PERIOD", 0]
            launch(
                train_in_process,
                2,
                dist_url="auto",
                args=(str(tmp_path / name), [*options, "SOLVER.IMS_PER_BATCH", 4]),
            )
        weights[name] = torch.load(tmp_path / name / "model_final.pth", weights_only=True)["model"]
    assert torch.equal(weights["whole"]["lin.weight"], weights["parts"]["lin.weight"])
    assert not torch.equal(weights["whole"]["lin.weight"], torch.full((1, 2), 0.5))


@pytest.mark.slow
@pytest.mark.skipif(torch.cuda.is_available(), reason="one process per GPU where there are GPUs")
def test_sigint_to_two_processes(tmp_path):
    process = _run_script(tmp_path, "--processes", "2")
    assert any("iter: 19 " in line for line in process.stdout)
    os.killpg(process.pid, signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode != 0
    last = tmp_path / (tmp_path / "last_checkpoint").read_text()
    iteration = torch.load(last, weights_only=True)["iteration"]
    assert iteration >= 19
    assert last.name == f"model_{iteration:07d}.pth"
    resumed = linear_trainer(linear_config(tmp_path), resume=True)
    assert resumed.start_iter == iteration + 1


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nothing tells a process")
@pytest.mark.skipif(torch.cuda.is_available(), reason="one process per GPU where there are GPUs")
def test_no_process_outlives_the_one_that_launched_it(tmp_path, only_standin):
    # As in the background of a script, where shells let SIGINT be ignored.
    ignore = partial(signal.signal, signal.SIGINT, signal.SIG_IGN)
    process = _run_script(tmp_path, "--processes", "2", preexec_fn=ignore)
    assert any("iter: 19 " in line for line in process.stdout)
    process.terminate()
    process.communicate(timeout=60)  # ends when nobody holds the output any more
    assert process.returncode == -signal.SIGTERM
