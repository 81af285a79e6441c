"""What grows with the length of a video: object tokens and run lengths, and nothing else."""

from __future__ import annotations

import pytest

from reference.held_memory import tensor_bytes
from reference.small_models import small_config, small_model, small_video
from univs.structures import spooled_blocks
from univs.tracking import Segmenter

CACHED = 4


def sizes_along(model, config, num_frames: int, tokens_of) -> tuple[list[int], list[int]]:
    """Bytes of object tokens, and of all other tensors, a few times along the video."""
    segmenter = Segmenter(model, config, class_names=())
    tokens, others, calls = [], [], []
    with segmenter.session() as session:

        def note(*_: object) -> None:  # after the backbone; looking at all objects takes long
            calls.append(1)
            if len(calls) % (num_frames // 8):
                return
            tokens.append(tokens_of(session))
            others.append(tensor_bytes() - tokens[-1])

        hook = model.backbone.register_forward_hook(note)
        video = small_video(6)
        for index in range(num_frames):
            session.push(video[index % 6])
        assert session.finish().num_frames == num_frames
        hook.remove()
    return tokens, others


def vita_tokens(session) -> int:
    return sum(tensor.untyped_storage().nbytes() for tensor in session._tokens)


def genvis_tokens(session) -> int:
    kept = session._prototypes
    return 0 if kept is None else kept.keys.untyped_storage().nbytes()  # and values


def test_vita_keeps_object_tokens_only(monkeypatch):
    monkeypatch.setattr(spooled_blocks, "_MOST_BYTES_IN_MEMORY", 0)
    chunks = ["MODEL.VITA.TEST_RUN_CHUNK_SIZE", 2, "MODEL.VITA.TEST_CACHE_FRAMES", CACHED]
    config = small_config("Vita", chunks)
    model = small_model(config)
    sizes_along(model, config, 8, vita_tokens)  # what is made once
    short_tokens, short = sizes_along(model, config, 16, vita_tokens)
    long_tokens, long = sizes_along(model, config, 64, vita_tokens)
    # Every frame goes through the backbone once, those that are not cached twice.
    assert len(long) == (64 + 64 - CACHED) // 2 // 8
    bytes_of_a_frame = 8 * 32 * 4  # queries, channels, float32
    assert max(short_tokens) == (16 - 2) * bytes_of_a_frame
    assert max(long_tokens) == (64 - 2) * bytes_of_a_frame
    assert max(long) == pytest.approx(max(short), abs=bytes_of_a_frame)


@pytest.mark.parametrize("memory_size", [0, 5])
def test_genvis_keeps_as_many_clips_as_its_memory_holds(memory_size):
    config = small_config(
        "Genvis", ["MODEL.GENVIS.LEN_CLIP_WINDOW", 2, "MODEL.GENVIS.MEMORY_SIZE", memory_size]
    )
    model = small_model(config)
    sizes_along(model, config, 8, genvis_tokens)
    _, short = sizes_along(model, config, 16, genvis_tokens)
    tokens, long = sizes_along(model, config, 64, genvis_tokens)
    bytes_of_a_clip = 2 * 6 * 32 * 4  # keys and values, queries, channels, float32
    num_clips = memory_size or 31  # before the last clip of 32
    assert num_clips <= max(tokens) / bytes_of_a_clip <= 1.25 * num_clips + 8  # room for more
    assert max(long) == pytest.approx(max(short), abs=bytes_of_a_clip)
