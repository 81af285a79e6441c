"""Running a model over a data set, and what to do with the results."""

from detectron2.evaluation.evaluator import (
    DatasetEvaluator,
    DatasetEvaluators,
    inference_context,
    inference_on_dataset,
)
from detectron2.evaluation.testing import (
    flatten_results_dict,
    print_csv_format,
    verify_results,
)

__all__ = [
    "DatasetEvaluator",
    "DatasetEvaluators",
    "flatten_results_dict",
    "inference_context",
    "inference_on_dataset",
    "print_csv_format",
    "verify_results",
]
