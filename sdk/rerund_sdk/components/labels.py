"""Text, names and ids."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, TypeAlias

from rerund_sdk import encodings
from rerund_sdk.encoding import Choice, Component, batch_of
from rerund_sdk.encodings import (
    ClassDescription,
    ClassDescriptionMapElem,
    ClassDescriptionMapElemLike,
    Utf8,
    Utf8Pair,
    Utf8PairLike,
)
from rerund_sdk.errors import BadData
from rerund_sdk.storage import shown
from rerund_sdk.struct_encoding import StructLists


def _class_map(data: Any) -> list[ClassDescriptionMapElem]:
    if isinstance(data, AnnotationContext):
        return data.class_map
    if isinstance(data, ClassDescription):
        data = [data]
    return [ClassDescriptionMapElem._taken(item) for item in data]


class AnnotationContext(Component, storage=StructLists(ClassDescriptionMapElem, _class_map)):
    """What the class and keypoint ids of an entity and its children mean: a list of class descriptions."""

    def __init__(self, class_map: AnnotationContextLike) -> None:
        self.class_map = _class_map(class_map)


class ClassId(encodings.ClassId, Component):
    """The id of a class in the annotation context, 0 to 65535."""


class EntityPath(encodings.EntityPath, Component):
    """The path of an entity."""


class GraphEdge(encodings.Utf8Pair, Component):
    """An edge between two nodes of a graph, by their ids."""


class GraphNode(Utf8, Component):
    """The id of a node of a graph."""


class GraphType(Choice):
    """Whether the edges of a graph have a direction."""

    Undirected = 1
    Directed = 2


def _pairs(data: Any) -> list[Utf8Pair]:
    if isinstance(data, KeyValuePairs):
        return data.pairs
    if isinstance(data, Mapping):
        return [Utf8Pair(key, value) for key, value in data.items()]
    if isinstance(data, str) or not hasattr(data, "__iter__"):
        raise BadData(f"expected a dict or pairs of strings, got {shown(data)}")
    return [pair for item in data for pair in (_pairs(item) if isinstance(item, Mapping) else [Utf8Pair._taken(item)])]


def _lists_of_pairs(data: Any) -> list[list[Utf8Pair]]:
    """A list that is not of pairs itself is a list of instances."""
    if isinstance(data, Sequence) and not isinstance(data, str):
        return [_pairs(item) for item in data]
    return [_pairs(data)]


class KeyValuePairs(Component, storage=StructLists(Utf8Pair, _pairs, _lists_of_pairs)):
    """Names and what they stand for: a dict, or pairs of strings."""

    def __init__(self, pairs: KeyValuePairsLike) -> None:
        self.pairs = _pairs(pairs)


class KeypointId(encodings.KeypointId, Component):
    """The id of a keypoint within its class, 0 to 65535."""


class Name(Utf8, Component):
    """A name to be shown."""


class Text(Utf8, Component):
    """Text."""


class TextLogLevel(Utf8, Component):
    """How severe a log message is; any text, but these have colours in the viewer."""

    CRITICAL: ClassVar[TextLogLevel]
    ERROR: ClassVar[TextLogLevel]
    WARN: ClassVar[TextLogLevel]
    INFO: ClassVar[TextLogLevel]
    DEBUG: ClassVar[TextLogLevel]
    TRACE: ClassVar[TextLogLevel]


TextLogLevel.CRITICAL = TextLogLevel("CRITICAL")
TextLogLevel.ERROR = TextLogLevel("ERROR")
TextLogLevel.WARN = TextLogLevel("WARN")
TextLogLevel.INFO = TextLogLevel("INFO")
TextLogLevel.DEBUG = TextLogLevel("DEBUG")
TextLogLevel.TRACE = TextLogLevel("TRACE")


class Unit(Utf8, Component):
    """A unit of measurement, for example `m/s`."""


class Url(Utf8, Component):
    """A link."""


AnnotationContextBatch = batch_of(AnnotationContext)
ClassIdBatch = batch_of(ClassId)
EntityPathBatch = batch_of(EntityPath)
GraphEdgeBatch = batch_of(GraphEdge)
GraphNodeBatch = batch_of(GraphNode)
GraphTypeBatch = batch_of(GraphType)
KeyValuePairsBatch = batch_of(KeyValuePairs)
KeypointIdBatch = batch_of(KeypointId)
NameBatch = batch_of(Name)
TextBatch = batch_of(Text)
TextLogLevelBatch = batch_of(TextLogLevel)
UnitBatch = batch_of(Unit)
UrlBatch = batch_of(Url)

AnnotationContextLike: TypeAlias = AnnotationContext | ClassDescription | Sequence[ClassDescriptionMapElemLike]
AnnotationContextArrayLike: TypeAlias = AnnotationContextLike
GraphTypeLike: TypeAlias = GraphType | str | int
GraphTypeArrayLike: TypeAlias = GraphTypeLike | Sequence[GraphTypeLike]
KeyValuePairsLike: TypeAlias = KeyValuePairs | Mapping[str, str] | Sequence[Utf8PairLike]
KeyValuePairsArrayLike: TypeAlias = KeyValuePairsLike | Sequence[KeyValuePairsLike]
