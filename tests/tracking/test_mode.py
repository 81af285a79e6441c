from __future__ import annotations

import pytest

from reference.models import CONFIGS
from reference.small_models import small_config, small_model, small_video
from univs.config import load_config
from univs.tracking import GenvisSession, Segmenter, VitaSession
from univs.tracking.mode import Clips, check_mode, clips_of, describe_latency, mode_options
from univs.tracking.tarvis_session import overlap_of
from univs.tracking.univs_options import clip_options


def genvis_config(*options: object):
    return small_config("Genvis", options)


@pytest.fixture(scope="module")
def model():
    return small_model(genvis_config())


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ((), Clips(4, 4)),
        (("TEST.MODE", "online"), Clips(1, 1)),
        (("TEST.MODE", "online", "TEST.CLIP_LENGTH", 6), Clips(1, 1)),
        (("TEST.MODE", "semi-online"), Clips(4, 4)),
        (("TEST.MODE", "semi-online", "TEST.CLIP_LENGTH", 6), Clips(6, 6)),
        (("TEST.MODE", "semi-online", "TEST.CLIP_LENGTH", 6, "TEST.CLIP_STRIDE", 2), Clips(6, 2)),
        (("TEST.CLIP_LENGTH", 6, "TEST.CLIP_STRIDE", 2), Clips(6, 6)),  # as published
    ],
)
def test_clips(options, expected):
    assert clips_of(genvis_config(*options), 4) == expected


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("TEST.MODE", "semi-online", "TEST.CLIP_LENGTH", 1), "TEST.CLIP_LENGTH .* to 2 or more"),
        (
            ("TEST.MODE", "semi-online", "TEST.CLIP_LENGTH", 3, "TEST.CLIP_STRIDE", 4),
            "clips of 3 frames .* each 4 after the one before",
        ),
        (("TEST.CLIP_LENGTH", -1), "clips of -1 frames"),
    ],
)
def test_contradictions(options, message):
    with pytest.raises(ValueError, match=message):
        clips_of(genvis_config(*options), 4)


@pytest.mark.parametrize(
    ("system", "options", "message"),
    [
        ("Vita", ("TEST.MODE", "online"), "a Vita model cannot be online: it is offline"),
        ("Vita", ("TEST.MODE", "semi-online"), "it is offline, because it looks at all frames"),
        ("Genvis", ("TEST.MODE", "live"), "choose one of online, semi-online, offline"),
    ],
)
def test_what_a_model_does_not_have(system, options, message):
    config = small_config(system, options)
    with pytest.raises(ValueError, match=message):
        Segmenter(small_model(config), config, class_names=())


def test_the_video_mask2former_is_not_offline(toy_model, toy_config):
    config = toy_config.clone()
    config.TEST.MODE = "offline"
    with pytest.raises(ValueError, match="it is online or semi-online, .* set TEST.CLIP_LENGTH"):
        Segmenter(toy_model, config, class_names=())
    config.TEST.MODE, config.TEST.CLIP_STRIDE = "semi-online", 2
    with pytest.raises(ValueError, match="cannot overlap: leave out --stride"):
        Segmenter(toy_model, config, class_names=())
    config.TEST.MODE = "online"
    assert Segmenter(toy_model, config, class_names=()).session().latency == 0


# How many results come with each of seven frames, and at the end.
@pytest.mark.parametrize(
    ("options", "latency", "counts", "left"),
    [
        (("TEST.MODE", "online"), 0, [1] * 7, 0),
        (("TEST.MODE", "semi-online", "TEST.CLIP_LENGTH", 3), 2, [0, 0, 3, 0, 0, 3, 0], 1),
        (
            ("TEST.MODE", "semi-online", "TEST.CLIP_LENGTH", 5, "TEST.CLIP_STRIDE", 2),
            1,
            [0, 2, 0, 2, 0, 2, 0],
            1,
        ),
        (("TEST.MODE", "offline"), None, [0] * 7, 7),
    ],
)
def test_results_come_with_the_latency_of_the_mode(model, options, latency, counts, left):
    segmenter = Segmenter(model, genvis_config(*options), class_names=())
    with segmenter.session() as session:
        assert session.latency == latency
        assert isinstance(session, VitaSession if latency is None else GenvisSession)
        results = [session.push(frame) for frame in small_video(7)]
        assert [len(of_frame) for of_frame in results] == counts
        last = session.flush()
        assert len(last) == left
        order = [r.frame_index for of_frame in [*results, last] for r in of_frame]
        assert order == list(range(7))
        assert session.finish().num_frames == 7


