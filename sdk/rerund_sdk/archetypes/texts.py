"""Text, annotations, graphs, maps of the globe; and what is said of a recording itself."""

from __future__ import annotations

from rerund_sdk.archetype import Archetype, Visualizable, field, forgiving
from rerund_sdk.components import (
    AnnotationContext as AnnotationContextComponent,
)
from rerund_sdk.components import (
    AnnotationContextLike,
    ClassId,
    ClearIsRecursive,
    Color,
    GeoLineString,
    GeoLineStringArrayLike,
    GraphEdge,
    GraphNode,
    GraphType,
    GraphTypeLike,
    LatLon,
    MediaType,
    Name,
    Position2D,
    Radius,
    ShowLabels,
    Text,
    TextLogLevel,
    Timestamp,
)
from rerund_sdk.encodings import (
    BoolLike,
    ClassIdArrayLike,
    DVec2DArrayLike,
    Float32ArrayLike,
    Rgba32ArrayLike,
    Rgba32Like,
    TimeIntLike,
    Utf8ArrayLike,
    Utf8Like,
    Utf8PairArrayLike,
    Vec2DArrayLike,
)


class TextLog(Visualizable, visualizer="TextLog"):
    """A line of a log. level: for example TextLogLevel.INFO; any text is allowed."""

    text: Utf8Like = field(Text, kw_only=False)
    level: Utf8Like | None = field(TextLogLevel, default=None)
    color: Rgba32Like | None = field(Color, default=None)


class TextDocument(Visualizable, visualizer="TextDocument"):
    """A text. media_type: `text/plain` by default, or `text/markdown`."""

    text: Utf8Like = field(Text, kw_only=False)
    media_type: Utf8Like | None = field(MediaType, default=None)


class AnnotationContext(Archetype):
    """What class and keypoint ids mean, for this entity and its children; log it static.

    context: a list of ids with labels and colours, `[(1, "red", (255, 0, 0)), ...]`, or of ClassDescription.
    """

    context: AnnotationContextLike = field(AnnotationContextComponent, kw_only=False)


class Clear(Archetype):
    """Empties all components of the entity from now on. recursive: those of its children too."""

    is_recursive: bool = field(ClearIsRecursive)

    def __init__(self, *, recursive: bool) -> None:
        self._set(is_recursive=recursive)

    @staticmethod
    def flat() -> Clear:
        """Clears the entity only."""
        return Clear(recursive=False)

    @staticmethod
    def recursive() -> Clear:
        """Clears the entity and its children."""
        return Clear(recursive=True)


class GraphNodes(Visualizable, visualizer="GraphNodes"):
    """Nodes of a graph. node_ids: n strings. positions: (n, 2) float32; without them the viewer lays the graph out."""

    node_ids: Utf8ArrayLike = field(GraphNode, kw_only=False)
    positions: Vec2DArrayLike | None = field(Position2D, default=None)
    colors: Rgba32ArrayLike | None = field(Color, default=None)
    labels: Utf8ArrayLike | None = field(Text, default=None)
    show_labels: BoolLike | None = field(ShowLabels, default=None)
    radii: Float32ArrayLike | None = field(Radius, default=None)


class GraphEdges(Visualizable, visualizer="GraphEdges"):
    """Edges of a graph: pairs of node ids. graph_type: directed or not."""

    edges: Utf8PairArrayLike = field(GraphEdge, kw_only=False)
    graph_type: GraphTypeLike | None = field(GraphType, default=None)


class GeoPoints(Visualizable, visualizer="GeoPoints"):
    """Places on the globe. lat_lon: (n, 2) float64, degrees of latitude and longitude (EPSG:4326). radii: meters."""

    positions: DVec2DArrayLike = field(LatLon)
    radii: Float32ArrayLike | None = field(Radius, default=None)
    colors: Rgba32ArrayLike | None = field(Color, default=None)
    class_ids: ClassIdArrayLike | None = field(ClassId, default=None)

    def __init__(
        self,
        *,
        lat_lon: DVec2DArrayLike,
        radii: Float32ArrayLike | None = None,
        colors: Rgba32ArrayLike | None = None,
        class_ids: ClassIdArrayLike | None = None,
    ) -> None:
        with forgiving(self):
            self._set(positions=lat_lon, radii=radii, colors=colors, class_ids=class_ids)


class GeoLineStrings(Visualizable, visualizer="GeoLineStrings"):
    """Lines on the globe. lat_lon: lines of (n_i, 2) float64, degrees of latitude and longitude. radii: meters."""

    line_strings: GeoLineStringArrayLike = field(GeoLineString)
    radii: Float32ArrayLike | None = field(Radius, default=None)
    colors: Rgba32ArrayLike | None = field(Color, default=None)

    def __init__(
        self,
        *,
        lat_lon: GeoLineStringArrayLike,
        radii: Float32ArrayLike | None = None,
        colors: Rgba32ArrayLike | None = None,
    ) -> None:
        with forgiving(self):
            self._set(line_strings=lat_lon, radii=radii, colors=colors)


class RecordingInfo(Archetype):
    """What a recording is called, and when it began: nanoseconds since 1970, UTC."""

    start_time: TimeIntLike | None = field(Timestamp, default=None)
    name: Utf8Like | None = field(Name, default=None)
