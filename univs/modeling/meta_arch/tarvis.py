"""TarViS: video segmentation where a task is a set of target queries (Athar et al. 2023).

A clip is encoded once; then any number of tasks can be asked of the same features, each in a pass
of the decoder. The network sees one clip at a time; :mod:`univs.tracking` joins clips.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from detectron2.config import configurable
from detectron2.modeling import META_ARCH_REGISTRY, build_backbone, build_sem_seg_head
from detectron2.structures import ImageList
from univs.modeling.decoder.tarvis import TargetPredictions, merge_object_queries
from univs.modeling.decoder.tarvis_queries import Queries, TargetQueries
from univs.modeling.losses import HungarianMatcher
from univs.modeling.losses.semantic_points import SemanticPointLoss
from univs.modeling.losses.tarvis_criterion import TarVisCriterion
from univs.modeling.meta_arch.base import MaskFormerBase
from univs.modeling.pixel_decoder import PixelFeatures
from univs.modeling.prompts.tarvis_object_encoder import Exemplars, ObjectEncoder
from univs.modeling.tarvis_targets import category_targets, object_targets

# As published, frames are padded with this grey value before they are normalised.
PADDING_VALUE = 128


@dataclass
class CategoryPrediction:
    """What the queries for categories predict for one clip.

    Attributes:
        class_logits: ``(Q, 1 + K)``, background first.
        mask_logits: ``(Q, T, h, w)`` of the instances, at a quarter of the padded input size.
        semantic_logits: ``(K, T, h, w)`` of the classes.
        background_logits: ``(T, h, w)``.
    """

    class_logits: Tensor
    mask_logits: Tensor
    semantic_logits: Tensor
    background_logits: Tensor


@dataclass
class ObjectPrediction:
    """What is predicted for the N given objects of one clip.

    Attributes:
        mask_logits: ``(N, T, h, w)`` at a quarter of the padded input size.
        background_logits: ``(G, T, h, w)`` of the background queries.
    """

    mask_logits: Tensor
    background_logits: Tensor


@META_ARCH_REGISTRY.register()
class TarViS(MaskFormerBase):
    """Instances, panoptic segments, and objects given by masks or points, with one network."""

    # Queries and classifiers of vocabularies that a batch does not have get no gradient.
    parameters_may_be_unused = True

    @configurable
    def __init__(
        self,
        *,
        target_queries: TargetQueries,
        object_encoder: ObjectEncoder,
        grey_padding: bool,
        parts_per_mask_in_training: int,
        parts_per_mask: int,
        max_object_queries: int,
        point_likelihood: float,
        **base,
    ) -> None:
        """
        Args:
            target_queries: learned queries of classes, instances and objects.
            object_encoder: makes queries of masks and points.
            grey_padding: pad with :data:`PADDING_VALUE` instead of the mean colour.
            parts_per_mask_in_training, parts_per_mask: queries of an object given by a mask, in
                training and at inference.
            max_object_queries, point_likelihood: of training, see
                :func:`~univs.modeling.tarvis_targets.object_targets`.
            base: see :class:`~univs.modeling.meta_arch.base.MaskFormerBase`.
        """
        super().__init__(**base)
        self.target_queries = target_queries
        self.object_encoder = object_encoder
        self.grey_padding = grey_padding
        self.parts_per_mask_in_training = parts_per_mask_in_training
        self.parts_per_mask = parts_per_mask
        self.max_object_queries = max_object_queries
        self.point_likelihood = point_likelihood

    @classmethod
    def from_config(cls, cfg) -> dict:
        options, decoder = cfg.MODEL.TARVIS, cfg.MODEL.MASK_FORMER
        backbone = build_backbone(cfg)
        if len(options.VOCABULARIES) != len(options.VOCABULARY_SIZES):
            raise ValueError(
                f"MODEL.TARVIS.VOCABULARIES names {len(options.VOCABULARIES)} vocabularies, but "
                f"VOCABULARY_SIZES has {len(options.VOCABULARY_SIZES)} numbers"
            )
        return {
            "backbone": backbone,
            "sem_seg_head": build_sem_seg_head(cfg, backbone.output_shape()),
            "criterion": build_tarvis_criterion(cfg),
            "size_divisibility": decoder.SIZE_DIVISIBILITY,
            "pixel_mean": cfg.MODEL.PIXEL_MEAN,
            "pixel_std": cfg.MODEL.PIXEL_STD,
            "target_queries": TargetQueries(
                embed_dim=decoder.HIDDEN_DIM,
                num_instance_queries=decoder.NUM_OBJECT_QUERIES,
                num_background_queries=options.NUM_BACKGROUND_QUERIES,
                vocabularies=dict(zip(options.VOCABULARIES, options.VOCABULARY_SIZES, strict=True)),
            ),
            "object_encoder": ObjectEncoder(
                embed_dim=decoder.HIDDEN_DIM,
                num_heads=decoder.NHEADS,
                feedforward_dim=decoder.DIM_FEEDFORWARD,
                num_layers=options.OBJECT_ENCODER_LAYERS,
                background_grid=tuple(options.BACKGROUND_GRID),
            ),
            "grey_padding": options.PUBLISHED_BEHAVIOUR,
            "parts_per_mask_in_training": options.QUERIES_PER_OBJECT,
            "parts_per_mask": options.TEST.QUERIES_PER_OBJECT,
            "max_object_queries": options.MAX_OBJECT_QUERIES,
            "point_likelihood": options.POINT_LIKELIHOOD,
        }

    def undecayed_parameters(self) -> set[str]:
        """Parameters without weight decay besides those of norms and embeddings (as published)."""
        transformer = "sem_seg_head.pixel_decoder.transformer."
        names = {transformer + "level_embed", transformer + "level_embed_3d"}
        names |= {f"target_queries.{name}" for name, _ in self.target_queries.named_parameters()}
        return names | {
            f"object_encoder.{kind}_query_embed" for kind in ("bg", "mask_object", "point_object")
        }

    def preprocess(self, frames: list[Tensor]) -> ImageList:
        """Normalise frames and pad them at the bottom and right to a common size.

        Args:
            frames: RGB ``(3, h, w)`` each, values 0..255.

        Returns:
            ``ImageList`` whose tensor is ``(N, 3, H, W)``.
        """
        if not self.grey_padding:
            return super().preprocess(frames)
        images = ImageList.from_tensors(
            [frame.to(self.device) for frame in frames],
            self.size_divisibility,
            pad_value=PADDING_VALUE,
        )
        normalised = (images.tensor - self.pixel_mean) / self.pixel_std
        return ImageList(normalised, images.image_sizes)

    def encode(self, backbone_features: dict[str, Tensor], num_frames: int) -> PixelFeatures:
        """Features of clips, on which any number of tasks can be run.

        Args:
            backbone_features: ``(B * T, C, h, w)`` by name, frames of a clip adjacent.
            num_frames: T.
        """
        return self.sem_seg_head.pixel_decoder.forward_features(backbone_features, num_frames)

    def decode(
        self, features: PixelFeatures, queries: Queries, num_frames: int
    ) -> Iterator[TargetPredictions]:
        """Predictions of all heads for the queries of one task."""
        return self.sem_seg_head.predictor(
            features.multi_scale, features.mask_features, queries, num_frames
        )

    def object_queries(
        self,
        features: PixelFeatures,
        exemplars: list[Exemplars],
        num_frames: int,
        parts_per_mask: int,
    ) -> tuple[Queries, list[int]]:
        """Queries for given objects, and how many of them each object has.

        Args:
            features: of B clips of ``num_frames`` frames.
            exemplars: of each clip, all with as many masks and as many points.
            num_frames: T.
            parts_per_mask: queries of an object given by a mask.
        """
        maps = [*features.multi_scale, features.mask_features]
        encoded = [
            self.object_encoder(
                [feature[clip * num_frames : (clip + 1) * num_frames] for feature in maps],
                objects,
                parts_per_mask,
            )
            for clip, objects in enumerate(exemplars)
        ]
        queries = self.target_queries.objects(
            background=torch.stack([clip.background for clip in encoded]),
            objects=torch.stack([clip.objects for clip in encoded]),
        )
        return queries, encoded[0].counts

    def forward(self, batched_inputs: list[dict]) -> dict[str, Tensor]:
        """Training losses of clips of one data set; inference goes through the methods below.

        Args:
            batched_inputs: per clip ``image``, a list of T RGB frames ``(3, h, w)``, 0..255;
                ``vocabulary``, the name of the data set's classes, or "" if its objects are given;
                and truth as :mod:`univs.modeling.tarvis_targets` takes it.

        Returns:
            weighted losses by name.
        """
        if not self.training:
            raise RuntimeError(
                "TarViS has no forward pass for inference: a clip can be asked for several tasks. "
                "Use predict_categories and predict_objects, or univs.tracking for videos."
            )
        vocabulary, num_frames = check_batch(batched_inputs)
        images = self.preprocess([frame for sample in batched_inputs for frame in sample["image"]])
        size = tuple(images.tensor.shape[-2:])
        features = self.encode(self.backbone(images.tensor), num_frames)
        if not vocabulary:
            return self.object_losses(batched_inputs, features, num_frames, size)
        queries = self.target_queries.categories(vocabulary, batch_size=len(batched_inputs))
        heads = list(self.decode(features, queries, num_frames))
        targets = [category_targets(sample, size, self.device) for sample in batched_inputs]
        panoptic = "sem_seg" in batched_inputs[0]
        losses = self.criterion.category_losses(heads, targets, panoptic=panoptic)
        return self.criterion.weighted(losses)

    def object_losses(
        self,
        batched_inputs: list[dict],
        features: PixelFeatures,
        num_frames: int,
        size: tuple[int, int],
    ) -> dict[str, Tensor]:
        """Weighted losses of clips whose objects are given; 0 if a clip has none."""
        targets = object_targets(
            batched_inputs,
            size,
            self.device,
            max_objects=self.max_object_queries // self.parts_per_mask_in_training,
            point_likelihood=self.point_likelihood,
        )
        if targets is None:
            return {"loss_mask": 0 * features.mask_features.sum()}
        queries, counts = self.object_queries(
            features, targets.exemplars, num_frames, self.parts_per_mask_in_training
        )
        heads = list(self.decode(features, queries, num_frames))
        return self.criterion.weighted(self.criterion.object_losses(heads, counts, targets.masks))

    @torch.no_grad()
    def predict_categories(
        self,
        features: PixelFeatures,
        num_frames: int,
        vocabulary: str,
        classes: Sequence[int] | None = None,
    ) -> CategoryPrediction:
        """Find everything that belongs to a class.

        Args:
            features: of one clip.
            num_frames: T.
            vocabulary: name of the vocabulary.
            classes: 0-based classes of it; all by default.
        """
        queries = self.target_queries.categories(vocabulary, classes)
        final = _last(self.decode(features, queries, num_frames))
        return CategoryPrediction(
            class_logits=final.class_logits[0],
            mask_logits=final.masks_of("instance")[0],
            semantic_logits=final.masks_of("semantic")[0],
            background_logits=final.masks_of("background")[0].amax(0),
        )

    @torch.no_grad()
    def predict_objects(
        self, features: PixelFeatures, num_frames: int, exemplars: Exemplars
    ) -> ObjectPrediction:
        """Segment given objects in one clip.

        Args:
            features: of one clip.
            num_frames: T.
            exemplars: N objects, at least one.
        """
        queries, counts = self.object_queries(
            features, [exemplars], num_frames, self.parts_per_mask
        )
        final = _last(self.decode(features, queries, num_frames))
        return ObjectPrediction(
            mask_logits=merge_object_queries(final.masks_of("vos"), counts)[0],
            background_logits=final.masks_of("background_vos")[0],
        )


def check_batch(batched_inputs: list[dict]) -> tuple[str, int]:
    """The vocabulary and the number of frames that all clips of a batch share.

    Raises:
        ValueError: they differ, or only some of the clips have stuff.
    """
    first = batched_inputs[0]
    for sample in batched_inputs:
        for name, value, other in (
            ("frames", len(first["image"]), len(sample["image"])),
            ("vocabulary", first["vocabulary"], sample["vocabulary"]),
            ("truth of stuff", "sem_seg" in first, "sem_seg" in sample),
        ):
            if value != other:
                raise ValueError(
                    f"all clips of a batch must be alike, but differ in {name}: {value!r} and "
                    f"{other!r} (video {sample.get('video_id', 'unknown')}); a batch must come "
                    "from one data set"
                )
    return first["vocabulary"], len(first["image"])


def build_tarvis_criterion(cfg) -> TarVisCriterion:
    """The criterion with the weights and sampling of the config."""
    options, loss = cfg.MODEL.MASK_FORMER, cfg.MODEL.TARVIS.LOSS
    sampling = {
        "oversample_ratio": options.OVERSAMPLE_RATIO,
        "importance_sample_ratio": options.IMPORTANCE_SAMPLE_RATIO,
    }
    semantic = {
        **sampling,
        "ignore_null_classes": loss.IGNORE_NULL_CLASSES,
        "regularize": loss.SEMANTIC_REGULARIZATION,
    }
    return TarVisCriterion(
        matcher=HungarianMatcher(
            class_weight=options.CLASS_WEIGHT,
            mask_weight=options.MASK_WEIGHT,
            dice_weight=options.DICE_WEIGHT,
            num_points=options.TRAIN_NUM_POINTS,
        ),
        instance_semantic_loss=SemanticPointLoss(
            weight=loss.INSTANCE_SEMANTIC_WEIGHT,
            num_points=options.TRAIN_NUM_POINTS,
            interpolate_labels=loss.INTERPOLATE_LABELS,
            **semantic,
        ),
        panoptic_semantic_loss=SemanticPointLoss(
            weight=loss.PANOPTIC_SEMANTIC_WEIGHT,
            num_points=loss.PANOPTIC_SEMANTIC_NUM_POINTS,
            **semantic,
        ),
        weights={
            "loss_ce": options.CLASS_WEIGHT,
            "loss_mask": options.MASK_WEIGHT,
            "loss_dice": options.DICE_WEIGHT,
            "loss_semantic": 1.0,
        },
        background_weight=options.NO_OBJECT_WEIGHT,
        num_points=options.TRAIN_NUM_POINTS,
        **sampling,
    )


def _last(heads: Iterator[TargetPredictions]) -> TargetPredictions:
    for head in heads:
        last = head
    return last
