from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from detectron2.modeling import build_model
from reference.models import CONFIGS
from reference.univs_scenes import scene, scene_config, scene_model
from univs.config import load_config
from univs.tracking.univs_semantic_extraction import extract_semantics

TOOL = Path(__file__).resolve().parents[2] / "tools" / "extract_video_features.py"


@pytest.fixture(scope="module")
def model():
    return scene_model()


def config(*options):
    return scene_config("MODEL.UniVS.TEST.SEMANTIC_EXTRACTION.COMPRESSION_RATIO", 8, *options)


def test_features_are_those_of_clips_that_do_not_overlap(model):
    video = scene(5)
    semantics = extract_semantics(model, config(), video)
    assert semantics.object_tokens.shape == (5, 32, 12)
    assert semantics.mask_features.shape == (5, 32, 6, 8)
    frames = [torch.from_numpy(x.transpose(2, 0, 1).copy()).float() for x in video]
    for clip in (slice(3), slice(3, 5)):
        features = model.encode_frames(frames[clip])
        memory = model.clip_memory(features, range(5)[clip])
        prediction = model.decode(memory, features.mask_features)
        norm = model.sem_seg_head.predictor.decoder_norm
        tokens = semantics.object_tokens[clip].permute(2, 0, 1)
        torch.testing.assert_close(norm(tokens), prediction.queries, atol=1e-4, rtol=1e-4)
        large = F.interpolate(
            features.mask_features, scale_factor=4, mode="bilinear", align_corners=False
        )
        expected = F.interpolate(large[:, :, :48], size=(6, 8), mode="nearest")
        torch.testing.assert_close(semantics.mask_features[clip], expected, atol=1e-3, rtol=1e-4)


def test_frames_are_left_out_evenly_over_the_whole_video(model):
    every = extract_semantics(model, config(), scene(8))
    key = "MODEL.UniVS.TEST.SEMANTIC_EXTRACTION.COMPRESSION_RATIO_TEMPORAL"
    some = extract_semantics(model, config(key, 4), scene(8))
    torch.testing.assert_close(some.object_tokens, every.object_tokens[::4])
    torch.testing.assert_close(some.mask_features, every.mask_features[::4])


def test_files_hold_the_features(model, tmp_path):
    semantics = extract_semantics(model, config(), scene(2))
    paths = semantics.save(tmp_path / "new", "clip 7")
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == [
        "clip 7_compression_mask_features_8_1.pt",
        "clip 7_obj_tokens_8_1.pt",
    ]
    tokens, features = (torch.load(path, weights_only=True) for path in paths)
    assert torch.equal(tokens, semantics.object_tokens)
    assert torch.equal(features, semantics.mask_features)


def test_a_video_without_frames_is_refused(model):
    with pytest.raises(ValueError, match="the video has no frames"):
        extract_semantics(model, config(), [])
    with pytest.raises(ValueError, match="frame 0 must be uint8"):
        extract_semantics(model, config(), [np.zeros((4, 4))])


@pytest.fixture(scope="module")
def main():
    spec = importlib.util.spec_from_file_location("extract_video_features", TOOL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.main


@pytest.fixture
def folders(tmp_path):
    """Two videos as folders of frames."""
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for index, frame in enumerate(scene(3)):
            Image.fromarray(frame).save(tmp_path / name / f"{index}.png")
    return [str(tmp_path / "a"), str(tmp_path / "b")]


def test_the_tool_writes_the_features_of_several_videos(main, folders, tmp_path, capsys):
    config = CONFIGS / "toy" / "univs_stage2.yaml"
    torch.manual_seed(0)
    model = build_model(load_config(config)).eval()
    torch.save({"model": model.state_dict()}, tmp_path / "weights.pth")
    words = ["--config-file", str(config), "--weights", str(tmp_path / "weights.pth")]
    words += ["--device", "cpu", "--output", str(tmp_path / "out")]
    words += ["--opts", "INPUT.MIN_SIZE_TEST", "0"]
    assert main([*folders, *words]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 4
    expected = extract_semantics(model, load_config(config, words[-2:]), scene(3))
    for name in ("a", "b"):
        tokens = torch.load(tmp_path / "out" / f"{name}_obj_tokens_32_1.pt", weights_only=True)
        torch.testing.assert_close(tokens, expected.object_tokens)
        path = tmp_path / "out" / f"{name}_compression_mask_features_32_1.pt"
        features = torch.load(path, weights_only=True)
        torch.testing.assert_close(features, expected.mask_features)


def test_the_tool_says_what_is_wrong(main, folders, tmp_path, capsys):
    words = ["--weights", str(tmp_path / "none.pth"), "--output", str(tmp_path / "out")]
    assert main([*folders, *words]) == 1
    assert "none.pth" in capsys.readouterr().err
    assert main([folders[0], folders[0], *words]) == 1
    assert "several videos have the name a" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
