"""Miniatures of sets whose targets are given: by masks, points, or expressions."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np

from univs.data.miniatures.content import Videos, Vocabulary, images_of, instance_json, write_images
from univs.data.toy.classes import THING_CLASSES
from univs.data.toy.layouts import LAYOUTS
from univs.data.toy.layouts.base import frame_names, write_files, write_json, write_lines
from univs.data.toy.layouts.davis import first_frame_objects
from univs.data.toy.layouts.encoding import compressed_rle

_REFCOCO = (("refcoco", "unc"), ("refcoco+", "unc"), ("refcocog", "umd"))


def write_toy_layout(root: Path, videos: Videos, name: str, folder: str | None = None) -> Path:
    """Write a layout that does not depend on classes, as the toy datasets have it."""
    layout = LAYOUTS[name]
    target = root / (folder or layout.folder)
    target.mkdir(parents=True, exist_ok=True)
    writer = layout(target)
    for split, chosen in videos.items():
        for video in chosen:
            writer.add(split, video)
    writer.finish()
    return target


def write_davis(root: Path, videos: Videos) -> None:
    """DAVIS 2016 and 2017, also for the unsupervised protocol, and its test-dev split."""
    folder = write_toy_layout(root, videos, "davis")
    for split in videos:
        names = (folder / "ImageSets" / "2017" / f"{split}.txt").read_text().split()
        write_lines(folder / "ImageSets" / "2016" / f"{split}.txt", names)
    write_lines(folder / "ImageSets" / "2017" / "test-dev.txt", names)


def write_youtube_vos(root: Path, videos: Videos) -> None:
    """YouTube-VOS 2018 and 2019."""
    for year in (2018, 2019):
        write_toy_layout(root, videos, "youtube_vos", f"youtube_vos/{year}")


def write_mose(root: Path, videos: Videos) -> None:
    """MOSE, whose test split has the prompts of the validation split here."""
    folder = write_toy_layout(root, videos, "mose")
    for kind, suffix in (("JPEGImages", "jpg"), ("Annotations", "png")):
        for path in sorted((folder / "valid" / kind).rglob(f"*.{suffix}")):
            target = folder / "test" / path.relative_to(folder / "valid")
            write_files(target.parent, [target.name], [path.read_bytes()])


def write_burst(root: Path, videos: Videos) -> None:
    """BURST, whose test split is the validation split here."""
    folder = write_toy_layout(root, videos, "burst")
    for part in ("frames", "annotations"):
        for path in sorted((folder / part / "val").rglob("*.*")):
            target = folder / part / "test" / path.relative_to(folder / part / "val")
            write_files(target.parent, [target.name], [path.read_bytes()])


def write_ref_youtube_vos(root: Path, videos: Videos) -> None:
    """Ref-YouTube-VOS, with the frames of YouTube-VOS; its validation masks are public here."""
    folder = write_toy_layout(root, videos, "youtube_vos")
    for path in sorted((folder / "valid" / "Annotations_gt").rglob("*.png")):
        target = (
            folder / "valid" / "Annotations" / path.relative_to(folder / "valid/Annotations_gt")
        )
        write_files(target.parent, [target.name], [path.read_bytes()])
    write_toy_layout(root, videos, "refytvos")


def write_ref_davis(root: Path, videos: Videos) -> None:
    """Ref-DAVIS17; its list of validation videos is that of DAVIS."""
    folder = write_toy_layout(root, videos, "davis")
    texts = write_toy_layout(root, videos, "refdavis")
    for split in videos:
        names = (texts / "ImageSets" / "2017" / f"{split}.txt").read_text().split()
        write_lines(folder / "ImageSets" / "2017" / f"{split}.txt", names)


def write_viposeg(root: Path, videos: Videos) -> None:
    """VIPOSeg."""
    write_toy_layout(root, videos, "viposeg")


def write_mevis(root: Path, videos: Videos) -> None:
    """MeViS: an expression for one object, and one for all."""
    for split, name in (("train", "train"), ("val", "valid_u"), ("val", "valid")):
        folder = root / "mevis" / name
        meta: dict[str, dict] = {}
        masks: dict[str, list] = {}
        for video in videos[split]:
            names = frame_names(video)
            write_files(folder / "JPEGImages" / video.name, names, video.jpegs)
            ids = []
            for shown in video.masks:
                ids.append(len(masks))
                masks[str(ids[-1])] = [compressed_rle(m) if m.any() else None for m in shown]
            expressions = {"0": {"exp": "the hindmost shape"}, "1": {"exp": "all moving shapes"}}
            if name != "valid":
                expressions["0"]["anno_id"], expressions["1"]["anno_id"] = ids[:1], ids
            meta[video.name] = {
                "expressions": expressions,
                "frames": [Path(frame).stem for frame in names],
            }
        write_json(folder / "meta_expressions.json", {"videos": meta})
        if name != "valid":
            write_json(folder / "mask_dict.json", masks)


def write_refcoco(root: Path, videos: Videos) -> None:
    """RefCOCO, RefCOCO+ and RefCOCOg on images of COCO; the splits share them.

    The training sets together have the form that UniVS converts them to, because images as small
    as these are left out otherwise.
    """
    chosen = videos["train"]
    names = [f"COCO_train2014_{n:012d}.jpg" for n in range(901, 901 + len(images_of(chosen)))]
    write_images(root / "coco" / "train2017", chosen, [n.rpartition("_")[2] for n in names])
    content = instance_json(chosen, names, Vocabulary())
    things = {c["id"]: c["name"] for c in content["categories"] if c["isthing"]}
    named = [a for a in content["annotations"] if a["category_id"] in things]
    for name, splitter in _REFCOCO:
        folder = root / "refcoco" / name
        write_json(folder / "instances.json", content)
        references = []
        for split in ("train", "val", "test", "testA", "testB"):
            for annotation in named:
                number = len(references)
                text = f"the {things[annotation['category_id']]} here"
                references.append(
                    {
                        "ref_id": number,
                        "ann_id": annotation["id"],
                        "image_id": annotation["image_id"],
                        "split": split,
                        "sentences": [{"sent_id": number, "sent": text}],
                    }
                )
        (folder / f"refs({splitter}).p").write_bytes(pickle.dumps(references, protocol=2))

    write_json(
        root / "refcoco" / "refcoco-mixed" / "instances_train_video360p.json",
        {
            "videos": [
                {**image, "file_names": [image["file_name"].rpartition("_")[2]]}
                for image in content["images"]
            ],
            "annotations": [
                {
                    "id": number,
                    "video_id": annotation["image_id"],
                    "category_id": 1,
                    "exp_id": number,
                    "expressions": [f"the {things[annotation['category_id']]} here"],
                    "segmentations": [annotation["segmentation"]],
                }
                for number, annotation in enumerate(named)
            ],
            "categories": [{"id": 1, "name": "object"}],
        },
    )


def write_flickr30k(root: Path, videos: Videos) -> None:
    """Flickr30k Entities in the merged form of MDETR; boxes only."""
    folder = root / "flickr30k"
    for split, chosen in videos.items():
        names = [f"{split}{n:06d}.jpg" for n in range(len(images_of(chosen)))]
        write_images(folder / "flickr30k-images", chosen, names)
        content = instance_json(chosen, names, Vocabulary(), with_masks=False)
        shapes = {c["id"]: c["name"] for c in content["categories"]}
        captions: dict[int, str] = {}
        kept = []
        for annotation in content["annotations"]:
            phrase = f"a {shapes[annotation['category_id']]}"
            caption = captions.get(annotation["image_id"], "There is")
            start = len(caption) + 1
            captions[annotation["image_id"]] = f"{caption} {phrase}"
            kept.append(
                {
                    **annotation,
                    "category_id": 1,
                    "tokens_positive": [[start, start + len(phrase)]],
                }
            )
        images = [{**i, "caption": captions.get(i["id"], "Nothing")} for i in content["images"]]
        categories = [{"id": 1, "name": "object"}]
        write_json(
            folder / "mdetr" / f"final_flickr_mergedGT_{split}.json",
            {"images": images, "annotations": kept, "categories": categories},
        )


def write_raw(root: Path, videos: Videos) -> None:
    """Videos and images without annotations, where users put their own."""
    for folder in ("custom_videos/raw", "custom_videos/raw_text_internvid", "msr-vtt"):
        for video in videos["val"]:
            write_files(root / folder / video.name, frame_names(video), video.jpegs)
    chosen = videos["val"]
    names = [f"{n}.jpg" for n in range(len(images_of(chosen)))]
    write_images(root / "custom_images" / "raw", chosen, names)
    listed, annotations = [], []
    for number, video in enumerate(chosen, start=1):
        files = frame_names(video)
        write_files(root / "custom_videos" / "raw_text" / video.name, files, video.jpegs)
        height, width = video.size
        paths = [f"{video.name}/{file}" for file in files]
        listed.append({"id": number, "height": height, "width": width, "file_names": paths})
        for shape in np.unique(video.categories[first_frame_objects(video)]).tolist():
            annotations.append(
                {
                    "id": len(annotations),
                    "video_id": number,
                    "category_id": 1,
                    "exp_id": len(annotations),
                    "expressions": [f"the {THING_CLASSES[shape]}"],
                    "bboxes": [None] * video.num_frames,
                }
            )
    content = {"videos": listed, "annotations": annotations}
    content["categories"] = [{"id": 1, "name": "object"}]
    write_json(root / "custom_videos" / "raw_text" / "test.json", content)
