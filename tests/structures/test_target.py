"""Targets."""

from __future__ import annotations

import numpy as np
import pytest

from univs.structures import (
    BoxTarget,
    CategoryTarget,
    MaskTarget,
    PointTarget,
    Target,
    TextTarget,
)


def test_every_kind_knows_its_id_and_frame():
    targets = [
        CategoryTarget(id=1, categories=[3, 1]),
        MaskTarget(id=2, frame_index=4, mask=np.zeros((4, 6), bool)),
        BoxTarget(id=3, box=[0, 1, 5, 2.5]),
        PointTarget(id=4, points=[[1, 2], [3, 4]]),
        TextTarget(id=5, text="the left horse"),
    ]
    assert [target.id for target in targets] == [1, 2, 3, 4, 5]
    assert [target.frame_index for target in targets] == [0, 4, 0, 0, 0]
    assert targets[0].categories == (3, 1)
    assert targets[1].size == (4, 6)
    assert targets[2].box.dtype == targets[3].points.dtype == np.float32
    assert targets[3].is_inside.tolist() == [True, True]


def test_a_category_list_may_be_empty():
    assert CategoryTarget(id=1, categories=()).categories == ()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: TextTarget(id=0, text="dog"), "id must be 1 or more"),
        (lambda: TextTarget(id=1, frame_index=-1, text="dog"), "frame index"),
        (lambda: TextTarget(id=1, text=" \n"), "text of target 1 is blank"),
        (lambda: CategoryTarget(id=1, categories=[2, 2]), "listed twice"),
        (lambda: CategoryTarget(id=1, categories=[-1]), "negative"),
        (lambda: MaskTarget(id=7, mask=np.zeros((1, 4, 6), bool)), r"target 7 .*\[1, 4, 6\]"),
        (lambda: MaskTarget(id=7, mask=np.zeros((4, 6))), "target 7 must be bool"),
        (lambda: MaskTarget(id=7, mask=np.zeros((4, 6), bool), category=-1), "7 is negative"),
        (lambda: BoxTarget(id=1, box=[0, 0, 1]), "four finite numbers"),
        (lambda: BoxTarget(id=1, box=[0, 0, np.nan, 2]), "four finite numbers"),
        (lambda: BoxTarget(id=1, box=[5, 0, 5, 2]), "x0 < x1"),
        (lambda: PointTarget(id=1, points=np.zeros((0, 2))), "N >= 1"),
        (lambda: PointTarget(id=1, points=[1, 2]), "N >= 1"),
        (lambda: PointTarget(id=1, points=[[np.inf, 2]]), "finite"),
        (lambda: PointTarget(id=1, points=[[1, 2]], is_inside=[True, True]), "for each"),
        (lambda: PointTarget(id=1, points=[[1, 2]], is_inside=[False]), "at least one point"),
    ],
)
def test_wrong_targets_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_the_base_class_is_not_a_target():
    with pytest.raises(TypeError, match="CategoryTarget"):
        Target(id=1)
