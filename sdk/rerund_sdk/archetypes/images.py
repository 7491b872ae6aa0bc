"""Images: raw, encoded, of depth, of classes."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rerund_sdk import encodings
from rerund_sdk.archetype import Visualizable, field, forgiving
from rerund_sdk.components import (
    Blob,
    Colormap,
    ColormapLike,
    DepthMeter,
    DrawOrder,
    FillRatio,
    ImageBuffer,
    ImageFormat,
    MagnificationFilter,
    MagnificationFilterLike,
    MediaType,
    Opacity,
    ValueRange,
)
from rerund_sdk.encodings import (
    BlobLike,
    ChannelDatatype,
    ChannelDatatypeLike,
    ColorModel,
    ColorModelLike,
    Float32Like,
    ImageLike,
    PixelFormatLike,
    Range1DLike,
    Utf8Like,
)
from rerund_sdk.errors import BadData
from rerund_sdk.storage import Values, to_numpy
from rerund_sdk.strictness import catch_and_log_exceptions, complain

if TYPE_CHECKING:
    from PIL.Image import Image as PilImage

_COLOR_MODEL_OF_CHANNELS = {1: ColorModel.L, 3: ColorModel.RGB, 4: ColorModel.RGBA}


def pixels_and_shape(image: ImageLike) -> tuple[Values, tuple[int, ...]]:
    """`image` as an array, and its shape without leading or trailing dimensions of size 1 beyond the first two."""
    pixels = to_numpy(image)
    shape = pixels.shape
    while len(shape) > 2 and shape[0] == 1:
        shape = shape[1:]
    while len(shape) > 2 and shape[-1] == 1:
        shape = shape[:-1]
    return pixels, shape


def as_bytes(pixels: Values) -> Values:
    """The bytes of an array in C order and the machine's byte order; shared with it where possible."""
    if not (pixels.flags.c_contiguous and pixels.dtype.isnative):
        pixels = np.ascontiguousarray(pixels, pixels.dtype.newbyteorder("="))
    return pixels.reshape(-1).view(np.uint8)


def channel_datatype(pixels: Values, what: str) -> ChannelDatatype:
    try:
        return ChannelDatatype.from_np_dtype(pixels.dtype)
    except KeyError:
        raise BadData(f"{what} of dtype {pixels.dtype}: pixels are integers or floats of 8 to 64 bits") from None


class _WithBuffer(Visualizable):
    """An archetype with raw pixels."""

    __slots__ = ()

    def image_format(self: Any) -> encodings.ImageFormat:
        """Size, colour model and datatype of the image."""
        return encodings.ImageFormat(**self.format.as_arrow_array()[0].as_py())

    def _pixels(self: Any) -> Values:
        image_format = self.image_format()
        if image_format.pixel_format is not None:
            raise BadData(f"an image of pixel format {image_format.pixel_format} cannot be made a PIL image")
        values = self.buffer.as_arrow_array().values.to_numpy().view(image_format.channel_datatype.to_np_dtype())
        channels = 1 if image_format.color_model is None else image_format.color_model.num_channels()
        shape = (image_format.height, image_format.width, channels)
        return values.reshape(shape[:2] if channels == 1 else shape)  # type: ignore[no-any-return]


class Image(_WithBuffer, visualizer="Image"):
    """An image of L, RGB or RGBA pixels, or of any other colour model or pixel format.

    image: (height, width) or (height, width, channels), of integers or floats; arrays, torch tensors, PIL images. Or
    bytes with width and height, and either pixel_format, or color_model and datatype. opacity: 0 to 1. draw_order:
    what lies above what; images are at -10.
    """

    buffer: BlobLike | None = field(ImageBuffer)
    format: encodings.ImageFormatLike | None = field(ImageFormat)
    opacity: Float32Like | None = field(Opacity, default=None)
    draw_order: Float32Like | None = field(DrawOrder, default=None)
    magnification_filter: MagnificationFilterLike | None = field(MagnificationFilter, default=None)

    def __init__(
        self,
        image: ImageLike | None = None,
        color_model: ColorModelLike | None = None,
        *,
        pixel_format: PixelFormatLike | None = None,
        datatype: ChannelDatatypeLike | type | None = None,
        bytes: bytes | None = None,
        width: int | None = None,
        height: int | None = None,
        opacity: Float32Like | None = None,
        draw_order: Float32Like | None = None,
        magnification_filter: MagnificationFilterLike | None = None,
    ) -> None:
        if bytes is not None:
            if width is None or height is None:
                raise BadData("an Image given as bytes needs width and height")
            image_format = _format_of_bytes(width, height, pixel_format, color_model, datatype)
            buffer: Any = as_bytes(bytes) if isinstance(bytes, np.ndarray) else bytes
        elif image is None:
            raise BadData("an Image needs image or bytes")
        else:
            pixels, shape = pixels_and_shape(image)
            image_format = _format_of_array(pixels, shape, color_model)
            for name, given, real in (("width", width, shape[1]), ("height", height, shape[0])):
                if given is not None and given != real:
                    raise BadData(f"an Image of {name} {real}, but {name} = {given} was given: leave it out")
            buffer = as_bytes(pixels)
        self._set(
            buffer=buffer,
            format=image_format,
            opacity=opacity,
            draw_order=draw_order,
            magnification_filter=magnification_filter,
        )

    def as_pil_image(self) -> PilImage:
        """The image for Pillow, which must be installed."""
        from PIL import Image as pil

        pixels = self._pixels()
        color_model = self.image_format().color_model
        if color_model is ColorModel.BGR:
            pixels = pixels[:, :, ::-1]
        elif color_model is ColorModel.BGRA:
            pixels = pixels[:, :, [2, 1, 0, 3]]
        return pil.fromarray(np.ascontiguousarray(pixels))

    def compress(self, jpeg_quality: int = 95) -> EncodedImage | Image:
        """The image as JPEG; only of 8-bit L, RGB or BGR pixels. jpeg_quality: 1 to 95. Needs Pillow."""
        with catch_and_log_exceptions("Image.compress"):
            image_format = self.image_format()
            if image_format.color_model not in (ColorModel.L, ColorModel.RGB, ColorModel.BGR):
                raise BadData(f"only L, RGB and BGR images can become JPEG, not {image_format.color_model}")
            if image_format.channel_datatype is not ChannelDatatype.U8:
                raise BadData(f"only U8 images can become JPEG, not {image_format.channel_datatype}")
            encoded = BytesIO()
            self.as_pil_image().save(encoded, format="JPEG", quality=jpeg_quality)
            return EncodedImage(contents=encoded.getvalue(), media_type="image/jpeg")
        return self


