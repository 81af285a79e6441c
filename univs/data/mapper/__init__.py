"""Mappers: from an entry of the DatasetCatalog to a sample."""

from univs.data.mapper.build import build_mapper
from univs.data.mapper.clip import ClipMapper
from univs.data.mapper.image import ImageInstanceMapper, ImageSemanticMapper
from univs.data.mapper.pseudo_clip import PseudoClipMapper
from univs.data.mapper.test import ImageTestMapper, TestMapper
from univs.data.mapper.univs import UnivsClipMapper

__all__ = [
    "ClipMapper",
    "ImageInstanceMapper",
    "ImageSemanticMapper",
    "ImageTestMapper",
    "PseudoClipMapper",
    "TestMapper",
    "UnivsClipMapper",
    "build_mapper",
]
