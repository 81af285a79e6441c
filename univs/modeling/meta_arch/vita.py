"""VITA: offline video instance segmentation by object token association (Heo et al. 2022).

The network sees frames one by one and condenses each into a few object tokens, its *frame queries*;
the object module looks at the tokens of the whole video. How a video of any length goes through is
the business of :mod:`univs.tracking`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from detectron2.config import configurable
from detectron2.modeling import META_ARCH_REGISTRY
from detectron2.structures import ImageList, Instances
from univs.modeling.decoder import DecoderOutput, QueryPredictions
from univs.modeling.decoder.vita import (
    ObjectOutput,
    ObjectPredictions,
    VitaObjectModule,
    frame_queries,
)
from univs.modeling.losses.matcher import Match
from univs.modeling.losses.vita_criterion import VitaCriterion
from univs.modeling.meta_arch.base import MaskFormerBase, common_number_of_frames, resize_masks
from univs.modeling.meta_arch.construction import base_arguments, vita_criterion_arguments
from univs.modeling.meta_arch.video_mask_former import ClipPrediction
from univs.modeling.pixel_decoder import PixelFeatures
from univs.modeling.postprocessing import instance_inference
from univs.modeling.targets import ClipTargets, clip_targets


@dataclass
class DetectedFrames:
    """What the frame detector makes of T frames.

    Attributes:
        queries: ``(T, fQ, C)``, the object tokens of each frame.
        mask_features: ``(T, C_mask, h, w)`` at a quarter of the padded input size.
    """

    queries: Tensor
    mask_features: Tensor


@dataclass
class VideoObjects:
    """The objects that video queries stand for.

    Attributes:
        class_logits: ``(Q, K + 1)``; the last class is "no object".
        mask_embeddings: ``(Q, C_mask)``; the product with the mask features of a frame gives masks.
        queries: ``(Q, C)``, similarity embeddings, or the queries themselves if there are none.
    """

    class_logits: Tensor
    mask_embeddings: Tensor
    queries: Tensor


@META_ARCH_REGISTRY.register()
class Vita(MaskFormerBase):
    """Video instance segmentation: every video query is a class, and a mask in all frames."""

    @configurable
    def __init__(
        self,
        *,
        vita_module: VitaObjectModule,
        vita_criterion: VitaCriterion,
        num_layers: int,
        freeze_detector: bool,
        test_topk_per_image: int,
        **base,
    ) -> None:
        """
        Args:
            vita_module: object module.
            vita_criterion: losses of the video queries.
            num_layers: last layers L of the frame decoder whose queries are used in training.
            freeze_detector: train the object module only.
            test_topk_per_image: number of instances returned for a still image.
            base: see :class:`~univs.modeling.meta_arch.base.MaskFormerBase`.
        """
        super().__init__(**base)
        self.vita_module = vita_module
        self.vita_criterion = vita_criterion
        self.num_layers = num_layers
        self.freeze_detector = freeze_detector
        self.test_topk_per_image = test_topk_per_image
        if freeze_detector:
            for part in (self.backbone, self.sem_seg_head):
                part.requires_grad_(False)
            self.train(self.training)

    @classmethod
    def from_config(cls, cfg) -> dict:
        return {
            **base_arguments(cfg),
            "vita_module": VitaObjectModule(cfg),
            "vita_criterion": VitaCriterion(**vita_criterion_arguments(cfg)),
            "num_layers": cfg.MODEL.VITA.LAST_LAYER_NUM,
            "freeze_detector": cfg.MODEL.VITA.FREEZE_DETECTOR,
            "test_topk_per_image": cfg.TEST.DETECTIONS_PER_IMAGE,
        }

    def train(self, mode: bool = True) -> Vita:
        """Switch the mode; a frozen detector stays in evaluation mode, so it drops no paths."""
        super().train(mode)
        if self.freeze_detector:
            self.backbone.eval()
            self.sem_seg_head.eval()
        return self

    def forward(self, batched_inputs: list[dict]) -> dict[str, Tensor] | list:
        """
        Args:
            batched_inputs: per clip ``image``, a list of T RGB frames ``(3, h, w)``, 0..255; for
                training also ``instances``, a list of T ``Instances`` as
                :func:`~univs.modeling.targets.clip_targets` takes them. A still image is one
                frame with one ``Instances``, which need no ``gt_ids``.

        Returns:
            Weighted losses by name in training mode. Otherwise for each clip a
            :class:`~univs.modeling.meta_arch.ClipPrediction`, and for each still image
            ``{"instances": Instances}`` at the size ``height``, ``width`` of the sample.
        """
        if not self.training:
            return [self.predict_sample(sample) for sample in batched_inputs]
        samples = [as_clip(sample) for sample in batched_inputs]
        num_frames = common_number_of_frames(samples)
        images = self.preprocess([frame for sample in samples for frame in sample["image"]])
        targets = self.targets(samples, images)
        output, finest = self.detect(images)
        losses, matches = self.frame_losses(output, targets)
        queries = frame_queries(output, self.num_layers)  # L B*T fQ C
        queries = queries.unflatten(1, (-1, num_frames)).flatten(0, 1)  # L*B T fQ C
        mask_features = self.vita_module.mask_features(finest).unflatten(0, (-1, num_frames))
        objects = self.vita_module(queries)
        video_losses = self.vita_criterion(
            as_decoder_output(objects, mask_features), targets, objects.frame_identities, matches
        )
        return losses | self.vita_criterion.weighted(video_losses)

    def targets(self, samples: list[dict], images: ImageList) -> list[ClipTargets]:
        """Targets of all clips at the padded size of ``images``."""
        size = images.tensor.shape[-2:]
        return [
            clip_targets([frame.to(self.device) for frame in sample["instances"]], size)
            for sample in samples
        ]

    def detect(self, images: ImageList) -> tuple[DecoderOutput, Tensor]:
        """Run the frame detector.

        Returns:
            the output of the frame decoder, each frame a clip of its own, and the finest maps
            ``(N, C, h, w)`` of the pixel decoder.
        """
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.freeze_detector):
            features = self.pixel_features(images)
            return self.sem_seg_head.decode(features, 1), features.finest

    def pixel_features(self, images: ImageList) -> PixelFeatures:
        """Backbone and pixel decoder."""
        return self.sem_seg_head.pixel_decoder.forward_features(self.backbone(images.tensor))

    def frame_losses(
        self, output: DecoderOutput, targets: list[ClipTargets]
    ) -> tuple[dict[str, Tensor], list[list[Match]]]:
        """Losses of the frame detector, each frame an image of its own.

        Returns:
            weighted losses, none if the detector is frozen; and for each of the last L layers the
            matches of all frames.
        """
        frames = [target.frame(t) for target in targets for t in range(target.masks.shape[1])]
        if self.freeze_detector:
            return {}, self.criterion.matcher(output.heads[-self.num_layers :], frames)
        matches = self.criterion.match(output, frames)  # the final head first
        losses = self.criterion.weighted(self.criterion.losses(output, frames, matches))
        return losses, [*matches[1:], matches[0]][-self.num_layers :]

    def predict_sample(self, sample: dict) -> ClipPrediction | dict:
        """The prediction for one sample, see :meth:`forward`."""
        if torch.is_tensor(sample["image"]):
            frame = sample["image"]
            size = tuple(frame.shape[-2:])
            output_size = (sample.get("height", size[0]), sample.get("width", size[1]))
            return {"instances": self.predict_image(frame, output_size)}
        return self.predict_clip(sample["image"])

    def predict_clip(self, frames: list[Tensor]) -> ClipPrediction:
        """Segment a whole video at once.

        Args:
            frames: RGB ``(3, h, w)`` each, values 0..255.
        """
        detected = self.detect_frames(frames)
        return clip_prediction(self.associate([detected.queries]), detected.mask_features)

    def predict_image(self, frame: Tensor, output_size: tuple[int, int]) -> Instances:
        """Segment one still image as a video of one frame.

        Args:
            frame: RGB ``(3, h, w)``, values 0..255.
            output_size: height and width of the result.

        Returns:
            see :func:`~univs.modeling.postprocessing.instance_inference`; masks are scored at the
            size of the input (as published).
        """
        height, width = frame.shape[-2:]
        prediction = self.predict_clip([frame])
        padded = [4 * side for side in prediction.mask_logits.shape[-2:]]
        mask_logits = resize_masks(prediction.mask_logits.transpose(0, 1), padded)[0]  # Q H W
        return instance_inference(
            prediction.class_logits,
            mask_logits[:, :height, :width],
            topk=self.test_topk_per_image,
            output_size=output_size,
        )

    @torch.no_grad()
    def detect_frames(self, frames: list[Tensor]) -> DetectedFrames:
        """Detect objects in T frames, each on its own.

        Args:
            frames: RGB ``(3, h, w)`` each, values 0..255.
        """
        output, finest = self.detect(self.preprocess(frames))
        return DetectedFrames(
            queries=frame_queries(output, 1)[0],
            mask_features=self.vita_module.mask_features(finest),
        )

    @torch.no_grad()
    def mask_features(self, frames: list[Tensor]) -> Tensor:
        """Mask features ``(T, C_mask, h, w)`` only, for frames that were detected before."""
        return self.vita_module.mask_features(self.pixel_features(self.preprocess(frames)).finest)

    @torch.no_grad()
    def associate(self, parts: Iterable[Tensor]) -> VideoObjects:
        """Find the objects of a video.

        Args:
            parts: frame queries ``(t, fQ, C)`` of consecutive frames, together all of the video. A
                generator that forgets what it has given saves a second copy of them.
        """
        return video_objects(self.vita_module.associate(part[None] for part in parts))


def as_clip(sample: dict) -> dict:
    """A training sample of a still image as a clip of one frame; clips are returned unchanged."""
    if not torch.is_tensor(sample["image"]):
        return sample
    instances = sample["instances"]
    if not instances.has("gt_ids"):
        ids = torch.arange(len(instances))
        instances = Instances(instances.image_size, **instances.get_fields(), gt_ids=ids)
    return {**sample, "image": [sample["image"]], "instances": [instances]}


def as_decoder_output(objects: ObjectOutput, mask_features: Tensor) -> DecoderOutput:
    """Predictions of video queries as losses take them.

    Args:
        objects: of G = L * B groups, layer by layer.
        mask_features: ``(B, T, C_mask, h, w)``, the same for all layers.
    """

    def with_masks(prediction: ObjectPredictions) -> QueryPredictions:
        embeddings = prediction.mask_embeddings.unflatten(0, (-1, len(mask_features)))
        masks = torch.einsum("lbqc,btchw->lbqthw", embeddings, mask_features)
        return QueryPredictions(
            class_logits=prediction.class_logits,
            mask_logits=masks.flatten(0, 1),  # G Q T h w
            queries=prediction.identities,
        )

    return DecoderOutput(
        final=with_masks(objects.final),
        auxiliary=[with_masks(prediction) for prediction in objects.auxiliary],
    )


def video_objects(output: ObjectOutput) -> VideoObjects:
    """The objects of the only video of ``output``."""
    final = output.final
    queries = final.identities if final.identities is not None else output.decoded
    return VideoObjects(final.class_logits[0], final.mask_embeddings[0], queries[0])


def clip_prediction(objects: VideoObjects, mask_features: Tensor) -> ClipPrediction:
    """Multiply mask embeddings with the mask features ``(T, C_mask, h, w)`` of frames."""
    return ClipPrediction(
        class_logits=objects.class_logits,
        mask_logits=torch.einsum("qc,tchw->qthw", objects.mask_embeddings, mask_features),
        queries=objects.queries,
    )
