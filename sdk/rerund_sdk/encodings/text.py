"""Text, and bytes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import IO, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from rerund_sdk.encoding import Encoding, batch_of
from rerund_sdk.storage import Blobs, Text, new_array


class Utf8(Encoding, storage=Text()):
    """A string."""

    value: str

    def __init__(self, value: Utf8Like) -> None:
        self.value = str(value)

    def __str__(self) -> str:
        return self.value

    def __hash__(self) -> int:
        return hash(self.value)


class EntityPath(Encoding, storage=Text()):
    """The path of an entity, for example `/arm/joint1`."""

    path: str

    def __init__(self, path: EntityPathLike) -> None:
        self.path = str(path)

    def __str__(self) -> str:
        return self.path

    def __hash__(self) -> int:
        return hash(self.path)


class Blob(Encoding, storage=Blobs()):
    """Bytes: a bytes object, an array of uint8, or an open binary file."""

    data: npt.NDArray[np.uint8]

    def __init__(self, data: BlobLike) -> None:
        self.data = np.frombuffer(data, np.uint8) if isinstance(data, bytes) else new_array(data, np.dtype(np.uint8))

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> npt.NDArray[Any]:
        return np.asarray(self.data, dtype=dtype)

    def __bytes__(self) -> bytes:
        return self.data.tobytes()

    def __len__(self) -> int:
        return len(self.data)


BlobBatch = batch_of(Blob)
EntityPathBatch = batch_of(EntityPath)
Utf8Batch = batch_of(Utf8)

BlobLike: TypeAlias = Blob | bytes | bytearray | memoryview | npt.NDArray[np.uint8] | IO[bytes]
BlobArrayLike: TypeAlias = BlobLike | Sequence[BlobLike]
EntityPathLike: TypeAlias = EntityPath | str
EntityPathArrayLike: TypeAlias = EntityPath | str | Sequence[EntityPathLike]
Utf8Like: TypeAlias = Utf8 | str
Utf8ArrayLike: TypeAlias = Utf8 | str | Sequence[Utf8Like] | npt.ArrayLike
