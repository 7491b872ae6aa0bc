"""What the bytes of an image mean."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from rerund_sdk.batch import Cell
from rerund_sdk.encoding import Choice, batch_of
from rerund_sdk.encodings.numbers import UInt32
from rerund_sdk.errors import BadData
from rerund_sdk.struct_encoding import Member, Struct


class ChannelDatatype(Choice):
    """The type of each number of a pixel."""

    U8 = 6
    I8 = 7
    U16 = 8
    I16 = 9
    U32 = 10
    I32 = 11
    U64 = 12
    I64 = 13
    F16 = 33
    F32 = 34
    F64 = 35

    @classmethod
    def from_np_dtype(cls, dtype: Any) -> ChannelDatatype:
        """Raises KeyError if there is none for it."""
        dtype = np.dtype(dtype)
        return _OF_DTYPE[dtype if dtype.isnative else dtype.newbyteorder("=")]

    def to_np_dtype(self) -> type:
        return _DTYPES[self]


_DTYPES: dict[ChannelDatatype, type] = {
    ChannelDatatype.U8: np.uint8,
    ChannelDatatype.I8: np.int8,
    ChannelDatatype.U16: np.uint16,
    ChannelDatatype.I16: np.int16,
    ChannelDatatype.U32: np.uint32,
    ChannelDatatype.I32: np.int32,
    ChannelDatatype.U64: np.uint64,
    ChannelDatatype.I64: np.int64,
    ChannelDatatype.F16: np.float16,
    ChannelDatatype.F32: np.float32,
    ChannelDatatype.F64: np.float64,
}
_OF_DTYPE = {np.dtype(dtype): datatype for datatype, dtype in _DTYPES.items()}


class ColorModel(Choice):
    """What the numbers of a pixel are, in their order."""

    L = 1
    RGB = 2
    RGBA = 3
    BGR = 4
    BGRA = 5

    def num_channels(self) -> int:
        """How many numbers a pixel has."""
        return len(self.name)


class PixelFormat(Choice):
    """Formats in which pixels share numbers: subsampled chroma and Bayer patterns."""

    Y_U_V12_LimitedRange = 20
    NV12 = 26
    YUY2 = 27
    Y8_FullRange = 30
    Y_U_V24_LimitedRange = 39
    Y_U_V24_FullRange = 40
    Y8_LimitedRange = 41
    Y_U_V12_FullRange = 44
    Y_U_V16_LimitedRange = 49
    Y_U_V16_FullRange = 50
    BayerRGGB8 = 128
    BayerBGGR8 = 129
    BayerGBRG8 = 130
    BayerGRBG8 = 131


PixelFormatLike: TypeAlias = PixelFormat | str | int
ColorModelLike: TypeAlias = ColorModel | str | int
ChannelDatatypeLike: TypeAlias = ChannelDatatype | str | int
PixelFormatArrayLike: TypeAlias = PixelFormatLike | Sequence[PixelFormatLike]
ColorModelArrayLike: TypeAlias = ColorModelLike | Sequence[ColorModelLike]
ChannelDatatypeArrayLike: TypeAlias = ChannelDatatypeLike | Sequence[ChannelDatatypeLike]

_MEMBERS = (
    Member("width", UInt32),
    Member("height", UInt32),
    Member("pixel_format", PixelFormat, optional=True),
    Member("color_model", ColorModel, optional=True),
    Member("channel_datatype", ChannelDatatype, optional=True),
)


def _format_cell(data: Any) -> Cell:
    """Most images of a stream have one format: its Arrow array is made once."""
    if isinstance(data, ImageFormat):
        return _array_of_format(data.width, data.height, data.pixel_format, data.color_model, data.channel_datatype)
    return ImageFormat._struct_cell(data)


@lru_cache(maxsize=64)
def _array_of_format(
    width: int,
    height: int,
    pixel_format: PixelFormat | None,
    color_model: ColorModel | None,
    channel_datatype: ChannelDatatype | None,
) -> pa.Array[Any]:
    image_format = ImageFormat(
        width, height, pixel_format=pixel_format, color_model=color_model, channel_datatype=channel_datatype
    )
    return ImageFormat._array([image_format])


class ImageFormat(Struct, members=_MEMBERS, cell=_format_cell):
    """Size in pixels, and either a pixel format, or a colour model (none for depth) and the datatype of a channel."""

    def __init__(
        self,
        width: int,
        height: int,
        *,
        pixel_format: PixelFormatLike | None = None,
        color_model: ColorModelLike | None = None,
        channel_datatype: ChannelDatatypeLike | None = None,
    ) -> None:
        self.width = int(width)
        self.height = int(height)
        if not (0 <= self.width < 2**32 and 0 <= self.height < 2**32):
            raise BadData(f"an image of {width} x {height} pixels: width and height must be from 0 to 4294967295")
        self.pixel_format = None if pixel_format is None else PixelFormat.auto(pixel_format)
        self.color_model = None if color_model is None else ColorModel.auto(color_model)
        self.channel_datatype = None if channel_datatype is None else ChannelDatatype.auto(channel_datatype)


ChannelDatatypeBatch = batch_of(ChannelDatatype)
ColorModelBatch = batch_of(ColorModel)
ImageFormatBatch = batch_of(ImageFormat)
PixelFormatBatch = batch_of(PixelFormat)

ImageFormatLike: TypeAlias = ImageFormat
ImageFormatArrayLike: TypeAlias = ImageFormat | Sequence[ImageFormat]
ImageLike: TypeAlias = npt.ArrayLike  # also PIL images and torch tensors
