"""GenVIS: online and semi-online video instance segmentation (Heo et al. 2023).

A video is seen as consecutive clips of one or a few frames. All that goes from clip to clip are the
:class:`~univs.modeling.decoder.genvis.InstancePrototypes`, which the caller keeps.
"""

from __future__ import annotations

import torch
from torch import Tensor

from detectron2.config import configurable
from detectron2.modeling import META_ARCH_REGISTRY
from univs.modeling.decoder.genvis import GenvisObjectModule, InstancePrototypes
from univs.modeling.decoder.vita import frame_queries
from univs.modeling.losses.genvis_criterion import GenvisCriterion
from univs.modeling.losses.matcher import Match
from univs.modeling.losses.vita_criterion import VitaCriterion
from univs.modeling.meta_arch.base import common_number_of_frames
from univs.modeling.meta_arch.construction import base_arguments, vita_criterion_arguments
from univs.modeling.meta_arch.video_mask_former import ClipPrediction
from univs.modeling.meta_arch.vita import (
    VideoObjects,
    Vita,
    as_clip,
    as_decoder_output,
    clip_prediction,
    video_objects,
)
from univs.modeling.targets import ClipTargets


@META_ARCH_REGISTRY.register()
class Genvis(Vita):
    """VITA clip by clip, its video queries carried through the video."""

    @configurable
    def __init__(
        self,
        *,
        genvis_criterion: GenvisCriterion,
        clip_length: int,
        similarity_of_last_clip_only: bool,
        **vita,
    ) -> None:
        """
        Args:
            genvis_criterion: losses of the video queries.
            clip_length: frames per clip W.
            similarity_of_last_clip_only: the similarity loss counts in the last clip of a video
                only, as the released weights were presumably trained; otherwise in every clip.
            vita: see :class:`~univs.modeling.meta_arch.Vita`; its ``vita_module`` is a
                :class:`~univs.modeling.decoder.genvis.GenvisObjectModule`. Its ``vita_criterion``
                computes nothing: published files hold its class weights.
        """
        super().__init__(**vita)
        self.genvis_criterion = genvis_criterion
        self.clip_length = clip_length
        self.similarity_of_last_clip_only = similarity_of_last_clip_only

    @classmethod
    def from_config(cls, cfg) -> dict:
        if cfg.MODEL.GENVIS.LEN_CLIP_WINDOW < 1:
            raise ValueError("MODEL.GENVIS.LEN_CLIP_WINDOW is the frames of a clip: at least 1")
        criterion = vita_criterion_arguments(cfg)
        return {
            **base_arguments(cfg),
            "vita_module": GenvisObjectModule(cfg),
            "vita_criterion": VitaCriterion(**criterion),
            "genvis_criterion": GenvisCriterion(
                reuse_hidden_queries=cfg.MODEL.GENVIS.PUBLISHED_BEHAVIOUR, **criterion
            ),
            "clip_length": cfg.MODEL.GENVIS.LEN_CLIP_WINDOW,
            "similarity_of_last_clip_only": cfg.MODEL.GENVIS.SIM_LAST_CLIP_ONLY,
            "num_layers": cfg.MODEL.VITA.LAST_LAYER_NUM,
            "freeze_detector": cfg.MODEL.VITA.FREEZE_DETECTOR,
            "test_topk_per_image": cfg.TEST.DETECTIONS_PER_IMAGE,
        }

    def forward(self, batched_inputs: list[dict]) -> dict[str, Tensor] | list:
        """
        Args:
            batched_inputs: as for :class:`~univs.modeling.meta_arch.Vita`; for training all videos
                must have the same number of frames, a multiple of the clip length.

        Returns:
            Weighted losses by name in training mode, those of clip c with the suffix ``_clipc``.
            Otherwise for each video the predictions for its consecutive clips, a list of
            :class:`~univs.modeling.meta_arch.ClipPrediction`.
        """
        if not self.training:
            return [self.predict_video(as_frames(sample["image"])) for sample in batched_inputs]
        samples = [as_clip(sample) for sample in batched_inputs]
        num_frames = common_number_of_frames(samples)
        if num_frames % self.clip_length:
            raise ValueError(
                f"INPUT.SAMPLING_FRAME_NUM is {num_frames}, which is not a multiple of "
                f"MODEL.GENVIS.LEN_CLIP_WINDOW {self.clip_length}: change one of them."
            )
        images = self.preprocess([frame for sample in samples for frame in sample["image"]])
        targets = self.targets(samples, images)
        output, finest = self.detect(images)
        losses, matches = self.frame_losses(output, targets)
        queries = frame_queries(output, self.num_layers)  # L B*T fQ C
        mask_features = self.vita_module.mask_features(finest).unflatten(0, (-1, num_frames))
        return losses | self.video_losses(
            queries.unflatten(1, (-1, num_frames)).flatten(0, 1), mask_features, targets, matches
        )

    def video_losses(
        self,
        queries: Tensor,
        mask_features: Tensor,
        targets: list[ClipTargets],
        frame_matches: list[list[Match]],
    ) -> dict[str, Tensor]:
        """Weighted losses of all clips.

        Args:
            queries: frame queries ``(L * B, T, fQ, C)``.
            mask_features: ``(B, T, C_mask, h, w)``.
            targets: of each of the B videos.
            frame_matches: of each of L layers, of all T frames of all B videos.
        """
        num_frames = queries.shape[1]
        losses, prototypes, assignment = {}, None, None
        for clip, start in enumerate(range(0, num_frames, self.clip_length)):
            stop = start + self.clip_length
            objects, prototypes = self.vita_module(queries[:, start:stop], prototypes)
            clip_matches = [
                [match for i, match in enumerate(layer) if start <= i % num_frames < stop]
                for layer in frame_matches
            ]
            has_similarity = stop == num_frames or not self.similarity_of_last_clip_only
            clip_losses, assignment = self.genvis_criterion(
                as_decoder_output(objects, mask_features[:, start:stop]),
                [target.frames(start, stop) for target in targets],
                objects.frame_identities if has_similarity else None,
                clip_matches,
                assignment,
            )
            weighted = self.genvis_criterion.weighted(clip_losses)
            losses.update({f"{name}_clip{clip}": loss for name, loss in weighted.items()})
        return losses

    @torch.no_grad()
    def predict_video(self, frames: list[Tensor]) -> list[ClipPrediction]:
        """Segment a whole video, a list of RGB frames ``(3, h, w)``, 0..255, clip by clip."""
        predictions, prototypes = [], None
        for start in range(0, len(frames), self.clip_length):
            clip = frames[start : start + self.clip_length]
            prediction, prototypes = self.predict_next(clip, prototypes)
            predictions.append(prediction)
        return predictions

    @torch.no_grad()
    def predict_next(
        self, frames: list[Tensor], prototypes: InstancePrototypes | None
    ) -> tuple[ClipPrediction, InstancePrototypes]:
        """Segment the next clip of a video.

        Args:
            frames: RGB ``(3, h, w)`` each, values 0..255; any number of them.
            prototypes: what the call for the clip before returned; None for the first clip.

        Returns:
            the prediction, whose queries stand for the same instances in all clips; and what the
            next call needs.
        """
        detected = self.detect_frames(frames)
        objects, prototypes = self.follow(detected.queries, prototypes)
        return clip_prediction(objects, detected.mask_features), prototypes

    @torch.no_grad()
    def follow(
        self, queries: Tensor, prototypes: InstancePrototypes | None
    ) -> tuple[VideoObjects, InstancePrototypes]:
        """Find the objects of a video in its next clip.

        Args:
            queries: frame queries ``(T, fQ, C)`` of the clip.
            prototypes: what the call for the clip before returned; None for the first clip.
        """
        output, prototypes = self.vita_module(queries[None], prototypes)
        return video_objects(output), prototypes


def as_frames(image: Tensor | list[Tensor]) -> list[Tensor]:
    """A still image as a video of one frame; lists of frames are returned unchanged."""
    return [image] if torch.is_tensor(image) else image
