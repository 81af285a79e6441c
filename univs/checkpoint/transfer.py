"""Weights of a training stage as the start of the next, and of Mask2Former as that of UniVS."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from torch import Tensor

from univs.checkpoint.errors import CheckpointFileError
from univs.checkpoint.report import group_names

_PREDICTOR = "sem_seg_head.predictor."
_TEACHER = re.compile(r"^(backbone|sem_seg_head)_t\.")
_STUDENT = re.compile(r"^(backbone|sem_seg_head)\.")
_QUERIES = tuple(f"{_PREDICTOR}{table}.weight" for table in ("query_feat", "query_embed"))
# What the decoder of UniVS has beyond that of Mask2Former.
_UNIVS_PARTS = tuple(
    _PREDICTOR + part
    for part in (
        "transformer_prompt_self_attention_layers",
        "lang2vision_cross_attention_layer",
        "vis2text_projection",
        "text_norm",
        "text2vis_projection",
        "prompt_detection",
        "prompt_sot",
        "prompt_grounding",
        "cls_temp",
        "reid_temp",
    )
)


@dataclass(frozen=True)
class Transfer:
    """What of a checkpoint goes into a UniVS model.

    Attributes:
        tensors: tensors by their name in the UniVS model.
        left_out: per name in the checkpoint, why the tensor is not used.
        untouched: parts of the UniVS model that the checkpoint lacks, so that they start at random.
    """

    tensors: dict[str, Tensor]
    left_out: dict[str, str]
    untouched: tuple[str, ...]

    def summary(self) -> str:
        """Several lines for the user."""
        lines = [f"{len(self.tensors)} tensors are taken over"]
        for reason in dict.fromkeys(self.left_out.values()):
            names = [name for name, why in self.left_out.items() if why == reason]
            lines.append(f"{len(names)} are not, {reason}:")
            lines += [f"  {line}" for line in group_names(names, self.left_out)]
        if self.untouched:
            lines.append("these parts of UniVS are not in the file and start at random:")
            lines += [f"  {name}" for name in self.untouched]
        return "\n".join(lines)


def to_univs(
    tensors: Mapping[str, Tensor], *, num_queries: int = 200, take_teacher: bool = True
) -> Transfer:
    """Choose what of a Mask2Former or UniVS checkpoint a UniVS model starts with.

    Args:
        tensors: tensors of the checkpoint by today's names.
        num_queries: learnable queries of the UniVS model.
        take_teacher: of a checkpoint with an averaged teacher take the teacher's weights; otherwise
            those that the optimizer had arrived at.

    Raises:
        CheckpointFileError: the checkpoint has no transformer decoder.
    """
    if not any(name.startswith(_PREDICTOR) for name in tensors):
        raise CheckpointFileError(
            "The checkpoint has no sem_seg_head.predictor: it is not one of a Mask2Former or UniVS "
            "model. Backbones need no conversion: give them as MODEL.WEIGHTS."
        )
    has_teacher = any(_TEACHER.match(name) for name in tensors)
    unused = _STUDENT if has_teacher and take_teacher else _TEACHER
    kept: dict[str, Tensor] = {}
    left_out: dict[str, str] = {}
    for name, tensor in tensors.items():
        reason = _reason_to_leave(name, tensor, num_queries)
        if unused.match(name):
            # What only the student has, such as weights that are not averaged, stays its own.
            is_only_copy = unused is _STUDENT and _STUDENT.sub(r"\1_t.", name) not in tensors
            if not is_only_copy:
                taken = "teacher" if unused is _STUDENT else "student"
                reason = f"because the weights of the {taken} are taken"
        if reason is None:
            kept[_TEACHER.sub(r"\1.", name)] = tensor
        else:
            left_out[name] = reason
    untouched = tuple(
        part for part in _UNIVS_PARTS if not any(name.startswith(f"{part}.") for name in kept)
    )
    untouched += tuple(name for name in _QUERIES if name not in kept)
    return Transfer(kept, left_out, untouched)


def _reason_to_leave(name: str, tensor: Tensor, num_queries: int) -> str | None:
    name = _TEACHER.sub(r"\1.", name)
    if name.startswith(f"{_PREDICTOR}class_embed."):
        return "because UniVS compares queries with texts instead of classifying them"
    if name.startswith("criterion."):
        return "because they are constants of another loss"
    if name in _QUERIES and len(tensor) != num_queries:
        return f"because there are {len(tensor)} queries in the file and {num_queries} in UniVS"
    return None


def fit_copies(
    available: Mapping[str, Tensor], names: Iterable[str], *, take_teacher: bool
) -> tuple[dict[str, Tensor], list[str]]:
    """Make a file with or without a teacher fit a model with or without one.

    A teacher that the file lacks starts as a copy of the student. Of a file with both, a model
    that has no teacher takes one of them.

    Args:
        available: tensors of the file by today's names.
        names: of the tensors of the model; those of a teacher are ``backbone_t.*`` and
            ``sem_seg_head_t.*``.
        take_teacher: which of two copies a model without a teacher takes.

    Returns:
        ``available`` by the names of the model; and what was done, for the user.
    """
    names = list(names)
    in_model = [name for name in names if _TEACHER.match(name)]
    in_file = {
        name: _TEACHER.sub(r"\1.", name) for name in available if _TEACHER.match(name)
    }  # and the student's name
    if in_model:
        lacking = {name: _TEACHER.sub(r"\1.", name) for name in in_model if name not in available}
        copies = {
            name: available[student] for name, student in lacking.items() if student in available
        }
        note = f"{len(copies)} tensors of the teacher start as copies of those of the student"
        return {**available, **copies}, [note] if copies else []
    if not in_file:
        return dict(available), []
    kept = {name: tensor for name, tensor in available.items() if name not in in_file}
    if take_teacher:
        kept |= {student: available[name] for name, student in in_file.items()}
    taken, other = ("teacher", "student") if take_teacher else ("student", "teacher")
    return kept, [
        f"the weights of the {taken} are taken, not those of the {other} "
        f"(MODEL.UniVS.EMA_INFERENCE {other} takes them)"
    ]
