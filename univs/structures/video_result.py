"""What segmentation yields: the segments of a frame, the tracks of a video, and their exports."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from univs.structures.id_map import compose_id_map, id_map_dtype
from univs.structures.mask_rle import Rle, check_rle, decode_masks, rle_is_empty
from univs.structures.track import Track

VOID_LABEL = -1  # in label maps: no category


@dataclass(frozen=True, eq=False, kw_only=True)
class Segment:
    """One object, or one stuff region, in one frame.

    Attributes:
        track_id: the track it belongs to, 1 or more.
        rle: its mask.
        category: 0-based contiguous category, or None.
        score: confidence up to this frame.
        num_hidden: if the track was lost and is found again in this frame, for how many frames it
            was; otherwise 0.
    """

    track_id: int
    rle: Rle = field(repr=False)
    category: int | None = None
    score: float = 1.0
    num_hidden: int = 0

    def __post_init__(self) -> None:
        if self.track_id < 1:
            raise ValueError(f"A track id must be 1 or more (0 is background): {self.track_id}.")


@dataclass(frozen=True, kw_only=True)
class LostTrack:
    """A track that was seen in earlier frames, but not in this one.

    Attributes:
        track_id: names the track within its video.
        score: confidence when it was last seen.
        num_hidden: how many frames ago that was.
    """

    track_id: int
    score: float
    num_hidden: int


@dataclass(frozen=True, eq=False, kw_only=True)
class FrameResult:
    """Everything found in one frame.

    Attributes:
        frame_index: 0-based index in the video.
        size: height and width of the frame in pixels.
        segments: at most one per track; may overlap; an object that is not visible has none.
        label_map: [H, W] integer, the category of every pixel, `VOID_LABEL` where there is none;
            None if the task is not a semantic one.
        lost: tracks of earlier frames that are not visible in this one; sessions tell them.
    """

    frame_index: int
    size: tuple[int, int]
    segments: list[Segment] = field(default_factory=list)
    label_map: np.ndarray | None = field(default=None, repr=False)
    lost: tuple[LostTrack, ...] = ()

    def __post_init__(self) -> None:
        if self.frame_index < 0:
            raise ValueError(f"A frame index must not be negative: {self.frame_index}.")
        object.__setattr__(self, "size", (int(self.size[0]), int(self.size[1])))
        for segment in self.segments:
            if tuple(segment.rle["size"]) != self.size:
                raise ValueError(
                    f"The mask of track {segment.track_id} in frame {self.frame_index} has the "
                    f"size {list(segment.rle['size'])}, but the frame is {list(self.size)}."
                )
        if len({segment.track_id for segment in self.segments}) != len(self.segments):
            raise ValueError(f"Frame {self.frame_index} holds two segments of one track.")
        if self.label_map is not None:
            _check_label_map(self.label_map, self.size, self.frame_index)

    def to_id_map(self) -> np.ndarray:
        """[H, W] uint8 or uint16: the track id of every pixel, the highest score on top, else 0."""
        return compose_id_map(
            [segment.rle for segment in self.segments],
            [segment.track_id for segment in self.segments],
            [segment.score for segment in self.segments],
            self.size,
        )

    def filtered(self, score_threshold: float) -> FrameResult:
        """The same frame with only the segments and lost tracks of at least this score."""
        return replace(
            self,
            segments=[segment for segment in self.segments if segment.score >= score_threshold],
            lost=tuple(track for track in self.lost if track.score >= score_threshold),
        )


@dataclass(frozen=True, eq=False, kw_only=True)
class VideoResult:
    """Everything found in a video.

    Attributes:
        num_frames: number of frames T; may be 0.
        size: height and width of the frames in pixels.
        tracks: tracks of T frames each, with distinct ids.
        label_maps: T arrays [H, W] of the category of every pixel, `VOID_LABEL` where there is
            none; None if the task is not a semantic one.
    """

    num_frames: int
    size: tuple[int, int]
    tracks: list[Track] = field(default_factory=list)
    label_maps: Sequence[np.ndarray] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "size", (int(self.size[0]), int(self.size[1])))
        for track in self.tracks:
            if len(track) != self.num_frames:
                raise ValueError(
                    f"Track {track.id} has {len(track)} frames, the video has {self.num_frames}."
                )
            if track.size != self.size:
                raise ValueError(
                    f"Track {track.id} has the size {track.size}, but the video has {self.size}."
                )
        if len({track.id for track in self.tracks}) != len(self.tracks):
            raise ValueError(f"Track ids repeat: {sorted(track.id for track in self.tracks)}.")
        if self.label_maps is not None:
            if len(self.label_maps) != self.num_frames:
                raise ValueError(
                    f"There are {len(self.label_maps)} label maps for {self.num_frames} frames."
                )
            for index, label_map in enumerate(self.label_maps):
                _check_label_map(label_map, self.size, index)

    @classmethod
    def from_frames(cls, frames: Sequence[FrameResult], size: tuple[int, int]) -> VideoResult:
        """Join frame results 0 to T-1; a track takes its category and score from its last frame.

        Args:
            frames: results in the order of their frames, without gaps; may be empty.
            size: height and width of the frames.

        Raises:
            ValueError: a frame is missing, or only some of the frames have a label map.
        """
        tracks: dict[int, Track] = {}  # indexed by track id
        for index, frame in enumerate(frames):
            if frame.frame_index != index:
                raise ValueError(
                    f"Frame {index} is missing: found frame {frame.frame_index} instead."
                )
            for segment in frame.segments:
                track = tracks.setdefault(segment.track_id, Track(id=segment.track_id, size=size))
                track.pad_to(index)
                track.append(segment.rle)
                track.category, track.score = segment.category, float(segment.score)
        for track in tracks.values():
            track.pad_to(len(frames))
        maps = [frame.label_map for frame in frames if frame.label_map is not None]
        if maps and len(maps) != len(frames):
            raise ValueError(f"Only {len(maps)} of {len(frames)} frames have a label map.")
        return cls(
            num_frames=len(frames),
            size=size,
            tracks=list(tracks.values()),
            label_maps=maps or None,
        )

    @classmethod
    def from_youtube_vis(
        cls,
        records: Sequence[Mapping],
        num_frames: int,
        size: tuple[int, int],
        dataset_to_contiguous_id: Mapping[int, int],
    ) -> VideoResult:
        """Read the records of one video of a YouTube-VIS ``results.json``; track k gets the id k+1.

        Raises:
            ValueError: a category is unknown or a mask is damaged; the message names the record.
        """
        tracks = []
        for index, record in enumerate(records):
            if record["category_id"] not in dataset_to_contiguous_id:
                raise ValueError(
                    f"Record {index} has an unknown category: {record['category_id']}."
                )
            tracks.append(
                Track(
                    id=index + 1,
                    size=size,
                    category=dataset_to_contiguous_id[record["category_id"]],
                    score=record["score"],
                    segmentations=[
                        rle
                        if rle is None
                        else check_rle(rle, size, f"The mask of record {index} in frame {frame}")
                        for frame, rle in enumerate(record["segmentations"])
                    ],
                )
            )
        return cls(num_frames=num_frames, size=size, tracks=tracks)

    def frame(self, frame_index: int) -> FrameResult:
        """The result of one frame, with the final category and score of every track."""
        if not 0 <= frame_index < self.num_frames:
            raise IndexError(f"There is no frame {frame_index} in a video of {self.num_frames}.")
        segments = [
            Segment(
                track_id=track.id,
                category=track.category,
                score=track.score,
                rle=track.segmentations[frame_index],
            )
            for track in self.tracks
            if not rle_is_empty(track.segmentations[frame_index])
        ]
        return FrameResult(
            frame_index=frame_index,
            size=self.size,
            segments=segments,
            label_map=None if self.label_maps is None else self.label_maps[frame_index],
        )

    def filtered(self, score_threshold: float) -> VideoResult:
        """The same video with only the tracks of at least this score."""
        return VideoResult(
            num_frames=self.num_frames,
            size=self.size,
            tracks=[track for track in self.tracks if track.score >= score_threshold],
            label_maps=self.label_maps,
        )

    def to_youtube_vis(
        self, video_id: int, contiguous_to_dataset_id: Mapping[int, int]
    ) -> list[dict]:
        """Records for a YouTube-VIS or OVIS ``results.json``.

        Args:
            video_id: id of the video in the data set.
            contiguous_to_dataset_id: 0-based category -> id in the data set.

        Returns:
            One ``{video_id, score, category_id, segmentations}`` per track; ``segmentations`` has
            one entry per frame, None where the object is not visible.

        Raises:
            ValueError: a track has no category, or one the data set does not know.
        """
        return [
            {
                "video_id": video_id,
                "score": track.score,
                "category_id": _dataset_id(track.category, contiguous_to_dataset_id, track.id),
                "segmentations": list(track.segmentations),
            }
            for track in self.tracks
        ]

    def to_indexed_masks(self, *, use_target_ids: bool = False) -> Iterator[np.ndarray]:
        """Id maps for DAVIS-like PNGs, frame by frame.

        Where tracks overlap, the higher score wins, then the earlier track.

        Args:
            use_target_ids: draw a track with the id of its target, as benchmarks that give the
                objects demand, instead of its own; a track without target is left out.

        Yields:
            [H, W], uint8 if every id of the video is 254 or less, else uint16; 0 is background.

        Raises:
            ValueError: two tracks have the same id, or an id is too large.
        """
        tracks = self.tracks
        if use_target_ids:
            tracks = [track for track in tracks if track.target_id is not None]
        ids = [track.target_id if use_target_ids else track.id for track in tracks]
        if len(set(ids)) != len(ids):
            raise ValueError(f"Two tracks would get the same id in the id maps: {sorted(ids)}.")
        dtype = id_map_dtype(ids)
        scores = [track.score for track in tracks]
        for frame_index in range(self.num_frames):
            rles = [track.segmentations[frame_index] for track in tracks]
            visible = [index for index, rle in enumerate(rles) if rle is not None]
            yield compose_id_map(
                [rles[index] for index in visible],
                [ids[index] for index in visible],
                [scores[index] for index in visible],
                self.size,
                dtype,
            )

    def to_binary_masks(self, track_id: int) -> Iterator[np.ndarray]:
        """Masks of one track for referring-video PNGs, frame by frame: [H, W] uint8, 0 or 255."""
        track = next((track for track in self.tracks if track.id == track_id), None)
        if track is None:
            raise ValueError(f"There is no track {track_id} in this result.")
        for rle in track.segmentations:
            yield decode_masks([rle], self.size)[0].astype(np.uint8) * 255

    def to_panoptic(
        self, contiguous_to_dataset_id: Mapping[int, int]
    ) -> Iterator[tuple[np.ndarray, list[dict]]]:
        """COCO panoptic id maps and their ``segments_info``, frame by frame.

        The id of a segment is the id of its track, so it stays the same through the video. Overlaps
        are resolved by score; areas and boxes are those of the visible part.

        Yields:
            [H, W] uint32 with 0 for void (written as R + 256 G + 65536 B), and a list of
            ``{id, category_id, iscrowd, area, bbox}`` of the segments that occur in it.

        Raises:
            ValueError: a track has no category, or one the data set does not know.
        """
        category_ids = {
            track.id: _dataset_id(track.category, contiguous_to_dataset_id, track.id)
            for track in self.tracks
        }
        for frame_index in range(self.num_frames):
            id_map = self.frame(frame_index).to_id_map().astype(np.uint32)
            yield id_map, _segments_info(id_map, category_ids)

    def to_label_pngs(self, num_categories: int) -> Iterator[np.ndarray]:
        """Label maps for PNGs, frame by frame; see `label_png`.

        Raises:
            ValueError: this result has no label maps.
        """
        if self.label_maps is None:
            raise ValueError("This result has no label maps; its task is not a semantic one.")
        for label_map in self.label_maps:
            yield label_png(label_map, num_categories)


def label_png(label_map: np.ndarray, num_categories: int) -> np.ndarray:
    """A label map as a PNG holds it: [H, W] uint8, or uint16 if there are more than 255 categories.

    Void becomes the largest value of the type.
    """
    dtype = np.dtype(np.uint8 if num_categories <= 255 else np.uint16)
    return np.where(label_map == VOID_LABEL, np.iinfo(dtype).max, label_map).astype(dtype)


def _check_label_map(label_map: np.ndarray, size: tuple[int, int], frame_index: int) -> None:
    if label_map.shape != size:
        raise ValueError(
            f"The label map of frame {frame_index} has the shape {list(label_map.shape)}, but the "
            f"frame is {list(size)}."
        )
    if not np.issubdtype(label_map.dtype, np.integer):
        raise ValueError(f"Label maps must hold integers, not {label_map.dtype}.")


def _dataset_id(category: int | None, mapping: Mapping[int, int], track_id: int) -> int:
    if category not in mapping:
        raise ValueError(
            f"Track {track_id} has the category {category}, which has no id in this data set."
        )
    return mapping[category]


def _segments_info(id_map: np.ndarray, category_ids: Mapping[int, int]) -> list[dict]:
    """Category, area and box [x, y, width, height] of every id above 0 in ``id_map``."""
    ids, inverse = np.unique(id_map, return_inverse=True)
    inverse = inverse.reshape(id_map.shape)
    areas = np.bincount(inverse.ravel(), minlength=len(ids))
    infos = []
    for index in np.flatnonzero(ids):
        here = inverse == index
        y, x = np.flatnonzero(here.any(axis=1)), np.flatnonzero(here.any(axis=0))
        infos.append(
            {
                "id": int(ids[index]),
                "category_id": category_ids[int(ids[index])],
                "iscrowd": 0,
                "area": int(areas[index]),
                "bbox": [int(x[0]), int(y[0]), int(x[-1] - x[0] + 1), int(y[-1] - y[0] + 1)],
            }
        )
    return infos
