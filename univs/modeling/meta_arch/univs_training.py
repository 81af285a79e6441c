"""Training of UniVS: clips with prompts of every kind, and long videos as overlapping clips."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from univs.modeling.clip_memory import ClipMemory
from univs.modeling.decoder.predictions import PromptedOutput
from univs.modeling.losses.reidentification import IdentifiedEmbeddings, interclip_losses
from univs.modeling.losses.univs_criterion import UnivsCriterion
from univs.modeling.prompts.prompt_types import (
    CategoryPrompts,
    ExpressionPrompts,
    PromptObjects,
    Prompts,
    PromptTokens,
)
from univs.modeling.prompts.text_features import TextEncoder
from univs.modeling.prompts.training_prompts import TrainingPromptSampler, key_frame_tokens
from univs.modeling.univs_target_preparation import PromptMeans, TrainingTargets
from univs.modeling.univs_targets import PromptTargets, object_prompts


@dataclass
class ClipStep:
    """What the network makes of a batch of clips in training.

    Attributes:
        output: predictions.
        memory: the pixel features that prompts are sampled from.
        prompts: what prompt queries are supervised with.
    """

    output: PromptedOutput
    memory: ClipMemory
    prompts: list[PromptTargets]


@dataclass
class VideoMemory:
    """What the first clip of a long video leaves to those that follow.

    Attributes:
        rows: int64 ``(P,)``, the prompted objects; -1 if there are no prompts.
        tokens: mask prompts of the objects in the first clip; None if there are none.
    """

    rows: Tensor
    tokens: PromptTokens | None


class UnivsTraining:
    """Prompts and losses of a batch. It has no weights; the network is given to every call."""

    def __init__(
        self,
        *,
        criterion: UnivsCriterion,
        sampler: TrainingPromptSampler,
        text_encoder: TextEncoder,
    ) -> None:
        """
        Args:
            criterion: the losses of a clip.
            sampler: draws visual prompts.
            text_encoder: turns expressions into features.
        """
        self.criterion = criterion
        self.sampler = sampler
        self.text_encoder = text_encoder

    def clip_losses(
        self, backbone: nn.Module, head: nn.Module, images: Tensor, batch: TrainingTargets
    ) -> dict[str, Tensor]:
        """Weighted losses of a batch of B clips.

        Args:
            backbone, head: the network.
            images: ``(B * T, 3, H, W)``, normalised, the frames of a clip adjacent.
            batch: targets of the B clips.
        """
        step = self.step(backbone, head, images, batch, self.encode_expressions(batch))
        return self.criterion.weighted(self.criterion(step.output, batch.clips, step.prompts))

    def video_losses(
        self,
        backbone: nn.Module,
        head: nn.Module,
        images: Tensor,
        batch: TrainingTargets,
        clip_length: int,
    ) -> dict[str, Tensor]:
        """Weighted losses of one long video: means over its clips, and losses between clips.

        Args:
            backbone, head: the network.
            images: ``(V, 3, H, W)``, normalised.
            batch: targets of the video as one clip of V frames.
            clip_length: T.
        """
        text = self.encode_expressions(batch)
        memory = None
        losses: list[dict[str, Tensor]] = []
        embeddings: list[list[IdentifiedEmbeddings]] = []
        for start, stop in clip_spans(len(images), clip_length):
            clip = batch.frames(start, stop)
            step = self.step(backbone, head, images[start:stop], clip, text, memory)
            clip_losses, seen = self.criterion.losses_and_embeddings(
                step.output, clip.clips, step.prompts
            )
            losses.append(clip_losses)
            embeddings.append(seen)
            if memory is None:
                memory = self.remember(step, batch.means)
        total = {
            name: torch.stack([clip_losses[name] for clip_losses in losses]).mean()
            for name in losses[0]
        }
        heads = list(zip(*embeddings, strict=True))
        for index, clips in enumerate(heads[1:], start=1):  # undecoded queries are not compared
            suffix = "" if index == len(heads) - 1 else f"_{index}"
            contrastive, cosine = interclip_losses(IdentifiedEmbeddings.cat(clips))
            total[f"loss_reid_interclip{suffix}"] = contrastive
            total[f"loss_reid_interclip_aux{suffix}"] = cosine
        return self.criterion.weighted(total)

    def step(
        self,
        backbone: nn.Module,
        head: nn.Module,
        images: Tensor,
        batch: TrainingTargets,
        text: ExpressionPrompts | None,
        memory: VideoMemory | None = None,
    ) -> ClipStep:
        """Predict for a batch of clips, prompted as its targets ask for.

        Args:
            backbone, head, images, batch: see :meth:`clip_losses`.
            text: of :meth:`encode_expressions`.
            memory: of the first clip of the video, for those that follow.
        """
        features = head.pixel_decoder.forward_features(backbone(images))
        frame_indices = torch.stack([clip.frame_indices for clip in batch.clips])  # B T
        clip_memory = head.predictor.encode_memory(features.multi_scale, frame_indices)
        prompts, targets = self.prompts(clip_memory, batch, text, memory)
        output = head.predictor(clip_memory, features.mask_features, prompts)
        return ClipStep(output, clip_memory, targets)

    def prompts(
        self,
        memory: ClipMemory,
        batch: TrainingTargets,
        text: ExpressionPrompts | None,
        video: VideoMemory | None = None,
    ) -> tuple[Prompts | None, list[PromptTargets]]:
        """The prompts of a batch, and what they are supervised with.

        Args:
            memory: pixel features of the clips.
            batch: their targets.
            text: of :meth:`encode_expressions`.
            video: see :meth:`step`.

        Returns:
            prompts for the decoder, None if there is nothing to prompt with; and their targets.
        """
        tokens = video.tokens if video is not None else None
        if batch.means is PromptMeans.CATEGORY:
            rows = [
                clip.class_rows.start + prompt.labels
                for clip, prompt in zip(batch.clips, batch.prompts, strict=True)
            ]
            return CategoryPrompts(torch.stack(rows)), batch.prompts
        if batch.means is PromptMeans.EXPRESSION:
            return text and replace(text, visual=tokens), batch.prompts
        objects = [
            PromptObjects(
                masks=clip.masks,
                boxes=clip.boxes,
                visible=clip.ids >= 0,
                num_prompts=batch.num_prompts,
                rows=None if video is None else video.rows,
            )
            for clip in batch.clips
        ]
        drawn = self.sampler(memory, objects)
        prompts = drawn.prompts
        if prompts is not None and tokens is not None:
            prompts = prompts.with_memory(tokens)
        return prompts, [
            object_prompts(clip, rows) for clip, rows in zip(batch.clips, drawn.rows, strict=True)
        ]

    @torch.no_grad()
    def encode_expressions(self, batch: TrainingTargets) -> ExpressionPrompts | None:
        """Text features for the prompts of a batch; None if it has no expressions."""
        expressions = [text for clip in batch.clips for text in clip.expressions]
        if not expressions:
            return None
        features = self.text_encoder.encode_expressions(expressions)
        words, sentences = [], []
        start = 0
        for clip, prompt in zip(batch.clips, batch.prompts, strict=True):
            stop = start + len(clip)
            words.append(_rows_or_zero(features.words[start:stop], prompt.rows))
            sentences.append(_rows_or_zero(features.sentences[start:stop], prompt.rows))
            start = stop
        return ExpressionPrompts(torch.stack(words), torch.stack(sentences))

    @torch.no_grad()
    def remember(self, first: ClipStep, means: PromptMeans) -> VideoMemory:
        """Keep, for the clips that follow, what the first clip of a video was prompted with.

        Objects are remembered by their masks in its last frames; categories are not.
        """
        prompts = first.prompts[0]
        is_prompted = first.output.prompts is not None
        if means is PromptMeans.CATEGORY or not is_prompted:
            return VideoMemory(prompts.rows, None)
        num_frames = prompts.masks.shape[1]
        drawn = int(torch.randperm(num_frames)[0])
        num_key_frames = max(drawn, num_frames // 3 + 1)
        tokens = key_frame_tokens(
            self.sampler.tokens,
            first.memory,
            prompts.masks[prompts.rows],
            range(num_frames - num_key_frames, num_frames),
        )
        return VideoMemory(prompts.rows, tokens)


def clip_spans(num_frames: int, length: int) -> list[tuple[int, int]]:
    """First and last frame, exclusive, of clips that share one frame with the next.

    The last clip is moved back to end with the video, so that it may share more.

    Args:
        num_frames: frames of the video.
        length: frames of a clip.

    Raises:
        ValueError: the video is shorter than a clip.
    """
    if not 1 <= length <= num_frames:
        raise ValueError(
            f"A video of {num_frames} frames cannot be cut into clips of {length}: set "
            "INPUT.SAMPLING_FRAME_VIDEO_NUM to at least INPUT.SAMPLING_FRAME_NUM."
        )
    stride = max(length - 1, 1)
    count = 1 + -(-(num_frames - length) // stride)
    starts = [min(index * stride, num_frames - length) for index in range(count)]
    return [(start, start + length) for start in starts]


def _rows_or_zero(features: Tensor, rows: Tensor) -> Tensor:
    """``features`` of the given rows, 0 where one is -1: ``(N, ...)``, ``(P,)`` -> ``(P, ...)``."""
    features = features.to(rows.device)
    chosen = features.new_zeros(len(rows), *features.shape[1:])
    chosen[rows >= 0] = features[rows[rows >= 0]]
    return chosen
