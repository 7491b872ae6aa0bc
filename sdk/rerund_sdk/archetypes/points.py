"""Points, arrows and line strips."""

from __future__ import annotations

from rerund_sdk.archetype import Visualizable, field
from rerund_sdk.components import (
    ClassId,
    Color,
    DrawOrder,
    KeypointId,
    LineStrip2D,
    LineStrip2DArrayLike,
    LineStrip3D,
    LineStrip3DArrayLike,
    PointShading,
    PointShadingLike,
    Position2D,
    Position3D,
    Radius,
    ShowLabels,
    Text,
    Vector2D,
    Vector3D,
)
from rerund_sdk.encodings import (
    BoolLike,
    ClassIdArrayLike,
    Float32ArrayLike,
    Float32Like,
    KeypointIdArrayLike,
    Rgba32ArrayLike,
    Utf8ArrayLike,
    Vec2DArrayLike,
    Vec3DArrayLike,
)


class Points2D(Visualizable, visualizer="Points2D"):
    """Points in the plane.

    positions: (n, 2) float32. radii: scene units, or UI points if negative; one for all, or one each, as are colors
    and labels. draw_order: what lies above what; points are at 30. class_ids, keypoint_ids: look up label and colour
    in the annotation context; keypoint_ids alone are of class 0.
    """

    positions: Vec2DArrayLike = field(Position2D, kw_only=False)
    radii: Float32ArrayLike | None = field(Radius, default=None)
    colors: Rgba32ArrayLike | None = field(Color, default=None)
    labels: Utf8ArrayLike | None = field(Text, default=None)
    show_labels: BoolLike | None = field(ShowLabels, default=None)
    draw_order: Float32ArrayLike | None = field(DrawOrder, default=None)
    class_ids: ClassIdArrayLike | None = field(ClassId, default=None, implied_by="keypoint_ids", implied=0)
    keypoint_ids: KeypointIdArrayLike | None = field(KeypointId, default=None)


class Points3D(Visualizable, visualizer="Points3D"):
    """Points in space.

    positions: (n, 3) float32, scene units. radii: scene units, or UI points if negative; one for all, or one each, as
    are colors and labels. class_ids, keypoint_ids: look up label and colour in the annotation context; keypoint_ids
    alone are of class 0.
    """

    positions: Vec3DArrayLike = field(Position3D, kw_only=False)
    radii: Float32ArrayLike | None = field(Radius, default=None)
    colors: Rgba32ArrayLike | None = field(Color, default=None)
    labels: Utf8ArrayLike | None = field(Text, default=None)
    show_labels: BoolLike | None = field(ShowLabels, default=None)
    point_shading: PointShadingLike | None = field(PointShading, default=None)
    class_ids: ClassIdArrayLike | None = field(ClassId, default=None, implied_by="keypoint_ids", implied=0)
    keypoint_ids: KeypointIdArrayLike | None = field(KeypointId, default=None)


class Arrows2D(Visualizable, visualizer="Arrows2D"):
    """Arrows in the plane.

    vectors: (n, 2) float32, from base to tip. origins: (n, 2) where the bases are, by default (0, 0). radii: of the
    shafts, scene units, or UI points if negative. draw_order: what lies above what.
    """

    vectors: Vec2DArrayLike = field(Vector2D)
    origins: Vec2DArrayLike | None = field(Position2D, default=None)
    radii: Float32ArrayLike | None = field(Radius, default=None)
    colors: Rgba32ArrayLike | None = field(Color, default=None)
    labels: Utf8ArrayLike | None = field(Text, default=None)
    show_labels: BoolLike | None = field(ShowLabels, default=None)
    draw_order: Float32Like | None = field(DrawOrder, default=None)
    class_ids: ClassIdArrayLike | None = field(ClassId, default=None)


class Arrows3D(Visualizable, visualizer="Arrows3D"):
    """Arrows in space.

    vectors: (n, 3) float32, from base to tip. origins: (n, 3) where the bases are, by default (0, 0, 0). radii: of the
    shafts, scene units, or UI points if negative.
    """

    vectors: Vec3DArrayLike = field(Vector3D)
    origins: Vec3DArrayLike | None = field(Position3D, default=None)
    radii: Float32ArrayLike | None = field(Radius, default=None)
    colors: Rgba32ArrayLike | None = field(Color, default=None)
    labels: Utf8ArrayLike | None = field(Text, default=None)
    show_labels: BoolLike | None = field(ShowLabels, default=None)
    class_ids: ClassIdArrayLike | None = field(ClassId, default=None)


class LineStrips2D(Visualizable, visualizer="Lines2D"):
    """Connected lines in the plane.

    strips: a list of strips, (n_i, 2) float32 each, or one array (m, n, 2). radii: half the line width, scene units, or
    UI points if negative; one for all, or one a strip, as are colors and labels. draw_order: what lies above what.
    """

    strips: LineStrip2DArrayLike = field(LineStrip2D, kw_only=False)
    radii: Float32ArrayLike | None = field(Radius, default=None)
    colors: Rgba32ArrayLike | None = field(Color, default=None)
    labels: Utf8ArrayLike | None = field(Text, default=None)
    show_labels: BoolLike | None = field(ShowLabels, default=None)
    draw_order: Float32Like | None = field(DrawOrder, default=None)
    class_ids: ClassIdArrayLike | None = field(ClassId, default=None)


class LineStrips3D(Visualizable, visualizer="Lines3D"):
    """Connected lines in space.

    strips: a list of strips, (n_i, 3) float32 each, or one array (m, n, 3). radii: half the line width, scene units, or
    UI points if negative; one for all, or one a strip, as are colors and labels.
    """

    strips: LineStrip3DArrayLike = field(LineStrip3D, kw_only=False)
    radii: Float32ArrayLike | None = field(Radius, default=None)
    colors: Rgba32ArrayLike | None = field(Color, default=None)
    labels: Utf8ArrayLike | None = field(Text, default=None)
    show_labels: BoolLike | None = field(ShowLabels, default=None)
    class_ids: ClassIdArrayLike | None = field(ClassId, default=None)
