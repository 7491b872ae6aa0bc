"""What plots show: scalars and their looks, bar charts, states."""

from __future__ import annotations

from typing import Any

from rerund_sdk.archetype import Archetype, Visualizable, field, forgiving
from rerund_sdk.batch import Cell
from rerund_sdk.components import (
    AggregationPolicy,
    AggregationPolicyLike,
    Color,
    InterpolationMode,
    InterpolationModeLike,
    Length,
    MarkerShape,
    MarkerShapeArrayLike,
    MarkerSize,
    Name,
    Scalar,
    StrokeWidth,
    TensorData,
    Text,
    Unit,
    Variance,
    Visible,
)
from rerund_sdk.encodings import (
    BoolArrayLike,
    Float32ArrayLike,
    Float64ArrayLike,
    Rgba32ArrayLike,
    Rgba32Like,
    TensorDataLike,
    Utf8ArrayLike,
)
from rerund_sdk.strictness import complain


class Scalars(Archetype):
    """One or more numbers, float64, that a plot shows over time, each as a series of its own."""

    scalars: Float64ArrayLike = field(Scalar, kw_only=False)


class Measurements(Visualizable, visualizer="MeasurementsSeries"):
    """Numbers with their uncertainty. values, variances: (n,) float64. units: for example `m/s`. The rest is looks."""

    values: Float64ArrayLike = field(Scalar, kw_only=False)
    variances: Float64ArrayLike | None = field(Variance, default=None)
    units: Utf8ArrayLike | None = field(Unit, default=None)
    colors: Rgba32ArrayLike | None = field(Color, default=None)
    widths: Float32ArrayLike | None = field(StrokeWidth, default=None)
    names: Utf8ArrayLike | None = field(Name, default=None)
    visible_series: BoolArrayLike | None = field(Visible, default=None)
    aggregation_policy: AggregationPolicyLike | None = field(AggregationPolicy, default=None)
    interpolation_mode: InterpolationModeLike | None = field(InterpolationMode, default=None)


class SeriesLines(Visualizable, visualizer="SeriesLines"):
    """Shows scalars as lines; log it static. widths: UI points. One of each for every series."""

    colors: Rgba32ArrayLike | None = field(Color, default=None)
    widths: Float32ArrayLike | None = field(StrokeWidth, default=None)
    names: Utf8ArrayLike | None = field(Name, default=None)
    visible_series: BoolArrayLike | None = field(Visible, default=None)
    aggregation_policy: AggregationPolicyLike | None = field(AggregationPolicy, default=None)
    interpolation_mode: InterpolationModeLike | None = field(InterpolationMode, default=None)


class SeriesPoints(Visualizable, visualizer="SeriesPoints"):
    """Shows scalars as points; log it static. marker_sizes: radii, UI points. One of each for every series."""

    colors: Rgba32ArrayLike | None = field(Color, default=None)
    markers: MarkerShapeArrayLike | None = field(MarkerShape, default=None)
    names: Utf8ArrayLike | None = field(Name, default=None)
    visible_series: BoolArrayLike | None = field(Visible, default=None)
    marker_sizes: Float32ArrayLike | None = field(MarkerSize, default=None)

    def __init__(
        self,
        *,
        colors: Rgba32ArrayLike | None = None,
        markers: MarkerShapeArrayLike | None = None,
        names: Utf8ArrayLike | None = None,
        visible_series: BoolArrayLike | None = None,
        marker_sizes: Float32ArrayLike | None = None,
    ) -> None:
        with forgiving(self):
            if colors is markers is names is visible_series is marker_sizes is None:
                markers = MarkerShape.Circle  # something must say that these are points
            self._set(
                colors=colors, markers=markers, names=names, visible_series=visible_series, marker_sizes=marker_sizes
            )


def _bars(data: Any) -> Cell:
    cell = TensorData._cell(data)
    shape = tuple(int(extent) for extent in getattr(cell, "shape", ()))
    if sum(extent != 1 for extent in shape) > 1 or (not shape and cell != []):
        complain(f"BarChart: expected values of one dimension, got shape {shape}")
    return cell


class BarChart(Visualizable, visualizer="BarChart"):
    """Bars.

    values: (n,) integers or floats, their heights. abscissa: (n,), where they are, by default 0, 1, 2... widths: one
    for all, or one each, in units of the abscissa.
    """

    values: TensorDataLike = field(TensorData, kw_only=False, cell=_bars)
    color: Rgba32Like | None = field(Color, default=None)
    abscissa: TensorDataLike | None = field(TensorData, default=None)
    widths: Float32ArrayLike | None = field(Length, default=None)


class StateChange(Visualizable, visualizer="StateVisualizer"):
    """The state that something enters, by its name; shown in a state timeline."""

    state: Utf8ArrayLike | None = field(Text, default=None)


class StateConfiguration(Visualizable, visualizer="StateVisualizer"):
    """How states are shown: for each of values, the names that are logged, a label, a colour, and whether it is
    visible.
    """

    values: Utf8ArrayLike | None = field(Text, default=None)
    labels: Utf8ArrayLike | None = field(Text, default=None)
    colors: Rgba32ArrayLike | None = field(Color, default=None)
    visible: BoolArrayLike | None = field(Visible, default=None)
