"""Which way the axes of a space point."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from rerund_sdk.batch import Cell
from rerund_sdk.encoding import Choice, Encoding, batch_of
from rerund_sdk.errors import BadData
from rerund_sdk.storage import Vectors, arrow_given, shown


class ViewDir(Choice):
    """A direction as the viewer sees it."""

    Up = 1
    Down = 2
    Right = 3
    Left = 4
    Forward = 5
    Back = 6


ViewDirLike: TypeAlias = ViewDir | str | int
ViewDirArrayLike: TypeAlias = ViewDirLike | Sequence[ViewDirLike]


def _coordinates_cell(data: Any) -> Cell:
    storage = ViewCoordinates._storage
    if isinstance(data, ViewCoordinates):
        return np.array([[direction.value for direction in data.coordinates]], np.uint8)
    if (array := arrow_given(data, storage.arrow_type)) is not None:
        return storage.from_arrow(array)
    data = list(data)
    if data and not isinstance(data[0], ViewDir | str | int | np.integer):
        return np.concatenate([_coordinates_cell(item) for item in data])
    return _coordinates_cell(ViewCoordinates(data)) if data else storage.empty


class ViewCoordinates(Encoding, storage=Vectors(np.uint8, 3), cell=_coordinates_cell):
    """Where +X, +Y and +Z point, as three directions: members of ViewDir, their names or numbers."""

    def __init__(self, coordinates: ViewCoordinatesLike) -> None:
        if isinstance(coordinates, ViewCoordinates):
            self.coordinates: list[ViewDir] = list(coordinates.coordinates)
            return
        self.coordinates = [ViewDir.auto(direction) for direction in coordinates]  # type: ignore[union-attr,arg-type]
        if len(self.coordinates) != 3:
            raise BadData(f"expected three directions, for x, y and z, got {shown(coordinates)}")

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> npt.NDArray[Any]:
        return np.array([direction.value for direction in self.coordinates], dtype=np.uint8 if dtype is None else dtype)

    def __len__(self) -> int:
        return 3


ViewCoordinatesBatch = batch_of(ViewCoordinates)
ViewDirBatch = batch_of(ViewDir)

ViewCoordinatesLike: TypeAlias = ViewCoordinates | Sequence[ViewDirLike] | npt.ArrayLike
ViewCoordinatesArrayLike: TypeAlias = ViewCoordinates | Sequence[ViewCoordinatesLike] | npt.ArrayLike