def finish(model, *options):
    segmenter = Segmenter(model, genvis_config(*options), class_names=())
    with segmenter.session() as session:
        for frame in small_video(6):
            session.push(frame)
        return session.finish()


def test_offline_is_one_clip_of_the_whole_video(model):
    one_clip = finish(model, "TEST.CLIP_LENGTH", 6, "TEST.MASK_SCORE_THRESHOLD", 0.0)
    offline = finish(model, "TEST.MODE", "offline")
    assert [track.id for track in offline.tracks] == [track.id for track in one_clip.tracks]
    for track, other in zip(offline.tracks, one_clip.tracks, strict=True):
        assert track.segmentations == other.segmentations
        assert track.score == pytest.approx(other.score, rel=1e-5)


def test_frames_that_overlap_are_looked_at_again(model):
    calls = []
    hook = model.vita_module.register_forward_pre_hook(
        lambda _module, inputs: calls.append(inputs[0].shape[1])
    )
    finish(model, "TEST.MODE", "semi-online", "TEST.CLIP_LENGTH", 5, "TEST.CLIP_STRIDE", 2)
    hook.remove()
    assert calls == [2, 4, 5]  # frames of each clip: the overlap grows up to 3


def test_options_of_the_command_line():
    assert mode_options(None) == []
    assert mode_options("offline") == ["TEST.MODE", "offline"]
    assert mode_options("semi-online", 5, 2) == [
        *("TEST.MODE", "semi-online", "TEST.CLIP_LENGTH", 5, "TEST.CLIP_STRIDE", 2),
    ]
    with pytest.raises(ValueError, match="--mode semi-online: add it"):
        mode_options("online", 3)


def test_latency_in_words():
    assert "end of the video" in describe_latency(None, 25.0)
    assert "without waiting" in describe_latency(0, 25.0)
    assert "up to 1 more frame (40 ms at 25 frames" in describe_latency(1, 25.0)
    assert describe_latency(2).endswith("up to 2 more frames")


@pytest.mark.parametrize(
    ("arguments", "length", "stride"),
    [
        (("online",), 1, 1),
        (("semi-online", 4, 2), 4, 2),
        (("semi-online", 5), 5, 1),
        (("offline",), 3, 1),
    ],
)
def test_clips_of_univs(arguments, length, stride):
    cfg = load_config(CONFIGS / "toy" / "univs_stage3.yaml", mode_options(*arguments))
    check_mode(cfg)
    options = clip_options(cfg, "vis")
    assert (options["clip_length"], options["stride"]) == (length, stride)


@pytest.mark.parametrize(
    ("arguments", "overlap"),
    [
        ((None,), 3),
        (("semi-online",), 3),
        (("semi-online", 4), 2),
        (("semi-online", 2, 1), 1),
        (("semi-online", 5, 4), 1),
        (("offline",), 3),
    ],
)
def test_clips_of_tarvis(arguments, overlap):
    cfg = load_config(CONFIGS / "toy" / "tarvis.yaml", mode_options(*arguments))
    check_mode(cfg)
    assert overlap_of(cfg) == overlap


def test_tarvis_is_not_online():
    cfg = load_config(CONFIGS / "toy" / "tarvis.yaml", mode_options("online"))
    with pytest.raises(ValueError, match="it is semi-online or offline, .* --clip-length 2"):
        check_mode(cfg)
