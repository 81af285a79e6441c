"""The concept table: one text embedding for every category of every data set.

Queries are classified by their similarity to the rows of this table. A *domain* is a class list;
its classes are consecutive rows. The table is no part of checkpoints: it is read from a file, or,
for toy models, made by the hashed text encoder.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from univs.modeling.prompts.hashed_text import hashed_class_features

# Of the published table of 3938 rows: first row and number of classes.
PUBLISHED_DOMAINS = {
    "imagenet": (0, 1000),
    "lvis": (1000, 1203),
    "burst": (1000, 1203),  # as published: the rows of LVIS, which are not the 482 of BURST
    "ytvis21": (2203, 40),
    "ovis": (2243, 25),
    "bdd_track": (2268, 8),
    "objects365": (2276, 365),
    "coco_panoptic": (2641, 133),
    "coco": (2641, 80),  # its things come first
    "ade20k": (2774, 150),
    "vipseg": (2924, 124),
    "vspw": (2924, 124),
    "viposeg": (2924, 124),
    "ytvis19": (3048, 40),
    "entityseg_instance": (3088, 206),
    "entityseg_panoptic": (3294, 644),
}
PUBLISHED_NUM_CONCEPTS = 3938

_BUILD = "tools/extract_concept_embeddings.py makes a table from CLIP's weights"


@dataclass(frozen=True)
class ConceptTable:
    """Text embeddings of K categories.

    Attributes:
        embeddings: float ``(K, D)``, not normalised.
        domains: first row and number of rows of each class list, by its name.
    """

    embeddings: Tensor
    domains: Mapping[str, tuple[int, int]]

    def __post_init__(self) -> None:
        if self.embeddings.dim() != 2 or not self.embeddings.is_floating_point():
            raise ValueError(
                "A concept table must be a matrix of real numbers with one row per category, but "
                f"is {self.embeddings.dtype} of shape {list(self.embeddings.shape)}."
            )
        for name, (first, count) in self.domains.items():
            if first < 0 or count < 1 or first + count > len(self.embeddings):
                raise ValueError(
                    f"The concept table has {len(self.embeddings)} rows, but its domain {name!r} "
                    f"is said to be {count} rows from row {first}."
                )

    def has(self, domain: str | None) -> bool:
        """Whether the classes of ``domain`` are in the table."""
        return domain in self.domains

    def rows(self, domain: str) -> slice:
        """The rows of the classes of ``domain``, in the order of its class list.

        Raises:
            ValueError: there is no such domain.
        """
        if domain not in self.domains:
            raise ValueError(
                f"The concept table has no classes of {domain!r}; it has those of "
                f"{', '.join(sorted(self.domains))}. {_BUILD}."
            )
        first, count = self.domains[domain]
        return slice(first, first + count)


def concept_table_from_config(cfg) -> ConceptTable:
    """The table that ``MODEL.UniVS`` asks for.

    Raises:
        FileNotFoundError: the file of the table is missing.
        ValueError: the file is no concept table, or one of another width.
    """
    options = cfg.MODEL.UniVS
    if options.TEXT_ENCODER == "hashed":
        return hashed_concept_table(options.CONCEPTS, options.TEXT_DIM)
    return read_concept_table(options.CLIP_CLASS_EMBED_PATH, options.TEXT_DIM)


def read_concept_table(path: str, text_dim: int) -> ConceptTable:
    """Read a table as published (a bare matrix) or as the project's own tool writes it.

    Args:
        path: the file; nothing in it is executed.
        text_dim: the width D that it must have.
    """
    key = "MODEL.UniVS.CLIP_CLASS_EMBED_PATH"
    if not Path(path).is_file():
        raise FileNotFoundError(
            f"{key}: there is no file {path!r}. Download combined_datasets_cls_emb_rn50x4.pth of "
            f"UniVS there, or set the key to where it is. {_BUILD}. Toy models do without, with "
            "MODEL.UniVS.TEXT_ENCODER hashed."
        )
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise ValueError(f"{key}: {path} cannot be read as a concept table: {error}") from error
    if isinstance(content, Tensor):
        embeddings, domains = content, PUBLISHED_DOMAINS
        if len(embeddings) != PUBLISHED_NUM_CONCEPTS:
            raise ValueError(
                f"{key}: {path} is a bare matrix of shape {list(embeddings.shape)}. Only the "
                f"published one, with {PUBLISHED_NUM_CONCEPTS} rows, is known without the names of "
                f"its class lists. {_BUILD}."
            )
    elif isinstance(content, dict) and {"embeddings", "domains"} <= content.keys():
        embeddings = content["embeddings"]
        domains = {name: tuple(rows) for name, rows in content["domains"].items()}
    else:
        raise ValueError(f"{key}: {path} is not a concept table. {_BUILD}.")
    if embeddings.dim() == 2 and embeddings.shape[1] != text_dim:
        raise ValueError(
            f"{key}: the embeddings in {path} have {embeddings.shape[1]} channels, but "
            f"MODEL.UniVS.TEXT_DIM is {text_dim}. Use the table and the width that belong to "
            "MODEL.UniVS.TEXT_ENCODER."
        )
    return ConceptTable(embeddings.float(), domains)


def hashed_concept_table(concepts: Sequence, text_dim: int) -> ConceptTable:
    """A table of made-up embeddings, the same in every run.

    Args:
        concepts: pairs of the name of a class list and the names of its classes.
        text_dim: width D.
    """
    if not concepts:
        raise ValueError(
            "MODEL.UniVS.TEXT_ENCODER hashed needs MODEL.UniVS.CONCEPTS: pairs of the name of a "
            'class list and its class names, such as [["toy_vis", ["circle", "square"]]].'
        )
    names: list[str] = []
    domains = {}
    for domain, classes in concepts:
        domains[domain] = (len(names), len(classes))
        names.extend(classes)
    return ConceptTable(hashed_class_features(names, text_dim), domains)
