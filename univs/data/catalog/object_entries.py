"""Videos whose targets are given by masks or points: DAVIS, YouTube-VOS, MOSE, BURST."""

from __future__ import annotations

from univs.data.catalog.entry import DatasetEntry, Location

_DAVIS = "https://davischallenge.org/davis2017/code.html"
_YOUTUBE_VOS = "https://youtube-vos.org/dataset/vos/"
_MOSE = "https://henghuiding.github.io/MOSE/"
_BURST = "https://github.com/Ali2500/BURST-benchmark"


def object_entries() -> list[DatasetEntry]:
    """All of them."""
    return [
        *_davis_entries(),
        *_youtube_vos_entries(),
        *_mose_entries(),
        *_burst_entries(),
    ]


def _davis_entries() -> list[DatasetEntry]:
    entries = []
    counts = {(16, "train"): 30, (16, "val"): 20, (17, "train"): 60, (17, "val"): 30}
    for (year, split), count in counts.items():
        locations = _davis_places("Annotations", f"20{year}", split)
        if (year, split) == (17, "train"):
            locations.append(
                Location(
                    "dataset_images/training/davis",
                    "dataset_annotations/training/davis_semisupervised.json",
                    layout="tarvis_json",
                )
            )
        elif (year, split) == (17, "val"):
            locations.append(_tarvis_davis("val"))
        entries.append(
            _davis(
                f"davis{year}_{split}",
                "davis_binary" if year == 16 else "davis",
                locations,
                (f"sot_davis{year}_{split}",),
                count,
            )
        )
    test = [*_davis_places("Annotations", "2017", "test-dev"), _tarvis_davis("testdev")]
    entries.append(_davis("davis17_test_dev", "davis", test, (), 30))
    for split, count in (("train", 60), ("val", 30)):
        places = _davis_places("Annotations_unsupervised", "2017", split)
        name, layout = f"davis17_unsupervised_{split}", "davis_unsupervised"
        entries.append(_davis(name, layout, places, (), count))
    return entries


def _davis(
    name: str, layout: str, locations: list[Location], aliases: tuple[str, ...], count: int
) -> DatasetEntry:
    return DatasetEntry(
        name=name,
        layout=layout,
        locations=tuple(locations),
        evaluator_type="davis",
        aliases=aliases,
        page=_DAVIS,
        count=count,
    )


def _davis_places(masks: str, year: str, split: str) -> list[Location]:
    return [
        Location(
            f"DAVIS/JPEGImages/{resolution}",
            masks=f"DAVIS/{masks}/{resolution}",
            videos=f"DAVIS/ImageSets/{year}/{split}.txt",
        )
        for resolution in ("Full-Resolution", "480p")
    ]


def _tarvis_davis(split: str) -> Location:
    root = "dataset_annotations/inference/davis"
    return Location(
        "dataset_images/inference/davis",
        masks=f"{root}/Annotations",
        videos=f"{root}/ImageSet_{split}.txt",
    )


def _youtube_vos_entries() -> list[DatasetEntry]:
    entries = []
    for year, counts in ((18, (3471, 474)), (19, (3471, 507))):
        for (split, folder), count in zip(
            (("train", "train"), ("val", "valid")), counts, strict=True
        ):
            roots = [f"youtube_vos/20{year}/{folder}"]
            roots += [f"ytbvos/{folder}"] if year == 18 or split == "train" else ["ytbvos/valid19"]
            entries.append(
                DatasetEntry(
                    name=f"youtubevos{year}_{split}",
                    layout="youtube_vos",
                    locations=tuple(
                        Location(f"{r}/JPEGImages", f"{r}/meta.json", masks=f"{r}/Annotations")
                        for r in roots
                    ),
                    evaluator_type="vos",
                    aliases=(f"sot_ytbvos{year}_{split}",),
                    page=_YOUTUBE_VOS,
                    count=count,
                )
            )
    return entries


def _mose_entries() -> list[DatasetEntry]:
    return [
        DatasetEntry(
            name=f"mose_{split}",
            layout="mose",
            locations=(
                Location(
                    f"mose/{folder}/JPEGImages", masks=f"mose/{folder}/Annotations", part=part
                ),
            ),
            evaluator_type="vos",
            aliases=(f"mots_mose_{split}",),
            page=_MOSE,
            count=count,
        )
        for split, folder, count, part in (
            ("train", "train", 1507, None),
            ("val", "valid", 311, None),
            ("test", "test", 331, None),
            ("dev", "valid", None, "first 50"),
        )
    ]


def _burst_entries() -> list[DatasetEntry]:
    entries = [_burst("train", "train", "vos", "all_classes", "mots_burst_train")]
    for split in ("val", "test"):
        first = "first_frame_annotations"
        entries += [
            _burst(split, f"{split}_mask", "vos", first, f"mots_burst_{split}_vos"),
            _burst(split, f"{split}_point", "burst_point", first),
            _burst(
                split,
                f"{split}_class",
                "burst_class",
                "all_classes",
                f"mots_burst_{split}_det",
                domain="burst",
            ),
        ]
    return entries


def _burst(
    split: str, name: str, evaluator: str, file: str, alias: str = "", domain: str | None = None
) -> DatasetEntry:
    locations = [Location(f"burst/frames/{split}", f"burst/annotations/{split}/{file}.json")]
    if split == "train":
        locations.append(
            Location("dataset_images/training/burst", "dataset_annotations/training/burst.json")
        )
    elif domain is None:
        locations.append(
            Location(
                f"dataset_images/inference/burst/{split}",
                f"dataset_annotations/inference/burst/{file}_{split}.json",
            )
        )
    return DatasetEntry(
        name=f"burst_{name}",
        layout="burst",
        locations=tuple(locations),
        evaluator_type=evaluator,
        domain=domain,
        aliases=(alias,) if alias else (),
        page=_BURST,
        count={"train": 500, "val": 993, "test": 1421}[split],
    )
