from __future__ import annotations

import pytest
import torch
from torch import nn

from univs.checkpoint import CheckpointMismatchError, load_weights
from univs.checkpoint.tarvis_vocabulary import (
    PRETRAINED_VOCABULARIES,
    transfer_class_queries,
    transferred_rows,
)

VIDEO = {"YOUTUBE_VIS": 40, "OVIS": 25, "VIPSEG": 124, "KITTI_STEP": 19, "CITYSCAPES_VPS": 19}


@pytest.mark.golden("tarvis", "rules")
def test_rows_equal_the_original(case):
    block = case.json("rules.json")["semantic_query_transfer"][
        "pretrain_rows_for_each_19_class_block"
    ]
    rows = transferred_rows(VIDEO)
    expected = {0: 0, **dict(enumerate([*block, *block], start=1))}
    assert rows == expected


def test_rows_without_a_counterpart_keep_their_values():
    stored = torch.arange(383.0)[:, None].expand(-1, 2)
    values = transfer_class_queries(torch.full((228, 2), -1.0), stored, VIDEO)
    assert values[0, 0] == 0 and (values[1:39] > 150).all() and (values[39:] == -1).all()


def test_vocabularies_of_both_models_are_copied():
    assert transferred_rows({"B": 2, "A": 1}, {"B": 2, "C": 5}) == {0: 0, 2: 1, 3: 2}
    assert transferred_rows({"B": 3}, {"B": 2}) == {0: 0}
    assert len(transferred_rows(PRETRAINED_VOCABULARIES)) == 383


def test_a_file_of_other_vocabularies_is_refused():
    with pytest.raises(ValueError, match="has 9 class queries"):
        transfer_class_queries(torch.zeros(228, 2), torch.zeros(9, 2), VIDEO)


class OwnQueries(nn.Module):
    """What of a TarViS model has class queries."""

    def __init__(self, rows: int) -> None:
        super().__init__()
        self.target_queries = nn.Module()
        self.target_queries.semantic = nn.Parameter(torch.full((rows, 2), -1.0))
        self.target_queries.vocabularies = VIDEO


def test_training_starts_from_the_pretrained_class_queries(tmp_path):
    path = tmp_path / "pretrained.pth"
    stored = torch.arange(383.0)[:, None].expand(-1, 2).clone()
    torch.save({"model": {"embedding_container._semantic_queries": stored}}, path)
    model = OwnQueries(228)
    assert load_weights(model, path).is_complete
    assert model.target_queries.semantic[1, 0] == 158
    with pytest.raises(CheckpointMismatchError):
        load_weights(OwnQueries(228), path, strict=True)
