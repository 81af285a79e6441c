"""The table of public datasets: names, places, class lists, protocols.

Places follow the official downloads first, then the spellings of the projects that this one
re-implements. Counts are those of the official downloads.
"""

from __future__ import annotations

from univs.data.catalog.dense_entries import dense_entries
from univs.data.catalog.entry import DatasetEntry
from univs.data.catalog.expression_entries import expression_entries
from univs.data.catalog.image_entries import image_entries
from univs.data.catalog.instance_entries import instance_entries
from univs.data.catalog.object_entries import object_entries
from univs.data.catalog.raw_entries import raw_entries

ENTRIES: tuple[DatasetEntry, ...] = (
    *instance_entries(),
    *image_entries(),
    *dense_entries(),
    *object_entries(),
    *expression_entries(),
    *raw_entries(),
)
