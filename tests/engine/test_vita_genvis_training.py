"""Every published setting of VITA and GenVIS goes through the trainer, on miniature data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from reference.miniature_datasets import write_datasets
from reference.models import CONFIGS
from reference.small_models import SIZES
from univs.config import load_config
from univs.data.catalog import find_entry, register_dataset
from univs.data.toy import generate
from univs.data.toy.registration import datasets_root
from univs.engine.trainer import Trainer

DATASETS = (
    "coco_2017_train",
    *(f"coco2{name}_train" for name in ("ytvis2019", "ytvis2021", "ovis")),
    *("ytvis_2019_train", "ytvis_2021_train", "ovis_train"),
)
# Files in which models are complete; others are parts of them.
FILES = sorted(
    path.relative_to(CONFIGS).with_suffix("").as_posix()
    for system in ("vita", "genvis")
    for path in (CONFIGS / system).rglob("*.yaml")
    if path.name.startswith(("r50", "r101", "swin_large_in21k"))
)
# One of each kind; the rest is slow.
QUICK = (
    "vita/coco/r50",
    "vita/ytvis/2019/r50",
    "genvis/ytvis/2021/r50_online",
    "genvis/ovis/swin_large_in21k_semi_online",
)
SMALL_SWIN = [
    *("MODEL.SWIN.EMBED_DIM", 24),
    *("MODEL.SWIN.DEPTHS", [1, 1, 1, 1]),
    *("MODEL.SWIN.NUM_HEADS", [1, 2, 2, 4]),
    *("MODEL.SWIN.WINDOW_SIZE", 4),
]
SMALL_RUN = [
    *("MODEL.WEIGHTS", ""),
    *("DATASETS.TEST", ()),
    *("DATALOADER.NUM_WORKERS", 0),
    *("SOLVER.IMS_PER_BATCH", 1),
    *("SOLVER.MAX_ITER", 1),
    *("SOLVER.AMP.ENABLED", False),
    *("INPUT.MIN_SIZE_TRAIN", (64,)),
    *("INPUT.PSEUDO.MIN_SIZE_TRAIN", (64,)),
    *("INPUT.IMAGE_SIZE", 64),
    *("INPUT.LSJ_AUG.IMAGE_SIZE", 64),
    *("SEED", 3),
]


@contextmanager
def registered(names: Sequence[str], root: Path) -> Iterator[None]:
    """Let datasets lie below ``root`` for a while."""
    for name in names:
        register_dataset(find_entry(name), root)
    yield
    for name in names:
        register_dataset(find_entry(name), datasets_root())


@pytest.fixture(scope="module")
def datasets(tmp_path_factory):
    """Miniatures registered under the names of the datasets."""
    root = tmp_path_factory.mktemp("datasets")
    write_datasets(root)
    with registered(DATASETS, root):
        yield


def small(options: list) -> list:
    """Without the number of classes, which is that of the file."""
    pairs = zip(options[::2], options[1::2], strict=True)
    return [word for pair in pairs if "NUM_CLASSES" not in pair[0] for word in pair]


@pytest.mark.parametrize(
    "name",
    [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in FILES],
)
def test_a_published_setting_trains(name, datasets, tmp_path):
    overrides = [*small(SIZES), *SMALL_SWIN, *SMALL_RUN, "OUTPUT_DIR", str(tmp_path)]
    cfg = load_config(CONFIGS / f"{name}.yaml", overrides)
    trainer = Trainer(cfg)
    before = {name: tensor.clone() for name, tensor in trainer.model.state_dict().items()}
    trainer.resume_or_load(resume=False)
    trainer.train()
    after = trainer.model.state_dict()
    changed = {name for name, tensor in after.items() if not torch.equal(tensor, before[name])}
    assert any(name.startswith("vita_module.") for name in changed)
    is_frozen = cfg.MODEL.VITA.FREEZE_DETECTOR
    assert is_frozen == name.startswith("genvis")
    assert any(name.startswith("sem_seg_head.") for name in changed) != is_frozen
    assert (Path(cfg.OUTPUT_DIR) / "model_final.pth").is_file()

    # Of a mixture, the step above has seen one dataset.
    mixture = getattr(trainer.data_loader, "loaders", (trainer.data_loader,))
    assert len(mixture) == len(cfg.DATASETS.TRAIN)
    trainer.model.train()
    for loader in mixture:
        batch = next(iter(loader))
        if isinstance(batch[0]["image"], list):
            assert len(batch[0]["image"]) == cfg.INPUT.SAMPLING_FRAME_NUM
        losses = trainer.model(batch)
        assert losses and all(loss.isfinite() for loss in losses.values())


def test_the_files_were_found():
    assert len(FILES) == 11 + 12 and set(QUICK) <= set(FILES)


@pytest.mark.slow
def test_the_toy_chain_trains_and_is_evaluated(tmp_path):
    names = [
        f"toy_ytvis_{preset}{split}" for preset in ("", "occlusion_") for split in ("train", "val")
    ]
    for preset in ("default", "occlusion"):
        counts = {"num_train_videos": 2, "num_val_videos": 1, "num_frames": 4}
        generate(tmp_path / "toy", preset=preset, progress=False, **counts)
    weights = {"mask2former_video": "", "vita": "mask2former_video"}
    weights |= dict.fromkeys(("genvis_online", "genvis_semi_online"), "vita")
    with registered(names, tmp_path):
        for name, start in weights.items():
            options = [
                *("MODEL.WEIGHTS", start and str(tmp_path / start / "model_final.pth")),
                *("OUTPUT_DIR", str(tmp_path / name)),
                *("DATALOADER.NUM_WORKERS", 0, "SOLVER.IMS_PER_BATCH", 1, "SOLVER.MAX_ITER", 1),
            ]
            cfg = load_config(CONFIGS / "toy" / f"{name}.yaml", options)
            trainer = Trainer(cfg)
            trainer.resume_or_load(resume=False)
            trainer.train()
            for dataset in cfg.DATASETS.TEST:
                assert (tmp_path / name / "inference" / dataset / "results.json").is_file()
