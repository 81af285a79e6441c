from __future__ import annotations

import math

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from univs.modeling.losses.reidentification import (
    IdentifiedEmbeddings,
    contrastive_loss,
    cosine_loss,
    interclip_losses,
    same_target,
)


def embeddings(vectors, identities, clips=None) -> IdentifiedEmbeddings:
    clips = torch.zeros(len(identities), dtype=torch.long) if clips is None else torch.tensor(clips)
    return IdentifiedEmbeddings(
        torch.as_tensor(vectors).requires_grad_(), torch.tensor(identities, dtype=torch.long), clips
    )


def test_the_same_number_in_another_clip_is_another_target():
    left = embeddings(torch.zeros(2, 1), [3, 3], [0, 1])
    assert same_target(left, left).tolist() == [[True, False], [False, True]]


def test_contrastive_loss_of_one_row():
    # One positive of similarity 2, so both anchors are 2; of the negatives one is drawn.
    similarity = torch.tensor([[2.0, 1.0]])
    same = torch.tensor([[True, False]])
    assert contrastive_loss(similarity, same) == 0  # of 3 columns a quarter is none
    twenty = torch.cat((same, same, same, same), dim=0)
    expected = math.log(1 + 2 * math.exp(-1))
    torch.testing.assert_close(
        contrastive_loss(similarity.repeat(4, 1), twenty), torch.tensor(expected)
    )


def test_differences_are_bounded():
    similarity = torch.tensor([[0.0, 1e4]]).repeat(8, 1)
    same = torch.tensor([[True, False]]).repeat(8, 1)
    expected = math.log(1 + 2 * math.exp(10))
    torch.testing.assert_close(contrastive_loss(similarity, same), torch.tensor(expected))


def test_rows_without_a_positive_do_not_count():
    torch.manual_seed(0)
    values, same = torch.rand(4, 6, requires_grad=True), torch.rand(4, 6) > 0.4
    same[2] = False
    torch.manual_seed(1)
    loss = contrastive_loss(values, same) + cosine_loss(values, same)
    others = torch.tensor([0, 1, 3])
    torch.manual_seed(1)
    expected = contrastive_loss(values[others], same[others])
    torch.testing.assert_close(loss, expected + cosine_loss(values[others], same[others]))
    loss.backward()
    assert values.grad[2].abs().sum() == 0


@settings(deadline=None, max_examples=30)
@given(
    identities=st.lists(st.integers(-1, 4), max_size=40),
    seed=st.integers(0, 99),
    width=st.integers(1, 8),
)
def test_losses_are_finite_for_any_identities(identities, seed, width):
    torch.manual_seed(seed)
    rows = embeddings(torch.randn(len(identities), width), identities)
    contrastive, cosine = interclip_losses(rows)
    same = same_target(rows, rows)
    similarity = rows.embeddings @ rows.embeddings.T
    total = (
        contrastive + cosine + contrastive_loss(similarity, same) + cosine_loss(similarity, same)
    )
    total.backward()
    assert total.isfinite() and total >= 0 and rows.embeddings.grad.isfinite().all()


def test_embeddings_without_an_identity_are_negatives_of_all():
    torch.manual_seed(0)
    alike = embeddings([[4.0, 0.0]] * 8, [0] * 4 + [-1] * 4)
    apart = embeddings([[4.0, 0.0]] * 4 + [[-4.0, 0.0]] * 4, [0] * 4 + [-1] * 4)
    assert all(a > b for a, b in zip(interclip_losses(alike), interclip_losses(apart), strict=True))
    nobody = interclip_losses(embeddings([[1.0]] * 3, [-1] * 3))
    assert nobody[0] == nobody[1] == 0