def _format_of_bytes(
    width: int,
    height: int,
    pixel_format: PixelFormatLike | None,
    color_model: ColorModelLike | None,
    datatype: ChannelDatatypeLike | type | None,
) -> encodings.ImageFormat:
    if pixel_format is not None:
        if datatype is not None or color_model is not None:
            raise BadData("pixel_format says all about an Image's bytes: leave out color_model and datatype")
        return encodings.ImageFormat(width, height, pixel_format=pixel_format)
    if datatype is None or color_model is None:
        raise BadData("an Image given as bytes needs pixel_format, or both color_model and datatype")
    if isinstance(datatype, type | np.dtype):
        datatype = ChannelDatatype.from_np_dtype(datatype)
    return encodings.ImageFormat(width, height, color_model=color_model, channel_datatype=datatype)


def _format_of_array(
    pixels: Values, shape: tuple[int, ...], color_model: ColorModelLike | None
) -> encodings.ImageFormat:
    if len(shape) not in (2, 3):
        raise BadData(f"an Image has shape (height, width) or (height, width, channels), got {pixels.shape}")
    channels = 1 if len(shape) == 2 else shape[2]
    if color_model is None:
        color_model = _COLOR_MODEL_OF_CHANNELS.get(channels)
        if color_model is None:
            complain(f"Image: expected 1, 3 or 4 channels, got {channels}")
    else:
        color_model = ColorModel.auto(color_model)
        if color_model.num_channels() != channels:
            complain(f"Image: {color_model} has {color_model.num_channels()} channels, but the image has {channels}")
    datatype = None
    try:
        datatype = channel_datatype(pixels, "an Image")
    except BadData as error:
        complain(f"Image: {error}")
    return encodings.ImageFormat(shape[1], shape[0], color_model=color_model, channel_datatype=datatype)


class DepthImage(_WithBuffer, visualizer="DepthImage"):
    """An image of distances.

    image: (height, width), integers or floats. meter: how many units make a meter, for example 1000 for millimeters;
    by default 1 for floats and 1000 for integers. depth_range: (2,), the values that the colormap spans.
    point_fill_ratio: how large its points are in 3D, 1 fills all gaps. draw_order: what lies above what; depth images
    are at -20.
    """

    buffer: BlobLike | None = field(ImageBuffer)
    format: encodings.ImageFormatLike | None = field(ImageFormat)
    meter: Float32Like | None = field(DepthMeter, default=None)
    colormap: ColormapLike | None = field(Colormap, default=None)
    depth_range: Range1DLike | None = field(ValueRange, default=None)
    point_fill_ratio: Float32Like | None = field(FillRatio, default=None)
    draw_order: Float32Like | None = field(DrawOrder, default=None)
    magnification_filter: MagnificationFilterLike | None = field(MagnificationFilter, default=None)

    def __init__(
        self,
        image: ImageLike,
        *,
        meter: Float32Like | None = None,
        colormap: ColormapLike | None = None,
        depth_range: Range1DLike | None = None,
        point_fill_ratio: Float32Like | None = None,
        draw_order: Float32Like | None = None,
        magnification_filter: MagnificationFilterLike | None = None,
    ) -> None:
        pixels, image_format = _single_channel(image, "a DepthImage")
        self._set(
            buffer=as_bytes(pixels),
            format=image_format,
            meter=meter,
            colormap=colormap,
            depth_range=depth_range,
            point_fill_ratio=point_fill_ratio,
            draw_order=draw_order,
            magnification_filter=magnification_filter,
        )

    def as_pil_image(self) -> PilImage:
        """The image for Pillow, which must be installed."""
        from PIL import Image as pil

        return pil.fromarray(self._pixels())

    def compress(self, compress_level: int = 6) -> EncodedDepthImage | DepthImage:
        """The image as PNG; only of 8 or 16-bit integers without sign. compress_level: 0 to 9. Needs Pillow."""
        with catch_and_log_exceptions("DepthImage.compress"):
            datatype = self.image_format().channel_datatype
            if datatype not in (ChannelDatatype.U8, ChannelDatatype.U16):
                raise BadData(f"only U8 and U16 depth images can become PNG, not {datatype}")
            encoded = BytesIO()
            self.as_pil_image().save(encoded, format="PNG", compress_level=compress_level)
            return EncodedDepthImage(
                encoded.getvalue(),
                media_type="image/png",
                meter=self.meter,
                colormap=self.colormap,
                depth_range=self.depth_range,
                point_fill_ratio=self.point_fill_ratio,
                draw_order=self.draw_order,
            )
        return self


