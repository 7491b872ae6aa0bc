"""Files: 3D models, audio, video; and streams of video."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from rerund_sdk.archetype import Archetype, Visualizable, field, forgiving
from rerund_sdk.archetypes.images import contents_and_media_type
from rerund_sdk.columns import ComponentColumnList
from rerund_sdk.components import (
    AlbedoFactor,
    Blob,
    DrawOrder,
    EntityPath,
    IsKeyframe,
    MediaType,
    Opacity,
    VideoCodec,
    VideoCodecLike,
    VideoSample,
    VideoTimestamp,
)
from rerund_sdk.encodings import (
    BlobLike,
    BoolLike,
    EntityPathLike,
    Float32Like,
    Rgba32Like,
    Utf8Like,
    VideoTimestampLike,
)
from rerund_sdk.errors import BadData
from rerund_sdk.strictness import complain


class Asset3D(Visualizable, visualizer="Asset3D"):
    """A 3D model: a glTF, GLB, OBJ, PLY or STL file, by its path or contents.

    media_type: for example `model/gltf-binary`; guessed from path, or by the viewer from the bytes. albedo_factor: a
    colour that the whole model is multiplied with.
    """

    blob: BlobLike | None = field(Blob)
    media_type: Utf8Like | None = field(MediaType, default=None)
    albedo_factor: Rgba32Like | None = field(AlbedoFactor, default=None)

    def __init__(
        self,
        *,
        path: str | Path | None = None,
        contents: BlobLike | None = None,
        media_type: Utf8Like | None = None,
        albedo_factor: Rgba32Like | None = None,
    ) -> None:
        with forgiving(self):
            blob, media_type = contents_and_media_type(path, contents, media_type)
            self._set(blob=blob, media_type=media_type, albedo_factor=albedo_factor)


class AssetAudio(Visualizable, visualizer="AssetAudio"):
    """An audio file, by its path or contents. media_type: for example `audio/mpeg`; guessed from path."""

    blob: BlobLike | None = field(Blob)
    media_type: Utf8Like | None = field(MediaType, default=None)

    def __init__(
        self,
        *,
        path: str | Path | None = None,
        contents: BlobLike | None = None,
        media_type: Utf8Like | None = None,
    ) -> None:
        with forgiving(self):
            blob, media_type = contents_and_media_type(path, contents, media_type)
            self._set(blob=blob, media_type=media_type)


class AssetVideo(Archetype):
    """A video file, by its path or contents; its frames are shown by VideoFrameReference.

    media_type: for example `video/mp4`; guessed from path.
    """

    blob: BlobLike | None = field(Blob)
    media_type: Utf8Like | None = field(MediaType, default=None)

    def __init__(
        self,
        *,
        path: str | Path | None = None,
        contents: BlobLike | None = None,
        media_type: Utf8Like | None = None,
    ) -> None:
        with forgiving(self):
            blob, media_type = contents_and_media_type(path, contents, media_type)
            self._set(blob=blob, media_type=media_type)

    def read_frame_timestamps_nanos(self) -> npt.NDArray[np.int64]:
        """When each frame is shown, in nanoseconds, for VideoFrameReference. Raises BadData if that cannot be told."""
        from rerund_sdk.mp4 import frame_timestamps_nanos

        for batch in self.as_component_batches():
            if batch.component_descriptor().component == "AssetVideo:blob":
                return frame_timestamps_nanos(batch.as_arrow_array().flatten().to_numpy().tobytes())
        raise BadData("the video has no contents of which to read the frames")


class VideoFrameReference(Visualizable, visualizer="VideoFrameReference"):
    """Shows a frame of a video.

    timestamp: the frame's place in the video, in nanoseconds since its start; or seconds, or nanoseconds.
    video_reference: the entity with the video, by default this one.
    """

    timestamp: VideoTimestampLike | None = field(VideoTimestamp)
    video_reference: EntityPathLike | None = field(EntityPath, default=None)
    opacity: Float32Like | None = field(Opacity, default=None)
    draw_order: Float32Like | None = field(DrawOrder, default=None)

    def __init__(
        self,
        timestamp: VideoTimestampLike | None = None,
        *,
        seconds: float | None = None,
        nanoseconds: int | None = None,
        video_reference: EntityPathLike | None = None,
        opacity: Float32Like | None = None,
        draw_order: Float32Like | None = None,
    ) -> None:
        with forgiving(self):
            if timestamp is None:
                timestamp = VideoTimestamp(seconds=seconds, nanoseconds=nanoseconds)
            elif seconds is not None or nanoseconds is not None:
                raise BadData("a frame is given by only one of timestamp, seconds and nanoseconds")
            elif isinstance(timestamp, float):
                complain("VideoFrameReference: timestamp is in whole nanoseconds; use seconds for a float")
            self._set(timestamp=timestamp, video_reference=video_reference, opacity=opacity, draw_order=draw_order)

    @classmethod
    def columns_secs(cls, seconds: npt.ArrayLike) -> ComponentColumnList:
        """Frames over many rows, given in whole seconds."""
        return cls.columns(timestamp=np.asarray(seconds, np.int64) * 1_000_000_000)

    @classmethod
    def columns_millis(cls, milliseconds: npt.ArrayLike) -> ComponentColumnList:
        """Frames over many rows, given in whole milliseconds."""
        return cls.columns(timestamp=np.asarray(milliseconds, np.int64) * 1_000_000)

    @classmethod
    def columns_nanos(cls, nanoseconds: npt.ArrayLike) -> ComponentColumnList:
        """Frames over many rows, given in nanoseconds."""
        return cls.columns(timestamp=np.asarray(nanoseconds, np.int64))


class VideoStream(Visualizable, visualizer="VideoStream"):
    """A video that is logged frame by frame.

    codec: log it once, static. sample: one compressed frame as the codec's stream has it, in decoding order; without
    B-frames. is_keyframe: whether decoding can begin with it.
    """

    codec: VideoCodecLike = field(VideoCodec, kw_only=False)
    sample: BlobLike | None = field(VideoSample, default=None)
    is_keyframe: BoolLike | None = field(IsKeyframe, default=None)
    opacity: Float32Like | None = field(Opacity, default=None)
    draw_order: Float32Like | None = field(DrawOrder, default=None)
