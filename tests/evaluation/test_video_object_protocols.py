from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from reference.numbers import assert_numbers
from univs.evaluation import video_object_protocols as protocols
from univs.evaluation.label_map_files import write_video


def write_maps(folder: Path, maps: np.ndarray, names: list[str] | None = None) -> None:
    names = names or [f"{t:05d}" for t in range(len(maps))]
    write_video(folder, list(zip(names, maps, strict=True)))


def write_sequences(case, root: Path) -> None:
    missing = case.meta["parameters"].get("missing_pred_frames", {})
    for name in case.meta["parameters"]["sequences"]:
        write_maps(root / "truth" / name, case.arrays[f"gt_{name}"])
        write_maps(root / "results" / name, case.arrays[f"pred_{name}"])
        for index in missing.get(name, ()):
            (root / "results" / name / f"{index:05d}.png").unlink()


@pytest.mark.golden("metrics", "davis")
def test_davis_folders(case, tmp_path) -> None:
    write_sequences(case, tmp_path)
    parameters, expected = case.meta["parameters"], case.meta["expected"]
    protocol = protocols.DavisProtocol(
        tmp_path / "truth", task=parameters["task"], videos=parameters["sequences"]
    )
    if "error" in expected:
        with pytest.raises(ValueError, match="Video '.*frame"):
            protocols.score_result_folder(protocol, tmp_path / "results")
        return
    actual = protocols.score_result_folder(protocol, tmp_path / "results")
    if "uint8_quirk" in case.folder.name:  # the decay of the toolkit is wrong there
        del expected["global"]["J-Decay"], expected["global"]["F-Decay"]
    assert_numbers(actual, expected["global"])
    assert_numbers(actual["per_object"], expected["per_object"])


@pytest.mark.golden("metrics", "mose")
def test_mose_folders(case, tmp_path) -> None:
    write_sequences(case, tmp_path)
    objects = case.meta["parameters"]["objects"]
    protocol = protocols.MoseV2Protocol(tmp_path / "truth", objects=objects)
    actual = protocols.score_result_folder(protocol, tmp_path / "results", processes=2)
    assert_numbers(actual, case.meta["expected"]["global"])


@pytest.mark.golden("metrics", "vos_generic")
def test_vos_folders(case, tmp_path) -> None:
    write_sequences(case, tmp_path)
    protocol = protocols.VosProtocol(tmp_path / "truth")
    actual = protocols.score_result_folder(protocol, tmp_path / "results")
    assert_numbers(actual, case.meta["expected"]["skip_first_and_last"])


@pytest.mark.golden("metrics", "ytvos")
def test_youtube_vos_folders(case, tmp_path) -> None:
    videos = case.meta["parameters"]["videos"]
    for video in videos:
        name = video["name"]
        write_maps(tmp_path / "truth" / name, case.arrays[f"gt_{name}"], video["frames"])
        write_maps(tmp_path / "results" / name, case.arrays[f"pred_{name}"], video["frames"])
    meta = {"videos": {video["name"]: {"objects": video["objects"]} for video in videos}}
    (tmp_path / "meta.json").write_text(json.dumps(meta))
    protocol = protocols.YouTubeVosProtocol(
        tmp_path / "truth",
        meta_file=tmp_path / "meta.json",
        seen_categories=case.meta["parameters"]["seen_categories"],
    )
    actual = protocols.score_result_folder(protocol, tmp_path / "results")
    assert_numbers(actual, case.meta["expected"]["after_first"]["global"])
    with pytest.raises(ValueError, match="does not list the videos"):
        protocols.YouTubeVosProtocol(
            tmp_path / "truth",
            meta_file=tmp_path / "meta.json",
            seen_categories=(),
            videos=["unknown"],
        )


@pytest.mark.golden("metrics", "viposeg")
def test_viposeg_folders(case, tmp_path) -> None:
    classes = {}
    for video in case.meta["parameters"]["videos"]:
        name = video["name"]
        classes[name] = video["obj_class"]
        write_maps(tmp_path / "truth" / name, case.arrays[f"gt_{name}"])
        write_maps(tmp_path / "results" / name, case.arrays[f"pred_{name}"])
        references = np.stack([case.arrays[f"ref_{name}_{i}"] for i in video["reference_frames"]])
        names = [f"{i:05d}" for i in video["reference_frames"]]
        write_maps(tmp_path / "references" / name, references, names)
    (tmp_path / "obj_class.json").write_text(json.dumps(classes))
    protocol = protocols.VipoSegProtocol(
        tmp_path / "truth",
        reference_dir=tmp_path / "references",
        classes_file=tmp_path / "obj_class.json",
    )
    actual = protocols.score_result_folder(protocol, tmp_path / "results")
    # The tool prints fractions, the protocol per cent.
    actual = {key: value if key == "decay" else value / 100 for key, value in actual.items()}
    assert_numbers(actual, case.meta["expected"])


@pytest.fixture
def folders(tmp_path) -> Path:
    maps = np.zeros((4, 12, 16), dtype=np.uint8)
    maps[:, 2:8, 3:9] = 1
    for name in ("bear", "camel"):
        write_maps(tmp_path / "truth" / name, maps)
        write_maps(tmp_path / "results" / name, maps)
    return tmp_path


def test_missing_results_are_named_or_scored_empty(folders) -> None:
    shutil.rmtree(folders / "results" / "camel")
    protocol = protocols.DavisProtocol(folders / "truth")
    with pytest.raises(FileNotFoundError, match="results/camel: the video has no results"):
        protocols.score_result_folder(protocol, folders / "results")
    lenient = protocols.DavisProtocol(folders / "truth", allow_missing=True)
    assert protocols.score_result_folder(lenient, folders / "results")["J-Mean"] == 0.5
    (folders / "results" / "bear" / "00002.png").unlink()
    with pytest.raises(ValueError, match="Video 'bear', frame 00002: no prediction"):
        protocols.score_result_folder(protocol, folders / "results")
    assert protocols.score_result_folder(lenient, folders / "results")["J-Mean"] == 0.25


def test_bad_folders(folders) -> None:
    with pytest.raises(FileNotFoundError, match="no folder of annotations"):
        protocols.DavisProtocol(folders / "nowhere")
    with pytest.raises(FileNotFoundError, match="holds no video"):
        protocols.DavisProtocol(folders / "truth" / "bear")
    with pytest.raises(ValueError, match="listed twice"):
        protocols.DavisProtocol(folders / "truth", videos=["bear", "bear"])
    with pytest.raises(ValueError, match="use 'semi-supervised'"):
        protocols.DavisProtocol(folders / "truth", task="vos")
    with pytest.raises(FileNotFoundError, match="no folder of results"):
        protocols.score_result_folder(protocols.DavisProtocol(folders / "truth"), folders / "x")
    write_maps(folders / "results" / "bear", np.zeros((4, 12, 15), dtype=np.uint8))
    with pytest.raises(ValueError, match="Video 'bear', frame 00001: .* size 12 x 15"):
        protocols.score_result_folder(
            protocols.DavisProtocol(folders / "truth"), folders / "results"
        )


def test_mose_v1_is_the_semi_supervised_protocol(folders) -> None:
    mose, davis = (
        protocols.MoseProtocol(folders / "truth"),
        protocols.DavisProtocol(folders / "truth"),
    )
    assert mose.task == "mose"
    results = [protocols.score_result_folder(p, folders / "results") for p in (mose, davis)]
    assert results[0] == results[1]
