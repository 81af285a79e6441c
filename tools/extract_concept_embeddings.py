#!/usr/bin/env python
"""Build a concept table, the text embeddings that UniVS classifies with, from CLIP's weights.

    tools/extract_concept_embeddings.py --clip RN50x4 --weights RN50x4.pt \\
        --classes ytvis21=ytvis21.txt my_classes=names.txt --output table.pth

A class list is a text file with one name per line, or a JSON file with a list of names or with a
key "names" or "categories" (COCO). Set MODEL.UniVS.CLIP_CLASS_EMBED_PATH to the table, and
MODEL.UniVS.TEXT_ENCODER and TEXT_DIM to the CLIP model. Weights are a state dict, of the text tower
or of the whole model; a TorchScript archive of OpenAI has to be saved as one first. Published UniVS
weights belong to the published table.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path

import torch

from univs.modeling.concepts import ConceptTable
from univs.modeling.prompts.clip_text import TOWERS, ClipTextEncoder
from univs.modeling.prompts.hashed_text import HashedTextEncoder
from univs.modeling.prompts.text_features import TextEncoder


def main(arguments: list[str] | None = None) -> int:
    """Build the table and return the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clip", choices=[*TOWERS, "hashed"], default="RN50x4")
    parser.add_argument("--weights", help="file of CLIP's weights")
    parser.add_argument("--vocabulary", default="", help="file of CLIP's vocabulary")
    parser.add_argument("--dim", type=int, default=640, help='width of "hashed" embeddings')
    parser.add_argument(
        "--classes", nargs="+", required=True, metavar="NAME=FILE", help="class lists, in order"
    )
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--overwrite", action="store_true", help="replace OUTPUT if it exists")
    options = parser.parse_args(arguments)
    if options.output.exists() and not options.overwrite:
        parser.error(f"{options.output} exists; give another name, or --overwrite")
    if options.clip != "hashed" and not options.weights:
        parser.error("--weights is needed for a CLIP model")
    try:
        lists = dict(_named_list(argument) for argument in options.classes)
        if options.clip == "hashed":
            encoder = HashedTextEncoder(options.dim)
        else:
            encoder = ClipTextEncoder.from_file(options.clip, options.weights, options.vocabulary)
        table = build_table(encoder, lists)
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    write_table(options.output, table, lists)
    rows, width = table.embeddings.shape
    print(f"{options.output}: {rows} classes of {len(lists)} lists, {width} channels")
    return 0


def build_table(encoder: TextEncoder, lists: dict[str, list[str]]) -> ConceptTable:
    """Embed the names of all class lists, one list after the other."""
    domains, start = {}, 0
    for name, classes in lists.items():
        domains[name] = (start, len(classes))
        start += len(classes)
    names = [name for classes in lists.values() for name in classes]
    return ConceptTable(encoder.encode_classes(names), domains)


def write_table(path: Path, table: ConceptTable, lists: dict[str, list[str]]) -> None:
    """Write a table with its class lists; a file is there completely or not at all."""
    content = {
        "embeddings": table.embeddings,
        "domains": {name: list(rows) for name, rows in table.domains.items()},
        "names": lists,
    }
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            torch.save(content, file)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def _named_list(argument: str) -> tuple[str, list[str]]:
    name, equals, path = argument.partition("=")
    if not (name and equals and path):
        raise ValueError(f"--classes takes NAME=FILE, but got {argument!r}")
    text = Path(path).read_text(encoding="utf-8")
    names = _json_names(json.loads(text)) if path.endswith(".json") else text.splitlines()
    names = [line.strip() for line in names if line.strip()]
    if not names:
        raise ValueError(f"{path} has no class names")
    return name, names


def _json_names(content: object) -> list[str]:
    if isinstance(content, dict):
        content = content.get("names", content.get("categories", []))
    if not isinstance(content, list):
        raise ValueError("a JSON class list must be a list, or have a key names or categories")
    return [entry["name"] if isinstance(entry, dict) else str(entry) for entry in content]


if __name__ == "__main__":
    sys.exit(main())
