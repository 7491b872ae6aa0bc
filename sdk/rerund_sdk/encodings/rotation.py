"""Rotation about an axis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy.typing as npt

from rerund_sdk.encoding import batch_of
from rerund_sdk.encodings.numbers import Angle, AngleLike
from rerund_sdk.encodings.vectors import Vec3D
from rerund_sdk.errors import BadData
from rerund_sdk.struct_encoding import Member, Struct


class RotationAxisAngle(Struct, members=(Member("axis", Vec3D), Member("angle", Angle))):
    """A rotation about an axis, which need not be normalised; by exactly one of angle, radians and degrees."""

    def __init__(
        self,
        axis: npt.ArrayLike,
        angle: AngleLike | None = None,
        *,
        radians: float | None = None,
        degrees: float | None = None,
    ) -> None:
        if sum(given is not None for given in (angle, radians, degrees)) != 1:
            raise BadData("a rotation about an axis needs exactly one of angle, radians and degrees")
        self.axis = axis if isinstance(axis, Vec3D) else Vec3D(axis)
        if isinstance(angle, Angle):
            self.angle = angle
        else:
            self.angle = Angle(rad=radians if angle is None else angle, deg=degrees)


RotationAxisAngleBatch = batch_of(RotationAxisAngle)
RotationAxisAngleLike: TypeAlias = RotationAxisAngle
RotationAxisAngleArrayLike: TypeAlias = RotationAxisAngle | Sequence[RotationAxisAngle]
