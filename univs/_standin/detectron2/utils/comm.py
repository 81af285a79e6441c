"""Communication between the processes of one training or evaluation run.

Every function also works in a single process that never initialised ``torch.distributed``.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import torch
import torch.distributed as dist

_LOCAL_PROCESS_GROUP: dist.ProcessGroup | None = None
_MISSING_LOCAL_PG_ERROR = (
    "The group of processes of this machine does not exist yet: start with "
    "detectron2.engine.launch() or call create_local_process_group() first"
)


def _is_distributed() -> bool:
    return dist.is_available() and dist.is_initialized()


def get_world_size() -> int:
    """Number of processes of the run; 1 if it is not distributed."""
    return dist.get_world_size() if _is_distributed() else 1


def get_rank() -> int:
    """Rank of this process among all; 0 if the run is not distributed."""
    return dist.get_rank() if _is_distributed() else 0


@functools.lru_cache
def create_local_process_group(num_workers_per_machine: int) -> None:
    """Create the group of the processes of each machine. Every process must call it once.

    Args:
        num_workers_per_machine: processes per machine, usually the number of its GPUs.
    """
    global _LOCAL_PROCESS_GROUP
    assert _LOCAL_PROCESS_GROUP is None, "the local process group already exists"
    world_size = get_world_size()
    assert world_size % num_workers_per_machine == 0, (
        f"{world_size} processes cannot be divided into machines of {num_workers_per_machine}"
    )
    machine_rank = get_rank() // num_workers_per_machine
    for machine in range(world_size // num_workers_per_machine):
        first = machine * num_workers_per_machine
        # All processes take part in the creation of every group.
        group = dist.new_group(list(range(first, first + num_workers_per_machine)))
        if machine == machine_rank:
            _LOCAL_PROCESS_GROUP = group


def get_local_process_group() -> dist.ProcessGroup:
    """The group of the processes of this machine, for fast communication between its GPUs."""
    assert _LOCAL_PROCESS_GROUP is not None, _MISSING_LOCAL_PG_ERROR
    return _LOCAL_PROCESS_GROUP


def get_local_rank() -> int:
    """Rank of this process among those of its machine."""
    if not _is_distributed():
        return 0
    return dist.get_rank(group=get_local_process_group())


def get_local_size() -> int:
    """Number of processes on this machine."""
    if not _is_distributed():
        return 1
    return dist.get_world_size(group=get_local_process_group())


def is_main_process() -> bool:
    """Tell whether this process has rank 0."""
    return get_rank() == 0


def synchronize() -> None:
    """Wait until every process has come here."""
    if get_world_size() == 1:
        return
    if dist.get_backend() == dist.Backend.NCCL:
        dist.barrier(
            device_ids=[torch.cuda.current_device()]
        )  # it would guess the device otherwise
    else:
        dist.barrier()


@functools.lru_cache
def _get_global_gloo_group() -> dist.ProcessGroup:
    """A group of all processes that can send objects living on the CPU."""
    if dist.get_backend() == "nccl":
        return dist.new_group(backend="gloo")
    return dist.group.WORLD


def all_gather(data: Any, group: dist.ProcessGroup | None = None) -> list[Any]:
    """Collect a picklable object from every process.

    Args:
        data: any picklable object, of any size on each rank.
        group: processes that take part; all of them, over gloo, by default.

    Returns:
        The objects in order of rank, on every process.
    """
    if get_world_size() == 1:
        return [data]
    group = group or _get_global_gloo_group()
    world_size = dist.get_world_size(group)
    if world_size == 1:
        return [data]
    output: list[Any] = [None] * world_size
    dist.all_gather_object(output, data, group=group)
    return output


def gather(data: Any, dst: int = 0, group: dist.ProcessGroup | None = None) -> list[Any]:
    """Collect a picklable object from every process on one of them.

    Args:
        data: any picklable object.
        dst: rank that receives.
        group: processes that take part; all of them, over gloo, by default.

    Returns:
        The objects in order of rank on ``dst``, an empty list on the others.
    """
    if get_world_size() == 1:
        return [data]
    group = group or _get_global_gloo_group()
    world_size = dist.get_world_size(group=group)
    if world_size == 1:
        return [data]
    if dist.get_rank(group=group) == dst:
        output: list[Any] = [None] * world_size
        dist.gather_object(data, output, dst=dst, group=group)
        return output
    dist.gather_object(data, None, dst=dst, group=group)
    return []


def shared_random_seed() -> int:
    """A random number that is the same on every process.

    It is drawn from numpy's global generator, so it is fixed by ``seed_all_rng``. All processes
    must call this together.
    """
    seed = np.random.randint(2**31)  # noqa: NPY002 - the generator that seed_all_rng seeds
    return all_gather(seed)[0]


def reduce_dict(
    input_dict: dict[str, torch.Tensor], average: bool = True
) -> dict[str, torch.Tensor]:
    """Sum or average scalar tensors over all processes.

    Args:
        input_dict: scalar tensors; the same names on every process.
        average: divide by the number of processes.

    Returns:
        The reduced tensors. Only those of rank 0 are meaningful.
    """
    world_size = get_world_size()
    if world_size < 2:
        return input_dict
    with torch.no_grad():
        names = sorted(input_dict)  # the same order on every process
        values = torch.stack([input_dict[name] for name in names], dim=0)
        dist.reduce(values, dst=0)
        if dist.get_rank() == 0 and average:
            values /= world_size
        return dict(zip(names, values, strict=True))
