"""What class ids and keypoint ids stand for: labels, colours, skeletons."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

from typing_extensions import Self

from rerund_sdk.columns import DescribedComponentBatch
from rerund_sdk.encoding import batch_of
from rerund_sdk.encodings.color import Rgba32, Rgba32Like
from rerund_sdk.encodings.numbers import ClassId, ClassIdLike, KeypointId, KeypointIdLike, UInt16
from rerund_sdk.encodings.text import Utf8, Utf8Like
from rerund_sdk.struct_encoding import Member, Struct


class AnnotationInfo(
    Struct, members=(Member("id", UInt16), Member("label", Utf8, optional=True), Member("color", Rgba32, optional=True))
):
    """Label and colour of a class or keypoint id. Also given as an id, or a tuple of these three."""

    def __init__(self, id: int, label: Utf8Like | None = None, color: Rgba32Like | None = None) -> None:
        self.id = int(id)
        self.label = label if label is None or isinstance(label, Utf8) else Utf8(label)
        self.color = color if color is None or isinstance(color, Rgba32) else Rgba32(color)

    @classmethod
    def _taken(cls, data: Any) -> Self:
        if isinstance(data, cls):
            return data
        return cls(data) if isinstance(data, int) else cls(*data)


class KeypointPair(Struct, members=(Member("keypoint0", KeypointId), Member("keypoint1", KeypointId))):
    """Two keypoints with a line between them. Also given as a tuple of ids."""

    def __init__(self, keypoint0: KeypointIdLike, keypoint1: KeypointIdLike) -> None:
        self.keypoint0 = keypoint0 if isinstance(keypoint0, KeypointId) else KeypointId(keypoint0)
        self.keypoint1 = keypoint1 if isinstance(keypoint1, KeypointId) else KeypointId(keypoint1)

    @classmethod
    def _taken(cls, data: Any) -> Self:
        return data if isinstance(data, cls) else cls(*data)


class ClassDescription(
    Struct,
    members=(
        Member("info", AnnotationInfo),
        Member("keypoint_annotations", AnnotationInfo, many=True),
        Member("keypoint_connections", KeypointPair, many=True),
    ),
):
    """A class: its own label and colour, those of its keypoints, and which of them are connected."""

    def __init__(
        self,
        *,
        info: AnnotationInfoLike,
        keypoint_annotations: Sequence[AnnotationInfoLike] | None = (),
        keypoint_connections: Sequence[KeypointPairLike] | None = (),
    ) -> None:
        self.info = AnnotationInfo._taken(info)
        self.keypoint_annotations = [AnnotationInfo._taken(item) for item in keypoint_annotations or ()]
        self.keypoint_connections = [KeypointPair._taken(item) for item in keypoint_connections or ()]

    @classmethod
    def _taken(cls, data: Any) -> Self:
        return data if isinstance(data, cls) else cls(info=data)

    def as_component_batches(self) -> list[DescribedComponentBatch]:
        """Logged by itself it is an annotation context of one class."""
        from rerund_sdk.archetypes import AnnotationContext

        return AnnotationContext([self]).as_component_batches()


class ClassDescriptionMapElem(
    Struct, members=(Member("class_id", ClassId), Member("class_description", ClassDescription))
):
    """A class id and its description. Also given as the description, or its info, which knows the id."""

    def __init__(self, class_id: ClassIdLike, class_description: ClassDescriptionLike) -> None:
        self.class_id = class_id if isinstance(class_id, ClassId) else ClassId(class_id)
        self.class_description = ClassDescription._taken(class_description)

    @classmethod
    def _taken(cls, data: Any) -> Self:
        if isinstance(data, cls):
            return data
        description = ClassDescription._taken(data)
        return cls(description.info.id, description)


AnnotationInfoBatch = batch_of(AnnotationInfo)
ClassDescriptionBatch = batch_of(ClassDescription)
ClassDescriptionMapElemBatch = batch_of(ClassDescriptionMapElem)
KeypointPairBatch = batch_of(KeypointPair)

AnnotationInfoLike: TypeAlias = "AnnotationInfo | int | tuple[int, str] | tuple[int, str, Rgba32Like]"
AnnotationInfoArrayLike: TypeAlias = "AnnotationInfo | Sequence[AnnotationInfoLike]"
ClassDescriptionLike: TypeAlias = "ClassDescription | AnnotationInfoLike"
ClassDescriptionArrayLike: TypeAlias = "ClassDescription | Sequence[ClassDescriptionLike]"
ClassDescriptionMapElemLike: TypeAlias = "ClassDescriptionMapElem | ClassDescriptionLike"
ClassDescriptionMapElemArrayLike: TypeAlias = "ClassDescriptionMapElem | Sequence[ClassDescriptionMapElemLike]"
KeypointPairLike: TypeAlias = "KeypointPair | Sequence[KeypointIdLike]"
KeypointPairArrayLike: TypeAlias = "KeypointPair | Sequence[KeypointPairLike]"
