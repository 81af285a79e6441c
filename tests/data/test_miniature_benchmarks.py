"""Every benchmark end to end on its miniature: a step of training, then ``--eval-only``.

What a model finds after one step means nothing; that the parts of the way fit each other does:
files, records, mapper, loader, model, optimizer, checkpoint, inference, evaluator.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
import torch

from detectron2.data import DatasetCatalog
from detectron2.modeling import build_model
from reference.miniatures import FAMILY_OF, Miniatures, benchmark_config
from univs.data.record import record_of
from univs.engine.trainer import Trainer, evaluate
from univs.engine.video_inference import VideoInference

_SCORED = {  # dataset -> system, what it is trained on, main figure
    "ytvis19_val": ("mask2former_video", "ytvis19_train", "segm/AP"),
    "ytvis21_val": ("vita", "ytvis21_train", "segm/AP"),
    "ytvis21_dev": ("tarvis", "ytvis21_train", "segm/AP"),
    "ytvis22_val_long": ("univs", "ytvis21_train", "segm/AP"),
    "ovis_val": ("genvis_online", "ovis_train", "segm/AP"),
    "ovis_dev": ("tarvis", "ovis_train", "segm/AP"),
    "coco_instance_val": ("mask2former_image", "coco_instance_train", "segm/AP"),
    "coco_panoptic_val": ("univs", "coco_panoptic_train", "panoptic_seg/PQ"),
    "lvis_v1_val": ("mask2former_image", "lvis_v1_train", "segm/AP"),
    "ade20k_panoptic_val": ("mask2former_image", "ade20k_panoptic_train", "panoptic_seg/PQ"),
    "ade20k_semantic_val": ("semantic", "ade20k_semantic_train", "sem_seg/mIoU"),
    "cityscapes_semantic_val": ("semantic", "cityscapes_semantic_train", "sem_seg/mIoU"),
    "mapillary_val": ("mask2former_image", "mapillary_train", "panoptic_seg/PQ"),
    "vipseg_val": ("univs", "vipseg_train", "panoptic_seg/VPQ"),
    "vipseg_dev": ("tarvis", "vipseg_train", "panoptic_seg/VPQ"),
    "vipseg_dev0.01": ("tarvis", "vipseg_train", "panoptic_seg/STQ"),
    "vspw_val": ("univs", "vspw_train", "sem_seg/mIoU"),
    "vspw_dev": ("univs", "vspw_train", "sem_seg/mIoU"),
    "kitti_step_val": ("tarvis", "kitti_step_train", "panoptic_seg/STQ"),
    "cityscapes_vps_val": ("tarvis", "cityscapes_vps_train", "panoptic_seg/VPQ"),
    "viposeg_val": ("univs", "viposeg_train", "viposeg/thing_seen_iou"),
    "viposeg_dev": ("univs", "viposeg_train", "viposeg/thing_seen_iou"),
    "davis16_val": ("univs", "davis16_train", "davis_semi_supervised/J&F-Mean"),
    "davis17_val": ("tarvis", "davis17_train", "davis_semi_supervised/J&F-Mean"),
    "davis17_unsupervised_val": (
        *("univs", "davis17_unsupervised_train", "davis_unsupervised/J&F-Mean"),
    ),
    "burst_val_mask": ("univs", "burst_train", "burst_exemplar_guided/HOTA all"),
    "burst_val_point": ("tarvis", "burst_train", "burst_exemplar_guided/HOTA all"),
    "burst_val_class": ("univs", "burst_train", "burst_class_guided/HOTA all"),
    "refytvos_val": ("univs", "refytvos_train", "referring/J&F"),
    "refdavis_val_0": ("univs", "refytvos_train", "davis_unsupervised/J&F-Mean"),
    "mevis_val_u": ("univs", "mevis_train", "referring/J&F"),
}
_UNSCORED = {  # their truth is on a server; dataset -> system, what it is trained on
    "ytvis21_test": ("tarvis", "ytvis21_train"),
    "kitti_step_test": ("tarvis", "kitti_step_train"),
    "cityscapes_vps_test": ("tarvis", "cityscapes_vps_train"),
    "vipseg_test": ("univs", "vipseg_train"),
    "vspw_test": ("univs", "vspw_train"),
    "youtubevos18_val": ("univs", "youtubevos18_train"),
    "youtubevos19_val": ("univs", "youtubevos19_train"),
    "mose_val": ("univs", "mose_train"),
    "mevis_val": ("univs", "mevis_train"),
}


def train_and_evaluate(
    system: str, trained: str, scored: str, miniatures: Miniatures, output: Path
) -> Mapping:
    """Results of a model that was trained for one iteration, as ``train_net.py`` does both."""
    miniatures.ready(FAMILY_OF[trained])
    cfg = benchmark_config(system, trained)
    cfg.OUTPUT_DIR = str(output)
    cfg.SOLVER.MAX_ITER = 1
    torch.manual_seed(0)
    Trainer(cfg).train()
    miniatures.ready(FAMILY_OF[scored])
    cfg.DATASETS.TEST = (scored,)
    cfg.MODEL.WEIGHTS = str(output / "model_final.pth")
    return evaluate(cfg)


@pytest.mark.parametrize("name", _SCORED)
def test_a_step_of_training_and_an_evaluation(name, miniatures, tmp_path):
    system, trained, figure = _SCORED[name]
    results = train_and_evaluate(system, trained, name, miniatures, tmp_path)
    task, key = figure.split("/")
    assert 0 <= results[task][key] <= 100, results[task]


@pytest.mark.parametrize("name", _UNSCORED)
def test_a_submission_is_written_where_the_truth_is_hidden(name, miniatures, tmp_path):
    system, trained = _UNSCORED[name]
    results = train_and_evaluate(system, trained, name, miniatures, tmp_path)
    assert not results
    videos = [record_of(entry).video_id for entry in DatasetCatalog.get(name)]
    written = sorted((tmp_path / "inference" / name).rglob("*.*"))
    assert written
    if not any(path.suffix == ".json" for path in written):  # which holds all videos
        assert {video for video in videos if any(video in path.parts for path in written)} == {
            *videos
        }


def test_another_class_list_than_that_of_the_dataset_is_an_error(miniatures):
    miniatures.ready(FAMILY_OF["burst_train"])
    cfg = benchmark_config("univs", "burst_train")
    cfg.MODEL.UniVS.CONCEPTS = [
        [domain, [*names, "one more"] if domain == "burst" else names]
        for domain, names in cfg.MODEL.UniVS.CONCEPTS
    ]
    inference = VideoInference(build_model(cfg).eval(), cfg)
    message = "burst_val_class has 6 classes, but the class list 'burst' of the model has 7"
    with pytest.raises(ValueError, match=message):
        inference([DatasetCatalog.get("burst_val_class")[0]])
