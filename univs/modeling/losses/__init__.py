"""Matching of predictions to targets, and the losses on matched pairs."""

from univs.modeling.losses.criterion import SetCriterion
from univs.modeling.losses.matcher import HungarianMatcher

__all__ = ["HungarianMatcher", "SetCriterion"]
