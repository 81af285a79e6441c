"""The catalogue: which datasets there are, where they lie, and what their classes are."""

from univs.data.catalog.classes import ClassTable, class_table, domains
from univs.data.catalog.entry import DatasetEntry, DatasetNotFoundError, Location
from univs.data.catalog.families import training_name
from univs.data.catalog.reading import load_records
from univs.data.catalog.registration import (
    all_entries,
    find_entry,
    register_dataset,
    register_datasets,
)
from univs.data.toy.registration import datasets_root

__all__ = [
    "ClassTable",
    "DatasetEntry",
    "DatasetNotFoundError",
    "Location",
    "all_entries",
    "class_table",
    "datasets_root",
    "domains",
    "find_entry",
    "load_records",
    "register_dataset",
    "register_datasets",
    "training_name",
]
