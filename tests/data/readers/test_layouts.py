"""Every layout of the toy generator, read back and compared with the videos it was made from."""

from __future__ import annotations

import numpy as np
import pytest

from univs.data.catalog import all_entries, load_records
from univs.data.record import PromptKind
from univs.data.toy.classes import PANOPTIC_CLASSES, STUFF_CLASSES

SPLITS = pytest.mark.parametrize("split", ["train", "val"])


@pytest.fixture
def read(toy_datasets):
    return lambda name: load_records(all_entries()[name], toy_datasets)


def _masks(record, item):
    """Masks of an object in every frame ``[T, H, W]``."""
    return np.stack([item.masks.decode(frame) for frame in range(len(record))])


def _assert_frames(record, video):
    assert len(record) == video.num_frames
    assert record.size == video.size
    assert record.frames[0].shape == (*video.size, 3)


@SPLITS
def test_youtube_vis(read, videos_in_memory, split):
    records = read(f"toy_ytvis_{split}")
    for record, video in zip(records, videos_in_memory[split], strict=True):
        _assert_frames(record, video)
        assert [item.category for item in record.objects] == video.categories.tolist()
        for item, masks in zip(record.objects, video.masks, strict=True):
            np.testing.assert_array_equal(_masks(record, item), masks)
            assert item.frames == tuple(np.flatnonzero(masks.any(axis=(1, 2))))


@SPLITS
def test_vipseg(read, videos_in_memory, split):
    records = read(f"toy_vipseg_{split}")
    for record, video in zip(records, videos_in_memory[split], strict=True):
        _assert_frames(record, video)
        things = [item for item in record.objects if item.is_thing]
        names = sorted(PANOPTIC_CLASSES[item.category] for item in things)
        shown = video.masks.any(axis=(1, 2, 3))
        classes = video.categories[shown] + len(STUFF_CLASSES)
        assert names == sorted(PANOPTIC_CLASSES[category] for category in classes)
        # Later objects hide earlier ones in the label maps, but toy masks do not overlap.
        union = np.any([_masks(record, item) for item in things], axis=0)
        np.testing.assert_array_equal(union, video.masks.any(axis=0))
        for item in record.objects:
            if not item.is_thing:
                masks = _masks(record, item)
                assert masks.any()
                assert (video.stuff[masks] == item.category).all()
            assert item.frames == tuple(np.flatnonzero(_masks(record, item).any(axis=(1, 2))))


@SPLITS
def test_vspw(read, videos_in_memory, split):
    records = read(f"toy_vspw_{split}")
    for record, video in zip(records, videos_in_memory[split], strict=True):
        _assert_frames(record, video)
        assert record.tasks == {"vss"}
        for frame in range(len(record)):
            labels = record.label_maps.decode(frame)
            for category, masks in zip(video.categories, video.masks, strict=True):
                assert (labels[masks[frame]] == len(STUFF_CLASSES) + category).all()
            rest = ~video.masks[:, frame].any(axis=0) & (labels != 255)
            np.testing.assert_array_equal(labels[rest], video.stuff[frame][rest])


@SPLITS
@pytest.mark.parametrize("layout", ["davis", "mose"])
def test_objects_of_the_first_frame(read, videos_in_memory, split, layout):
    records = {record.video_id: record for record in read(f"toy_{layout}_{split}")}
    videos = [v for v in videos_in_memory[split] if v.masks[:, 0].any()]
    assert set(records) == {video.name for video in videos}
    for video in videos:
        record = records[video.name]
        _assert_frames(record, video)
        expected = video.masks[video.masks[:, 0].any(axis=(1, 2))]
        assert len(record.objects) == len(expected)
        # The validation masks of MOSE are those of the first frame only.
        last = 1 if (layout, split) == ("mose", "val") else len(record)
        assert record.annotated == (None if last == len(record) else (0,))
        for item, masks in zip(record.objects, expected, strict=True):
            np.testing.assert_array_equal(_masks(record, item)[:last], masks[:last])
            assert item.category is None
        prompts = [(p.object_id, p.frame, p.kind) for p in record.prompts]
        assert prompts == [(number, 0, PromptKind.MASK) for number in range(len(expected))]


@SPLITS
def test_youtube_vos_gives_each_object_where_it_first_appears(read, videos_in_memory, split):
    records = read(f"toy_ytvos_{split}")
    for record, video in zip(records, videos_in_memory[split], strict=True):
        _assert_frames(record, video)
        starts = video.masks.any(axis=(2, 3)).argmax(axis=1)
        assert [p.frame for p in record.prompts] == starts.tolist()
        for prompt, item, masks in zip(record.prompts, record.objects, video.masks, strict=True):
            np.testing.assert_array_equal(item.masks.decode(prompt.frame), masks[prompt.frame])
            assert item.frames == tuple(np.flatnonzero(masks.any(axis=(1, 2))))


@SPLITS
def test_expressions_of_youtube_vos_name_their_objects(read, videos_in_memory, split):
    videos = {video.name: video for video in videos_in_memory[split]}
    records = read(f"toy_refytvos_{split}")
    assert records
    for record in records:
        video = videos[record.video_id]
        _assert_frames(record, video)
        assert len({text.id for text in record.expressions}) == len(record.expressions) > 0
        for text in record.expressions:
            item = record.objects[text.object_id]
            assert text.text
            np.testing.assert_array_equal(_masks(record, item), video.masks[item.official_id - 1])


def test_expressions_of_davis_are_numbered_in_object_order(read, videos_in_memory):
    for number, annotator in enumerate("1122"):
        for record in read(f"toy_refdavis_train_{number}"):
            assert [text.id for text in record.expressions] == list(range(len(record.objects)))
            assert [text.object_id for text in record.expressions] == [
                item.id for item in record.objects
            ]
            assert {text.annotator for text in record.expressions} == {annotator}
            assert '"' not in record.expressions[0].text


@SPLITS
def test_burst(read, videos_in_memory, split):
    records = read(f"toy_burst_point_{split}")
    for record, video in zip(records, videos_in_memory[split], strict=True):
        _assert_frames(record, video)
        assert record.annotated == tuple(range(0, len(record), 1 if split == "train" else 2))
        for item in record.objects:
            for frame in item.frames:
                np.testing.assert_array_equal(
                    item.masks.decode(frame), video.masks[item.official_id - 1, frame]
                )
        if split == "train":
            assert record.prompts == ()
            continue
        assert [prompt.object_id for prompt in record.prompts] == list(range(len(record.objects)))
        for prompt in record.prompts:
            x, y = map(int, prompt.point)
            assert record.objects[prompt.object_id].masks.decode(prompt.frame)[y, x]


@SPLITS
def test_coco(read, videos_in_memory, split):
    instances, panoptic = read(f"toy_coco_instance_{split}"), read(f"toy_coco_panoptic_{split}")
    assert len(instances) == len(panoptic) > 0
    for boxes, segments in zip(instances, panoptic, strict=True):
        assert boxes.official_id == segments.official_id
        things = {}
        for item in segments.objects:
            if item.is_thing:
                things.setdefault(item.category, []).append(item.masks.decode(0))
            else:
                assert item.category >= 6
        for item in boxes.objects:
            mask = item.masks.decode(0)
            assert any(np.array_equal(mask, other) for other in things[item.category])
            ys, xs = np.nonzero(mask)
            corners = [xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]
            assert item.boxes.tolist() == [corners]
