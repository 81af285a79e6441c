"""UniVS: one model for targets given by categories, by prompts and by expressions (Li et al. 2024).

The network sees one clip at a time and keeps no state. How clips become tracks, and how masks
become prompts of later clips, is the business of :mod:`univs.tracking`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from detectron2.config import configurable
from detectron2.data import MetadataCatalog
from detectron2.modeling import META_ARCH_REGISTRY
from univs.modeling.clip_memory import ClipMemory
from univs.modeling.concepts import ConceptTable
from univs.modeling.decoder.predictions import PromptedOutput
from univs.modeling.losses import UnivsCriterion, UnivsMatcher
from univs.modeling.meta_arch.averaged_teacher import teacher_of, update_teacher
from univs.modeling.meta_arch.base import MaskFormerBase, common_number_of_frames
from univs.modeling.meta_arch.construction import base_arguments
from univs.modeling.meta_arch.univs_image_inference import ImageClasses, ImageInference
from univs.modeling.meta_arch.univs_training import UnivsTraining
from univs.modeling.pixel_decoder import PixelFeatures
from univs.modeling.prompts.prompt_memory import PromptMemory
from univs.modeling.prompts.prompt_types import CategoryPrompts, ExpressionPrompts, Prompts
from univs.modeling.prompts.text_encoder import text_encoder_from_config
from univs.modeling.prompts.text_features import TextEncoder
from univs.modeling.prompts.training_prompts import TrainingPromptSampler
from univs.modeling.prompts.visual_tokens import VisualTokenSampler
from univs.modeling.univs_target_preparation import UnivsTargetPreparation


@dataclass
class PromptedClipPrediction:
    """What the queries predict for one clip; learnable queries come before those of P prompts.

    Attributes:
        class_logits: ``(Q, K)`` for all rows of the concept table, to be turned into scores by a
            sigmoid; ``(Q, P)`` for expressions.
        mask_logits: ``(Q, T, h, w)`` at a quarter of the padded input size.
        queries: ``(Q, T, C)``, similar for the same object in other frames.
        num_learnable: number of learnable queries.
        decoded: ``(Q, T, C)``, the queries before their last normalisation.
    """

    class_logits: Tensor
    mask_logits: Tensor
    queries: Tensor
    num_learnable: int
    decoded: Tensor | None = None


class UnivsBase(MaskFormerBase):
    """The network of UniVS with what prompts are made of, and, if wanted, an averaged teacher."""

    # What a batch has no use for, such as the embedding of another task, gets no gradient.
    parameters_may_be_unused = True

    def __init__(
        self,
        *,
        max_objects: int,
        token_sampler: VisualTokenSampler,
        text_encoder: TextEncoder,
        num_remembered: int,
        has_teacher: bool,
        prefers_teacher: bool,
        square_size: int,
        image_inference: ImageInference,
        **base,
    ) -> None:
        """
        Args:
            max_objects: the most objects of a training clip, and the most prompts.
            token_sampler: samples the tokens of visual prompts.
            text_encoder: turns expressions into features; frozen, and no part of the weights.
            num_remembered: frames whose prompts are remembered at inference.
            has_teacher: keep an average of the weights, ``backbone_t`` and ``sem_seg_head_t``.
            prefers_teacher: use it at inference.
            square_size: at inference images and frames are padded to a square of this size, as
                those of training were, and must not be larger; 0: they are not.
            image_inference: how still images are segmented.
            base: see :class:`~univs.modeling.meta_arch.base.MaskFormerBase`.
        """
        super().__init__(**base)
        self.token_sampler = token_sampler
        self.text_encoder = text_encoder
        self.num_remembered = num_remembered
        # Also read by checkpoints: which copy of a file with both a model without a teacher takes.
        self.prefers_teacher = prefers_teacher
        self.square_size = square_size
        self.image_inference = image_inference
        self.training_step = UnivsTraining(
            criterion=self.criterion,
            sampler=TrainingPromptSampler(token_sampler),
            text_encoder=text_encoder,
        )
        self.prepare_targets = UnivsTargetPreparation(
            max_objects=max_objects, concepts=self.concepts
        )
        self.backbone_t = teacher_of(self.backbone) if has_teacher else None
        self.sem_seg_head_t = teacher_of(self.sem_seg_head) if has_teacher else None

    @classmethod
    def from_config(cls, cfg) -> dict:
        options, jitter = cfg.MODEL.UniVS, cfg.INPUT.LSJ_AUG
        if options.EMA_INFERENCE not in ("teacher", "student"):
            raise ValueError(
                f"MODEL.UniVS.EMA_INFERENCE must be teacher or student, but is "
                f"{options.EMA_INFERENCE!r}."
            )
        return {
            **base_arguments(cfg),
            "criterion": build_univs_criterion(cfg),
            "max_objects": options.NUM_POS_QUERIES,
            "token_sampler": VisualTokenSampler(
                options.VISUAL_PROMPT_PIXELS_PER_IMAGE, published=options.PUBLISHED_BEHAVIOUR
            ),
            "text_encoder": text_encoder_from_config(cfg),
            "num_remembered": options.TEST.NUM_PREV_FRAMES_MEMORY,
            "has_teacher": options.EMA_ENABLED,
            "prefers_teacher": options.EMA_INFERENCE == "teacher",
            "square_size": jitter.IMAGE_SIZE if jitter.SQUARE_ENABLED else 0,
            "image_inference": ImageInference.from_config(cfg),
        }

    @property
    def concepts(self) -> ConceptTable:
        """The text embeddings that queries are classified with."""
        return self.sem_seg_head.predictor.concepts

    @property
    def num_queries(self) -> int:
        """Number of learnable queries."""
        return self.sem_seg_head.predictor.num_queries

    def forward(
        self, batched_inputs: list[dict]
    ) -> dict[str, Tensor] | list[PromptedClipPrediction] | list[dict]:
        """
        Args:
            batched_inputs: per clip ``image``, a list of T RGB frames ``(3, h, w)``, 0..255, and
                optionally ``frame_indices``, their positions in the video; for training also what
                :class:`~univs.modeling.univs_target_preparation.UnivsTargetPreparation` takes.
                For inference also still images, see :meth:`segment_image`.

        Returns:
            Weighted losses by name in training mode. Otherwise what the learnable queries predict
            for each clip; to prompt, use the methods of this class that ``forward`` is made of. Of
            still images the results that evaluators take.
        """
        if not self.training and all(torch.is_tensor(sample["image"]) for sample in batched_inputs):
            return [self.segment_image(sample) for sample in batched_inputs]
        num_frames = common_number_of_frames(batched_inputs)
        if self.training:
            if self.backbone_t is not None:
                update_teacher(self.backbone_t, self.backbone)
                update_teacher(self.sem_seg_head_t, self.sem_seg_head)
            images = self.preprocess([x for sample in batched_inputs for x in sample["image"]])
            size = images.tensor.shape[-2:]
            batch = self.prepare_targets([_to(x, self.device) for x in batched_inputs], size)
            return self.losses(images.tensor, batch)
        predictions = []
        for sample in batched_inputs:
            indices = sample.get("frame_indices", range(num_frames))
            predictions.append(self.predict_clip(sample["image"], indices))
        return predictions

    def losses(self, images: Tensor, batch) -> dict[str, Tensor]:
        """Weighted losses of normalised frames ``(B * T, 3, H, W)`` and their targets."""
        raise NotImplementedError

    def segment_image(self, sample: dict) -> dict:
        """Segment a still image by the class list of its data set.

        Args:
            sample: ``image``, RGB ``(3, h, w)``, 0..255, not larger than the square that it is
                padded to; ``dataset_name``, of a registered data set; optionally ``height`` and
                ``width`` of the results.

        Returns:
            what :class:`~univs.modeling.meta_arch.univs_image_inference.ImageInference` is to
            compute. For semantic results the names of the classes are prompts, too (as published).

        Raises:
            ValueError: the data set has no classes, or none that the model knows.
        """
        name, image = sample["dataset_name"], sample["image"]
        metadata = MetadataCatalog.get(name)
        domain = metadata.get("domain")
        if domain is None:
            raise ValueError(
                f"the data set {name} has no class list: register it with a domain to segment its "
                "images"
            )
        things = metadata.get("thing_dataset_id_to_contiguous_id", {}).values()
        prompts = self.category_prompts(domain) if self.image_inference.semantic_on else None
        prediction = self.predict_clip([self.padded_to_square(image)], prompts=prompts)
        mask_logits = prediction.mask_logits[:, 0]
        return self.image_inference(
            prediction.class_logits,
            mask_logits,
            prediction.num_learnable,
            ImageClasses(self.concepts.rows(domain), frozenset(things)),
            padded_size=tuple(4 * size for size in mask_logits.shape[-2:]),
            image_size=tuple(image.shape[-2:]),
            output_size=(
                sample.get("height", image.shape[-2]),
                sample.get("width", image.shape[-1]),
            ),
        )

    @property
    def _network(self) -> tuple[nn.Module, nn.Module]:
        """Backbone and head to infer with."""
        if self.backbone_t is not None and self.prefers_teacher:
            return self.backbone_t, self.sem_seg_head_t
        return self.backbone, self.sem_seg_head

    def padded_to_square(self, frame: Tensor) -> Tensor:
        """A frame ``(3, h, w)`` with the mean colour below and on the right, if squares are on.

        Raises:
            ValueError: it is larger than the square.
        """
        if not self.square_size:
            return frame
        height, width = frame.shape[-2:]
        margin = (0, self.square_size - width, 0, self.square_size - height)
        if min(margin) < 0:
            raise ValueError(
                f"an image of {height} x {width} pixels does not fit into the square of "
                f"{self.square_size} that the model pads to: lower INPUT.MAX_SIZE_TEST, or set "
                "INPUT.LSJ_AUG.SQUARE_ENABLED False"
            )
        # The mean colour becomes 0.
        return F.pad(frame.to(self.device) - self.pixel_mean, margin) + self.pixel_mean

    @torch.no_grad()
    def encode_frames(self, frames: Sequence[Tensor]) -> PixelFeatures:
        """Pixel features of frames, the same alone as together.

        Args:
            frames: RGB ``(3, h, w)`` each, values 0..255.
        """
        backbone, head = self._network
        images = self.preprocess(list(frames))
        return head.pixel_decoder.forward_features(backbone(images.tensor))

    @torch.no_grad()
    def clip_memory(
        self, features: PixelFeatures, frame_indices: Sequence[int] | Tensor
    ) -> ClipMemory:
        """What queries attend to in one clip, and visual prompts are sampled from.

        Args:
            features: of the T frames of the clip.
            frame_indices: their positions in the video.
        """
        indices = torch.as_tensor(frame_indices, dtype=torch.int64)[None]
        return self._network[1].predictor.encode_memory(features.multi_scale, indices)

    @torch.no_grad()
    def decode(
        self, memory: ClipMemory, mask_features: Tensor, prompts: Prompts | None = None
    ) -> PromptedClipPrediction:
        """Predict for one clip.

        Args:
            memory: of :meth:`clip_memory`.
            mask_features: ``(T, C_mask, H / 4, W / 4)`` of :meth:`encode_frames`.
            prompts: targets besides what the learnable queries find.
        """
        output: PromptedOutput = self._network[1].predictor(
            memory, mask_features, prompts, keep_auxiliary=False
        )
        final = output.final
        return PromptedClipPrediction(
            class_logits=final.class_logits[0],
            mask_logits=final.mask_logits[0],
            queries=final.queries[0],
            num_learnable=self.num_queries,
            decoded=output.decoded[0],
        )

    def predict_clip(
        self,
        frames: Sequence[Tensor],
        frame_indices: Sequence[int] | Tensor | None = None,
        prompts: Prompts | None = None,
    ) -> PromptedClipPrediction:
        """Predict for one clip of T RGB frames ``(3, h, w)``, 0..255."""
        features = self.encode_frames(frames)
        indices = range(len(frames)) if frame_indices is None else frame_indices
        memory = self.clip_memory(features, torch.as_tensor(list(indices)))
        return self.decode(memory, features.mask_features, prompts)

    def category_prompts(self, domain: str) -> CategoryPrompts:
        """One prompt for each class of a class list."""
        rows = self.concepts.rows(domain)
        return CategoryPrompts(torch.arange(rows.start, rows.stop, device=self.device)[None])

    def expression_prompts(self, expressions: Sequence[str]) -> ExpressionPrompts:
        """One prompt for each expression; there may be any number."""
        features = self.text_encoder.encode_expressions(expressions)
        return ExpressionPrompts(
            features.words[None].to(self.device), features.sentences[None].to(self.device)
        )

    def prompt_memory(self, generator: torch.Generator | None = None) -> PromptMemory:
        """The memory of visual prompts for a new video.

        Args:
            generator: draws tokens, on the CPU; default: torch's own.
        """
        return PromptMemory(
            self.token_sampler, num_remembered=self.num_remembered, generator=generator
        )


@META_ARCH_REGISTRY.register()
class UniVS_Prompt(UnivsBase):  # noqa: N801  the name that configs use
    """UniVS trained on clips (stages 1 and 2)."""

    @configurable
    def __init__(self, **arguments) -> None:
        """
        Args:
            arguments: see :class:`UnivsBase`.
        """
        super().__init__(**arguments)

    def losses(self, images: Tensor, batch) -> dict[str, Tensor]:
        """Weighted losses of normalised frames ``(B * T, 3, H, W)`` and their targets."""
        return self.training_step.clip_losses(self.backbone, self.sem_seg_head, images, batch)


@META_ARCH_REGISTRY.register()
class UniVS_Prompt_LongVideo(UnivsBase):  # noqa: N801  the name that configs use
    """UniVS trained on longer videos, clip by clip with a memory of prompts (stage 3)."""

    @configurable
    def __init__(self, *, clip_length: int, **arguments) -> None:
        """
        Args:
            clip_length: frames of the clips that a video is cut into.
            arguments: see :class:`UnivsBase`.
        """
        super().__init__(**arguments)
        self.clip_length = clip_length

    @classmethod
    def from_config(cls, cfg) -> dict:
        return {**super().from_config(cfg), "clip_length": cfg.INPUT.SAMPLING_FRAME_NUM}

    def losses(self, images: Tensor, batch) -> dict[str, Tensor]:
        """Weighted losses of one video of normalised frames ``(V, 3, H, W)``."""
        if len(batch.clips) != 1:
            raise ValueError(
                f"Long videos are trained one per process, but this batch has {len(batch.clips)}: "
                "set SOLVER.IMS_PER_BATCH to the number of processes."
            )
        return self.training_step.video_losses(
            self.backbone, self.sem_seg_head, images, batch, self.clip_length
        )


def build_univs_criterion(cfg) -> UnivsCriterion:
    """The criterion with the weights and sampling of ``MODEL.MASK_FORMER``."""
    options = cfg.MODEL.MASK_FORMER
    return UnivsCriterion(
        num_queries=options.NUM_OBJECT_QUERIES,
        matcher=UnivsMatcher(
            class_weight=options.CLASS_WEIGHT_MATCHER,
            mask_weight=options.MASK_WEIGHT_MATCHER,
            dice_weight=options.DICE_WEIGHT_MATCHER,
            num_points=options.TRAIN_NUM_POINTS,
        ),
        class_weight=options.CLASS_WEIGHT,
        mask_weight=options.MASK_WEIGHT,
        dice_weight=options.DICE_WEIGHT,
        reid_weight=options.REID_WEIGHT,
        num_points=options.TRAIN_NUM_POINTS,
        oversample_ratio=options.OVERSAMPLE_RATIO,
        importance_sample_ratio=options.IMPORTANCE_SAMPLE_RATIO,
    )


def _to(sample: dict, device: torch.device) -> dict:
    """A sample with its instances on ``device``; frames stay where they are."""
    return sample | {"instances": [frame.to(device) for frame in sample["instances"]]}
