"""Colours: one 32-bit number 0xRRGGBBAA each, from whatever people write colours as."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from rerund_sdk.batch import Cell
from rerund_sdk.encoding import Encoding, batch_of
from rerund_sdk.errors import BadData
from rerund_sdk.storage import Numbers, arrow_given, shown
from rerund_sdk.strictness import complain

_PACKED = Numbers(np.uint32)
_INTS = {int}
_CHANNEL_TYPES = (np.uint8, np.float32, np.float64)


def _packed(channels: npt.NDArray[Any]) -> npt.NDArray[np.uint32]:
    """Colours of shape (n, 3) or (n, 4) as 0xRRGGBBAA: floats from 0 to 1, anything else from 0 to 255."""
    if channels.size == 0:
        return np.empty(0, np.uint32)
    if channels.ndim != 2 or channels.shape[1] < 3:
        raise BadData(f"expected colours of shape (n, 3) or (n, 4), got shape {channels.shape}")
    if channels.dtype.kind == "f":
        with np.errstate(invalid="ignore"):  # nan becomes whatever the machine makes of it
            channels = np.round(channels * 255.0)
    if channels.shape[1] == 4:
        return channels.astype(np.uint8, "C").view(">u4")[:, 0].astype(np.uint32)
    in_a_row = np.empty(3 * len(channels) + 1, np.uint8)
    in_a_row[:-1].reshape(-1, 3)[...] = channels[:, :3]
    and_next = np.ndarray(len(channels), ">u4", in_a_row, strides=3)  # red, green, blue, and whatever comes next
    opaque: npt.NDArray[np.uint32] = and_next | np.uint32(255)
    return opaque


def _colors(data: Any) -> Cell:
    """One colour or many. A flat list of three or four numbers below 256 is one colour of channels."""
    kind = type(data)
    if kind is int:
        return _PACKED.cell(data)
    if (kind is list or kind is tuple) and len(data) in (3, 4) and set(map(type, data)) == _INTS:
        if min(data) >= 0 and max(data) < 256:  # the usual [255, 0, 0]
            red, green, blue, alpha = data if len(data) == 4 else (*data, 255)
            return red << 24 | green << 16 | blue << 8 | alpha
    elif isinstance(data, Rgba32):
        return data.rgba
    elif isinstance(data, np.integer):
        return _PACKED.cell(data)
    if (array := arrow_given(data, _PACKED.arrow_type)) is not None:
        return _PACKED.from_arrow(array)
    if isinstance(data, np.ndarray) and data.dtype == np.uint32 and data.ndim == 1 and data.flags.c_contiguous:
        return data
    if isinstance(data, Sequence) and len(data) == 0:
        return _PACKED.empty
    try:
        return _from_array(np.asarray(data).squeeze())
    except (ValueError, TypeError, IndexError, OverflowError):
        return _one_by_one(data)


def _from_array(values: npt.NDArray[Any]) -> Cell:
    if values.dtype == np.uint32:
        return values.flatten()
    if values.ndim <= 1:
        if values.dtype.type in _CHANNEL_TYPES:
            values = values.reshape((-1, 4) if values.size > 4 else (1, -1))
        elif values.size not in (3, 4):
            return values.astype(np.uint32).reshape(-1)
        elif np.max(values) < 256:
            values = values.reshape(1, -1)
        else:
            complain(
                f"{values.size} numbers above 255 may be colours 0xRRGGBBAA or channels; taken as colours: "
                "give them as np.array(..., dtype=np.uint32)"
            )
            return values.astype(np.uint32)
    return _packed(values)


def _one_by_one(data: Any) -> Cell:
    """A list that mixes numbers, lists of channels and Rgba32."""
    try:
        items = list(data)
    except TypeError:
        raise BadData(f"expected a colour or a list of colours, got {shown(data)}") from None
    return np.array([Rgba32(item).rgba for item in items], np.uint32)


class Rgba32(Encoding, storage=_PACKED, cell=_colors):
    """A colour in sRGB with separate alpha.

    Given as a number 0xRRGGBBAA, or as 3 or 4 channels: floats from 0 to 1 in a numpy array or list of floats, integers
    from 0 to 255 otherwise. Without alpha it is opaque.
    """

    rgba: int

    def __init__(self, rgba: Rgba32Like) -> None:
        if isinstance(rgba, np.ndarray):
            self.rgba = int(_packed(rgba.reshape(1, -1))[0])
        elif isinstance(rgba, Sequence) and not isinstance(rgba, str):
            channels = np.array(rgba).reshape(1, -1)
            if channels.size not in (3, 4):
                raise BadData(f"expected 3 or 4 colour channels, got {channels.size}")
            self.rgba = int(_packed(channels)[0])
        else:
            self.rgba = int(rgba)  # type: ignore[arg-type]

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> npt.NDArray[Any]:
        return np.asarray(self.rgba, dtype=np.uint32 if dtype is None else dtype)

    def __int__(self) -> int:
        return self.rgba

    def __hash__(self) -> int:
        return hash(self.rgba)


Rgba32Batch = batch_of(Rgba32)

Rgba32Like: TypeAlias = Rgba32 | int | npt.ArrayLike
Rgba32ArrayLike: TypeAlias = Rgba32 | int | npt.ArrayLike
