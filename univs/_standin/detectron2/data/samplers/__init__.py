"""Which samples of a data set come when."""

from detectron2.data.samplers.distributed_sampler import (
    InferenceSampler,
    RepeatFactorTrainingSampler,
    TrainingSampler,
)

__all__ = ["InferenceSampler", "RepeatFactorTrainingSampler", "TrainingSampler"]
