"""Which loaders can continue the order of their data, and how."""

from __future__ import annotations

import pytest
import torch

import univs  # noqa: F401 - selects the Detectron2

data_order = pytest.importorskip(
    "detectron2.engine.data_order", reason="Detectron2 itself restarts the order"
)


class _Sampler(torch.utils.data.Sampler):
    def __init__(self, seed: int | None = None) -> None:
        self._seed = seed
        self.start = 0

    def skip(self, num_indices: int) -> None:
        self.start = num_indices

    def __iter__(self):
        return iter(range(self.start, 100))


class _Stream(torch.utils.data.IterableDataset):
    """A data set that draws its own samples, as iterable ones do."""

    def __init__(self, sampler: _Sampler) -> None:
        self.sampler = sampler

    def __iter__(self):
        return iter(self.sampler)


class _Wrapped:
    def __init__(self, dataset) -> None:
        self.dataset = dataset

    def __iter__(self):
        return iter(self.dataset)


def _map_style(sampler, **options):
    return torch.utils.data.DataLoader(list(range(100)), batch_size=4, sampler=sampler, **options)


def _with_workers(sampler):
    return _map_style(sampler, num_workers=2)


def _iterable(sampler):
    return torch.utils.data.DataLoader(_Stream(sampler), batch_size=4)


@pytest.mark.parametrize("build", [_map_style, _with_workers, _iterable])
@pytest.mark.parametrize("wrapped", [True, False])
def test_sampler_skips_whole_batches(build, wrapped):
    loader = build(_Sampler())
    loader = _Wrapped(loader) if wrapped else loader
    assert data_order.continue_order(loader, 3, None)
    assert next(iter(loader)).tolist() == [12, 13, 14, 15]


def test_loader_may_skip_by_itself():
    class Loader:
        sampler = _Sampler()
        batch_size = 4
        skipped = 0

        def skip_batches(self, num_batches: int) -> None:
            self.skipped = num_batches

    loader = Loader()
    assert data_order.continue_order(loader, 5, None)
    assert (loader.skipped, loader.sampler.start) == (5, 0)


def test_seed_of_the_order_is_kept():
    assert data_order.order_seed(_map_style(_Sampler(11))) == 11
    assert data_order.order_seed(_iterable(_Sampler(12))) == 12
    assert data_order.order_seed([1, 2]) is None
    sampler = _Sampler(13)
    data_order.continue_order(_map_style(sampler), 0, 14)
    assert sampler._seed == 14


def test_loader_that_cannot_skip():
    plain = torch.utils.data.DataLoader(list(range(8)), batch_size=2)
    assert not data_order.continue_order(plain, 1, None)
    assert data_order.continue_order(plain, 0, None)
    assert not data_order.continue_order(iter([1]), 1, 5)


def test_iterator_counts():
    iterator = data_order.CountingIterator(iter("abc"), 10)
    assert next(iterator) == "a"
    assert iterator.count == 11
    assert list(iterator) == ["b", "c"]
    with pytest.raises(StopIteration):
        next(iterator)
    assert iterator.count == 13
