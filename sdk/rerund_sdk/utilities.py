"""Made-up data for examples and tests. Mirrors `rerun.utilities`, value for value.

turbo.csv is Google's colour map Turbo, by Anton Mikhailov (Apache License 2.0).
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

_Numbers = TypeVar("_Numbers", float, "npt.NDArray[np.float64]")


class ColorGrid(NamedTuple):
    """Points (n, 3) and their colours (n, 3) of uint8."""

    positions: npt.NDArray[np.float64]
    colors: npt.NDArray[np.uint8]


class ColorSpiral(NamedTuple):
    """Points (n, 3) and their colours (n, 3) from 0 to 1."""

    positions: npt.NDArray[np.float64]
    colors: npt.NDArray[np.float64]


def build_color_grid(x_count: int = 10, y_count: int = 10, z_count: int = 10, *, twist: float = 0) -> ColorGrid:
    """A cube of points from -10 to 10, coloured by place; twist: radians between its bottom and its top."""
    counts = (x_count, y_count, z_count)
    x, y, z = np.meshgrid(*(np.linspace(-10, 10, count) for count in counts), indexing="ij")
    angle = np.linspace(-float(twist) / 2, float(twist) / 2, z_count)
    turned = x * np.cos(angle) - y * np.sin(angle), x * np.sin(angle) + y * np.cos(angle), z
    colors = np.meshgrid(*(np.linspace(0, 255, count) for count in counts), indexing="ij")
    return ColorGrid(_rows(turned), _rows(colors).astype(np.uint8))


def build_color_spiral(
    num_points: int = 100,
    *,
    radius: float = 2,
    angular_step: float = 0.02,
    angular_offset: float = 0,
    z_step: float = 0.1,
) -> ColorSpiral:
    """Points up a spiral; angular_step: turns from one to the next; angular_offset: radians of the first."""
    number = np.arange(num_points)
    angle = number * (2 * np.pi) * angular_step + angular_offset
    positions = np.stack([np.cos(angle) * radius, np.sin(angle) * radius, number * z_step], axis=1)
    colors = _turbo()
    return ColorSpiral(positions, colors[np.linspace(0, len(colors) - 1, num_points, dtype=int)])


def bounce_lerp(a: float, b: float, t: _Numbers) -> _Numbers:
    """From a to b while t goes from 0 to 1, back again while it goes to 2, and so on."""
    part = t % 1
    if int(t) % 2:
        part = 1 - part
    return (1.0 - part) * a + part * b


def _rows(axes: Any) -> npt.NDArray[np.float64]:
    return np.stack([axis.ravel() for axis in axes], axis=1)


@functools.cache
def _turbo() -> npt.NDArray[np.float64]:
    return np.loadtxt(Path(__file__).with_name("turbo.csv"), delimiter=",", skiprows=1)


color_grid = build_color_grid()
color_spiral = build_color_spiral()
