"""How things are drawn: colours, widths, order, visibility."""

from __future__ import annotations

import colorsys
import math
from collections.abc import Sequence
from typing import TypeAlias

from rerund_sdk.encoding import Choice, Component, batch_of
from rerund_sdk.encodings import Bool, Float32, Rgba32

_GOLDEN_RATIO = (math.sqrt(5.0) - 1.0) / 2.0


class AggregationPolicy(Choice):
    """What a plot shows for several points that fall on one pixel."""

    Off = 1
    Average = 2
    Max = 3
    Min = 4
    MinMax = 5
    MinMaxAverage = 6


class AlbedoFactor(Rgba32, Component):
    """A colour that the whole surface is multiplied with."""


class Color(Rgba32, Component):
    """A colour in sRGB with separate alpha."""

    @staticmethod
    def from_string(s: str) -> Color:
        """A dark colour for a name: the same name has the same colour for as long as the process lives."""
        hue = (hash(s) & 0xFFFF) / 2**16 * _GOLDEN_RATIO
        return Color([round(channel * 255) for channel in colorsys.hsv_to_rgb(hue, 0.85, 0.5)])


class Colormap(Choice):
    """How values become colours."""

    Grayscale = 1
    Inferno = 2
    Magma = 3
    Plasma = 4
    Turbo = 5
    Viridis = 6
    CyanToYellow = 7
    Spectral = 8
    Twilight = 9
    RvizMap = 10
    RvizCostmap = 11
    Costmap = 12


class DrawOrder(Float32, Component):
    """What lies above what in 2D: higher values are drawn above lower ones. Images are at -10, points at 30."""


class FillMode(Choice):
    """How a shape is filled."""

    MajorWireframe = 1
    DenseWireframe = 2
    Solid = 3
    TransparentFillMajorWireframe = 4


class FillRatio(Float32, Component):
    """How much of the distance to its neighbours a point fills: 1 leaves no gaps."""


class GammaCorrection(Float32, Component):
    """The exponent that values from 0 to 1 are raised to."""


class Interactive(Bool, Component):
    """Whether one can hover over and select it in the viewer."""


class InterpolationMode(Choice):
    """How a plot connects its points."""

    Linear = 1
    StepAfter = 2
    StepBefore = 3
    StepMid = 4


class MagnificationFilter(Choice):
    """How an image is drawn when its pixels are larger than those of the screen."""

    Nearest = 1
    Linear = 2
    Bicubic = 3


class MarkerShape(Choice):
    """The shape of a point in a plot."""

    Circle = 1
    Diamond = 2
    Square = 3
    Cross = 4
    Plus = 5
    Up = 6
    Down = 7
    Left = 8
    Right = 9
    Asterisk = 10


class MarkerSize(Float32, Component):
    """The radius of a point in a plot, in UI points."""


class MeshFaceRendering(Choice):
    """Which sides of a mesh's triangles are drawn."""

    DoubleSided = 1
    Front = 2
    Back = 3


class Opacity(Float32, Component):
    """From 0, invisible, to 1, opaque."""


class OpticalDensity(Float32, Component):
    """How much light a volume absorbs over a length."""


class PointShading(Choice):
    """Whether points look like spheres or like discs."""

    Gradient = 1
    Flat = 2


class ShowLabels(Bool, Component):
    """Whether text labels are shown."""


class StrokeWidth(Float32, Component):
    """The width of a line, in UI points."""


class Visible(Bool, Component):
    """Whether it is shown."""


AggregationPolicyBatch = batch_of(AggregationPolicy)
AlbedoFactorBatch = batch_of(AlbedoFactor)
ColorBatch = batch_of(Color)
ColormapBatch = batch_of(Colormap)
DrawOrderBatch = batch_of(DrawOrder)
FillModeBatch = batch_of(FillMode)
FillRatioBatch = batch_of(FillRatio)
GammaCorrectionBatch = batch_of(GammaCorrection)
InteractiveBatch = batch_of(Interactive)
InterpolationModeBatch = batch_of(InterpolationMode)
MagnificationFilterBatch = batch_of(MagnificationFilter)
MarkerShapeBatch = batch_of(MarkerShape)
MarkerSizeBatch = batch_of(MarkerSize)
MeshFaceRenderingBatch = batch_of(MeshFaceRendering)
OpacityBatch = batch_of(Opacity)
OpticalDensityBatch = batch_of(OpticalDensity)
PointShadingBatch = batch_of(PointShading)
ShowLabelsBatch = batch_of(ShowLabels)
StrokeWidthBatch = batch_of(StrokeWidth)
VisibleBatch = batch_of(Visible)

AggregationPolicyLike: TypeAlias = AggregationPolicy | str | int
AggregationPolicyArrayLike: TypeAlias = AggregationPolicyLike | Sequence[AggregationPolicyLike]
ColormapLike: TypeAlias = Colormap | str | int
ColormapArrayLike: TypeAlias = ColormapLike | Sequence[ColormapLike]
FillModeLike: TypeAlias = FillMode | str | int
FillModeArrayLike: TypeAlias = FillModeLike | Sequence[FillModeLike]
InterpolationModeLike: TypeAlias = InterpolationMode | str | int
InterpolationModeArrayLike: TypeAlias = InterpolationModeLike | Sequence[InterpolationModeLike]
MagnificationFilterLike: TypeAlias = MagnificationFilter | str | int
MagnificationFilterArrayLike: TypeAlias = MagnificationFilterLike | Sequence[MagnificationFilterLike]
MarkerShapeLike: TypeAlias = MarkerShape | str | int
MarkerShapeArrayLike: TypeAlias = MarkerShapeLike | Sequence[MarkerShapeLike]
MeshFaceRenderingLike: TypeAlias = MeshFaceRendering | str | int
MeshFaceRenderingArrayLike: TypeAlias = MeshFaceRenderingLike | Sequence[MeshFaceRenderingLike]
PointShadingLike: TypeAlias = PointShading | str | int
PointShadingArrayLike: TypeAlias = PointShadingLike | Sequence[PointShadingLike]