def _single_channel(image: ImageLike, what: str) -> tuple[Values, encodings.ImageFormat]:
    pixels, shape = pixels_and_shape(image)
    if len(shape) != 2:
        raise BadData(f"{what} has shape (height, width), got {pixels.shape}")
    return pixels, encodings.ImageFormat(shape[1], shape[0], channel_datatype=channel_datatype(pixels, what))


class SegmentationImage(_WithBuffer, visualizer="SegmentationImage"):
    """An image of class ids, whose labels and colours are in the annotation context.

    image: (height, width), integers. opacity: 0 to 1. draw_order: what lies above what; segmentation images are at 0.
    """

    buffer: BlobLike | None = field(ImageBuffer)
    format: encodings.ImageFormatLike | None = field(ImageFormat)
    opacity: Float32Like | None = field(Opacity, default=None)
    draw_order: Float32Like | None = field(DrawOrder, default=None)

    def __init__(
        self, image: ImageLike, *, opacity: Float32Like | None = None, draw_order: Float32Like | None = None
    ) -> None:
        pixels, image_format = _single_channel(image, "a SegmentationImage")
        self._set(buffer=as_bytes(pixels), format=image_format, opacity=opacity, draw_order=draw_order)


def contents_and_media_type(
    path: str | Path | None, contents: Any, media_type: Utf8Like | None
) -> tuple[Any, Utf8Like | None]:
    """The bytes of a file given by its path or by its contents, and its media type, guessed from the path."""
    if (path is None) == (contents is None):
        raise BadData("a file is given by either path or contents")
    if path is None:
        return contents, media_type
    return Path(path).read_bytes(), MediaType.guess_from_path(path) if media_type is None else media_type


class EncodedImage(Visualizable, visualizer="EncodedImage"):
    """An image as a JPEG or PNG file, by its path or contents. contents also need media_type, for example `image/jpeg`.

    opacity: 0 to 1. draw_order: what lies above what; images are at -10.
    """

    blob: BlobLike | None = field(Blob)
    media_type: Utf8Like | None = field(MediaType, default=None)
    opacity: Float32Like | None = field(Opacity, default=None)
    draw_order: Float32Like | None = field(DrawOrder, default=None)
    magnification_filter: MagnificationFilterLike | None = field(MagnificationFilter, default=None)

    def __init__(
        self,
        *,
        path: str | Path | None = None,
        contents: BlobLike | None = None,
        media_type: Utf8Like | None = None,
        opacity: Float32Like | None = None,
        draw_order: Float32Like | None = None,
        magnification_filter: MagnificationFilterLike | None = None,
    ) -> None:
        with forgiving(self):
            blob, media_type = contents_and_media_type(path, contents, media_type)
            if path is None and media_type is None:
                raise BadData("an EncodedImage given as contents needs media_type, for example 'image/jpeg'")
            self._set(
                blob=blob,
                media_type=media_type,
                opacity=opacity,
                draw_order=draw_order,
                magnification_filter=magnification_filter,
            )


class EncodedDepthImage(Visualizable, visualizer="EncodedDepthImage"):
    """A depth image as a PNG or RVL file. The other fields are as for DepthImage."""

    blob: BlobLike = field(Blob, kw_only=False)
    media_type: Utf8Like | None = field(MediaType, default=None)
    meter: Float32Like | None = field(DepthMeter, default=None)
    colormap: ColormapLike | None = field(Colormap, default=None)
    depth_range: Range1DLike | None = field(ValueRange, default=None)
    point_fill_ratio: Float32Like | None = field(FillRatio, default=None)
    draw_order: Float32Like | None = field(DrawOrder, default=None)
    magnification_filter: MagnificationFilterLike | None = field(MagnificationFilter, default=None)
