"""Matching of predictions to targets, and the losses on matched pairs."""

from univs.modeling.losses.criterion import SetCriterion
from univs.modeling.losses.genvis_criterion import GenvisCriterion
from univs.modeling.losses.matcher import HungarianMatcher
from univs.modeling.losses.univs_criterion import UnivsCriterion
from univs.modeling.losses.univs_matcher import UnivsMatcher
from univs.modeling.losses.vita_criterion import VitaCriterion

__all__ = [
    "GenvisCriterion",
    "HungarianMatcher",
    "SetCriterion",
    "UnivsCriterion",
    "UnivsMatcher",
    "VitaCriterion",
]
