"""The chain of weights that published models were trained along: detector, VITA, GenVIS."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from detectron2.modeling import build_model
from reference.models import CONFIGS
from reference.small_models import SIZES
from univs.checkpoint import CheckpointMismatchError, LoadReport, UnivsCheckpointer, load_weights
from univs.config import load_config

PREDICTOR = "sem_seg_head.predictor"


def small(file: str, num_classes: int) -> nn.Module:
    """The model of a published setting, shrunk but for the classes, of which it has a few less."""
    options = [*SIZES, "MODEL.SEM_SEG_HEAD.NUM_CLASSES", num_classes, "MODEL.WEIGHTS", ""]
    return build_model(load_config(CONFIGS / f"{file}.yaml", options))


def transfer(source: nn.Module, target: nn.Module, path) -> LoadReport:
    """Save ``source`` as a run does, and load it into ``target``."""
    UnivsCheckpointer(source, str(path)).save("model_final")
    return load_weights(target, path / "model_final.pth")


def assert_loaded(source: nn.Module, target: nn.Module, report: LoadReport) -> None:
    """Assert that what the report does not list has the values of the file."""
    left_out = {*report.missing, *(entry.name for entry in report.misshaped)}
    values = source.state_dict()
    for name, tensor in target.state_dict().items():
        assert name in left_out or torch.equal(tensor, values[name]), name


def modules(names) -> set[str]:
    return {name.rpartition(".")[0] for name in names}


def test_the_whole_chain(tmp_path):
    detector = small("mask2former/coco/instance/r50", 8)
    pretrained = small("vita/coco/r50", 8)
    report = transfer(detector, pretrained, tmp_path / "detector")
    assert not report.misshaped and not report.unexpected
    assert all(name.startswith(("vita_module.", "vita_criterion.")) for name in report.missing)
    assert_loaded(detector, pretrained, report)

    vita = small("vita/ytvis/2019/r50", 4)  # other classes
    report = transfer(pretrained, vita, tmp_path / "pretrained")
    assert not report.missing and not report.unexpected
    assert modules(entry.name for entry in report.misshaped) == {
        *(f"{PREDICTOR}.class_embed", "vita_module.class_embed"),
        *("criterion", "vita_criterion"),  # the weights of their classes
    }
    assert f"{PREDICTOR}.class_embed" in report.summary()
    assert_loaded(pretrained, vita, report)

    for mode in ("online", "semi_online"):
        genvis = small(f"genvis/ytvis/2019/r50_{mode}", 4)
        report = transfer(vita, genvis, tmp_path / mode)
        assert not report.misshaped and not report.unexpected
        assert modules(report.missing) == {
            *(
                f"vita_module.pre_{side}_embed_{kind}"
                for side in ("query", "memory")
                for kind in "kv"
            ),
            "genvis_criterion",
        }
        assert_loaded(vita, genvis, report)


@pytest.mark.parametrize(
    ("source", "target", "named"),
    [
        ("mask2former/coco/instance/r50", "vita/coco/r50", "vita_module"),
        ("vita/ovis/r50", "genvis/ovis/r50_online", "vita_module.pre_memory_embed_k"),
        ("genvis/ovis/r50_online", "vita/ovis/r50", "vita_module.pre_memory_embed_k"),
        ("vita/ovis/r50", "mask2former/ytvis/2019/r50", "vita_module"),
    ],
)
def test_inference_refuses_the_weights_of_another_system(source, target, named, tmp_path):
    UnivsCheckpointer(small(source, 4), str(tmp_path)).save("model_final")
    with pytest.raises(
        CheckpointMismatchError, match="does not fit the model completely"
    ) as caught:
        load_weights(small(target, 4), tmp_path / "model_final.pth", strict=True)
    assert named in str(caught.value)


def test_weights_of_the_other_mode_fit(tmp_path):
    report = transfer(
        small("genvis/ovis/r50_online", 4), small("genvis/ovis/r50_semi_online", 4), tmp_path
    )
    assert report.is_complete
