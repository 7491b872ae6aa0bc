"""Images, videos, files and tensors."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, TypeAlias

import numpy as np
import numpy.typing as npt

from rerund_sdk import encodings
from rerund_sdk.encoding import Choice, Component, ComponentBatch, batch_of
from rerund_sdk.encodings import Bool, Float32, Utf8, Utf8Like
from rerund_sdk.errors import BadData


class Blob(encodings.Blob, Component):
    """The bytes of a file."""


class DepthMeter(Float32, Component):
    """How many of a depth image's units make a meter: 1000 if its values are millimeters."""


class ImageBuffer(encodings.Blob, Component):
    """The bytes of an image's pixels, row by row."""


class ImageFormat(encodings.ImageFormat, Component):
    """What the bytes of an image mean."""


class IsKeyframe(Bool, Component):
    """Whether a video can be decoded from this sample on."""


class MediaType(Utf8, Component):
    """The type of a file: an IANA media type."""

    TEXT: ClassVar[MediaType]
    MARKDOWN: ClassVar[MediaType]
    JPEG: ClassVar[MediaType]
    PNG: ClassVar[MediaType]
    RVL: ClassVar[MediaType]
    GLB: ClassVar[MediaType]
    GLTF: ClassVar[MediaType]
    OBJ: ClassVar[MediaType]
    PLY: ClassVar[MediaType]
    STL: ClassVar[MediaType]
    MP4: ClassVar[MediaType]
    AAC: ClassVar[MediaType]
    FLAC: ClassVar[MediaType]
    M4A: ClassVar[MediaType]
    MP3: ClassVar[MediaType]
    OGG: ClassVar[MediaType]
    WAV: ClassVar[MediaType]

    def __init__(self, value: Utf8Like) -> None:  # its own, so that the constants below are of this class
        super().__init__(value)

    @staticmethod
    def guess_from_path(path: str | Path) -> MediaType | None:
        """The media type that the suffix of a file's name says, or None if it says nothing."""
        return _OF_SUFFIX.get(Path(path).suffix.lower())


MediaType.TEXT = MediaType("text/plain")
MediaType.MARKDOWN = MediaType("text/markdown")
MediaType.JPEG = MediaType("image/jpeg")
MediaType.PNG = MediaType("image/png")
MediaType.RVL = MediaType("application/rvl")
MediaType.GLB = MediaType("model/gltf-binary")
MediaType.GLTF = MediaType("model/gltf+json")
MediaType.OBJ = MediaType("model/obj")
MediaType.PLY = MediaType("application/x-ply")
MediaType.STL = MediaType("model/stl")
MediaType.MP4 = MediaType("video/mp4")
MediaType.AAC = MediaType("audio/aac")
MediaType.FLAC = MediaType("audio/flac")
MediaType.M4A = MediaType("audio/mp4")
MediaType.MP3 = MediaType("audio/mpeg")
MediaType.OGG = MediaType("audio/ogg")
MediaType.WAV = MediaType("audio/wav")

_OF_SUFFIX = {
    ".jpg": MediaType.JPEG,
    ".jpeg": MediaType.JPEG,
    ".png": MediaType.PNG,
    ".glb": MediaType.GLB,
    ".gltf": MediaType.GLTF,
    ".obj": MediaType.OBJ,
    ".ply": MediaType.PLY,
    ".stl": MediaType.STL,
    ".mp4": MediaType.MP4,
    ".aac": MediaType.AAC,
    ".flac": MediaType.FLAC,
    ".m4a": MediaType.M4A,
    ".mp3": MediaType.MP3,
    ".oga": MediaType.OGG,
    ".ogg": MediaType.OGG,
    ".opus": MediaType.OGG,
    ".wav": MediaType.WAV,
}


class TensorData(encodings.TensorData, Component):
    """A tensor."""


class TensorDimensionIndexSelection(encodings.TensorDimensionIndexSelection, Component):
    """Which slice of a tensor is shown along a dimension."""


class TensorHeightDimension(encodings.TensorDimensionSelection, Component):
    """Which dimension of a tensor is shown downwards."""


class TensorWidthDimension(encodings.TensorDimensionSelection, Component):
    """Which dimension of a tensor is shown rightwards."""


class Thumbnail(encodings.Blob, Component):
    """A small encoded image."""


class VideoCodec(Choice, dtype=np.uint32):
    """How a video is compressed: the codec's four letters as a number."""

    AV1 = 0x61763031
    H264 = 0x61766331
    H265 = 0x68657631
    VP8 = 0x76703038
    VP9 = 0x76703039


class VideoSample(encodings.Blob, Component):
    """The bytes of one compressed frame, as the codec's stream has them."""


class VideoTimestamp(encodings.VideoTimestamp, Component):
    """A place in a video: in nanoseconds or in seconds since its start."""

    def __init__(self, *, nanoseconds: int | None = None, seconds: float | None = None) -> None:
        if (nanoseconds is None) == (seconds is None):
            raise BadData("a VideoTimestamp needs either nanoseconds or seconds")
        super().__init__(int(seconds * 1e9 + 0.5) if nanoseconds is None else nanoseconds)  # type: ignore[operator]

    @staticmethod
    def seconds(seconds: npt.ArrayLike) -> ComponentBatch:
        """A batch of timestamps given in seconds."""
        return VideoTimestamp.nanoseconds(np.asarray(seconds) * 1e9)

    @staticmethod
    def milliseconds(milliseconds: npt.ArrayLike) -> ComponentBatch:
        """A batch of timestamps given in milliseconds."""
        return VideoTimestamp.nanoseconds(np.asarray(milliseconds) * 1e6)

    @staticmethod
    def nanoseconds(nanoseconds: npt.ArrayLike) -> ComponentBatch:
        """A batch of timestamps given in nanoseconds."""
        return VideoTimestampBatch(np.asarray(nanoseconds, np.int64))


BlobBatch = batch_of(Blob)
DepthMeterBatch = batch_of(DepthMeter)
ImageBufferBatch = batch_of(ImageBuffer)
ImageFormatBatch = batch_of(ImageFormat)
IsKeyframeBatch = batch_of(IsKeyframe)
MediaTypeBatch = batch_of(MediaType)
TensorDataBatch = batch_of(TensorData)
TensorDimensionIndexSelectionBatch = batch_of(TensorDimensionIndexSelection)
TensorHeightDimensionBatch = batch_of(TensorHeightDimension)
TensorWidthDimensionBatch = batch_of(TensorWidthDimension)
ThumbnailBatch = batch_of(Thumbnail)
VideoCodecBatch = batch_of(VideoCodec)
VideoSampleBatch = batch_of(VideoSample)
VideoTimestampBatch = batch_of(VideoTimestamp)

VideoCodecLike: TypeAlias = VideoCodec | str | int
VideoCodecArrayLike: TypeAlias = VideoCodecLike | Sequence[VideoCodecLike]
