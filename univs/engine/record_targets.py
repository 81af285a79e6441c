"""What a benchmark asks of a model for one of its videos, as a task and targets."""

from __future__ import annotations

from univs.data.record import ObjectRecord, PromptKind, PromptRecord, VideoRecord
from univs.structures import BoxTarget, MaskTarget, PointTarget, Target, TextTarget

# Tasks of benchmarks that name categories, by the evaluator type of the dataset.
_CATEGORY_TASKS = {
    "ytvis": "vis",
    "video_panoptic_seg": "vps",
    "video_semantic_seg": "vss",
}


def task_of(evaluator_type: str, record: VideoRecord) -> str:
    """The task of a benchmark video.

    Args:
        evaluator_type: of the dataset's metadata.
        record: the video.

    Returns:
        one of :data:`~univs.tracking.TASKS`; "vis" if nothing is given in the video.
    """
    if evaluator_type in _CATEGORY_TASKS:
        return _CATEGORY_TASKS[evaluator_type]
    if record.expressions:
        return "refvos"
    if any(prompt.kind is PromptKind.POINT for prompt in record.prompts):
        return "pet"
    if evaluator_type == "pvos":
        return "pvos"
    return "vos" if record.prompts else "vis"


def targets_of(task: str, record: VideoRecord) -> list[Target]:
    """What is to be followed in a benchmark video, with the ids that its evaluator expects.

    Objects keep their official ids; expression k of the record gets the id k + 1.

    Raises:
        ValueError: the dataset gives a mask that cannot be read.
    """
    if task == "refvos":
        return [
            TextTarget(id=index + 1, text=expression.text)
            for index, expression in enumerate(record.expressions)
        ]
    if task in ("vos", "pvos", "pet"):
        return [_target(record.objects[prompt.object_id], prompt) for prompt in record.prompts]
    return []


def _target(item: ObjectRecord, prompt: PromptRecord) -> Target:
    shared = {"id": int(item.official_id), "frame_index": prompt.frame}
    if prompt.kind is PromptKind.POINT:
        x, y = prompt.point  # of a pixel, whose centre is meant
        return PointTarget(points=[[x + 0.5, y + 0.5]], **shared)
    if prompt.kind is PromptKind.BOX:
        return BoxTarget(box=prompt.box, **shared)
    return MaskTarget(mask=item.masks.decode(prompt.frame), category=item.category, **shared)
