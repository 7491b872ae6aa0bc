"""Meshes, tensors, volumes and maps."""

from __future__ import annotations

from collections.abc import Sequence

from rerund_sdk import encodings
from rerund_sdk.archetype import Archetype, Visualizable, field, forgiving
from rerund_sdk.archetypes.images import as_bytes
from rerund_sdk.components import (
    AlbedoFactor,
    CellSize,
    ClassId,
    Color,
    Colormap,
    ColormapLike,
    DrawOrder,
    GammaCorrection,
    ImageBuffer,
    ImageFormat,
    MeshFaceRendering,
    MeshFaceRenderingLike,
    Opacity,
    OpticalDensity,
    Position3D,
    RotationAxisAngle,
    RotationQuat,
    TensorData,
    Texcoord2D,
    Translation3D,
    TriangleIndices,
    ValueRange,
    Vector3D,
    VoxelIndex,
    VoxelSize,
    VoxelValue,
)
from rerund_sdk.encodings import (
    BlobLike,
    ChannelDatatype,
    ClassIdArrayLike,
    ColorModel,
    Float32ArrayLike,
    Float32Like,
    ImageLike,
    IVec3DArrayLike,
    QuaternionLike,
    Range1DLike,
    Rgba32ArrayLike,
    Rgba32Like,
    RotationAxisAngleLike,
    TensorDataLike,
    TensorLike,
    UVec3DArrayLike,
    Vec2DArrayLike,
    Vec3DArrayLike,
    Vec3DLike,
)
from rerund_sdk.storage import to_numpy
from rerund_sdk.strictness import complain


class Mesh3D(Visualizable, visualizer="Mesh3D"):
    """A mesh of triangles.

    vertex_positions, vertex_normals: (n, 3) float32. triangle_indices: (m, 3) uint32; by default every three vertices
    are a triangle. vertex_colors: n colours. vertex_texcoords: (n, 2) float32, (0, 0) is the texture's top left.
    albedo_texture: (height, width, 3 or 4). albedo_factor: a colour that the whole mesh is multiplied with.
    """

    vertex_positions: Vec3DArrayLike = field(Position3D)
    triangle_indices: UVec3DArrayLike | None = field(TriangleIndices, default=None)
    vertex_normals: Vec3DArrayLike | None = field(Vector3D, default=None)
    vertex_colors: Rgba32ArrayLike | None = field(Color, default=None)
    vertex_texcoords: Vec2DArrayLike | None = field(Texcoord2D, default=None)
    albedo_factor: Rgba32Like | None = field(AlbedoFactor, default=None)
    face_rendering: MeshFaceRenderingLike | None = field(MeshFaceRendering, default=None)
    albedo_texture_buffer: BlobLike | None = field(ImageBuffer, default=None)
    albedo_texture_format: encodings.ImageFormatLike | None = field(ImageFormat, default=None)
    class_ids: ClassIdArrayLike | None = field(ClassId, default=None)

    def __init__(
        self,
        *,
        vertex_positions: Vec3DArrayLike,
        triangle_indices: UVec3DArrayLike | None = None,
        vertex_normals: Vec3DArrayLike | None = None,
        vertex_colors: Rgba32ArrayLike | None = None,
        vertex_texcoords: Vec2DArrayLike | None = None,
        albedo_texture: ImageLike | None = None,
        albedo_factor: Rgba32Like | None = None,
        face_rendering: MeshFaceRenderingLike | None = None,
        class_ids: ClassIdArrayLike | None = None,
    ) -> None:
        with forgiving(self):
            texture, texture_format = None, None
            if albedo_texture is not None:
                texture, texture_format = _texture(albedo_texture)
            self._set(
                vertex_positions=vertex_positions,
                triangle_indices=triangle_indices,
                vertex_normals=vertex_normals,
                vertex_colors=vertex_colors,
                vertex_texcoords=vertex_texcoords,
                albedo_factor=albedo_factor,
                face_rendering=face_rendering,
                albedo_texture_buffer=texture,
                albedo_texture_format=texture_format,
                class_ids=class_ids,
            )


def _texture(image: ImageLike) -> tuple[encodings.BlobLike | None, encodings.ImageFormat | None]:
    pixels = to_numpy(image)
    if pixels.ndim != 3 or pixels.shape[2] not in (3, 4):
        complain(f"Mesh3D: albedo_texture has shape (height, width, 3 or 4), got {pixels.shape}; it is left out")
        return None, None
    try:
        datatype = ChannelDatatype.from_np_dtype(pixels.dtype)
    except KeyError:
        complain(f"Mesh3D: albedo_texture has dtype {pixels.dtype}, which images cannot have; it is left out")
        return None, None
    height, width, channels = pixels.shape
    color_model = ColorModel.RGB if channels == 3 else ColorModel.RGBA
    return as_bytes(pixels), encodings.ImageFormat(width, height, color_model=color_model, channel_datatype=datatype)


class Tensor(Visualizable, visualizer="Tensor"):
    """An array of any number of dimensions, of integers or floats.

    data: an array, a torch tensor, or TensorData. dim_names: one name a dimension. value_range: (2,), the values that
    the colormap spans.
    """

    data: TensorDataLike | None = field(TensorData)
    value_range: Range1DLike | None = field(ValueRange, default=None)

    def __init__(
        self,
        data: TensorDataLike | TensorLike | None = None,
        *,
        dim_names: Sequence[str] | None = None,
        value_range: Range1DLike | None = None,
    ) -> None:
        with forgiving(self):
            if isinstance(data, encodings.TensorData):
                if dim_names is not None:
                    data = encodings.TensorData(shape=data.shape.tolist(), buffer=data.buffer, dim_names=dim_names)
            elif data is None or dim_names is not None:
                data = encodings.TensorData(array=data, dim_names=dim_names)
            self._set(data=data, value_range=value_range)


class Volume3D(Visualizable, visualizer="Volume3D"):
    """A box of values in space, drawn as a cloud.

    values: (depth, height, width). voxel_size: (3,), scene units. translation, quaternion: where it is. value_range:
    (2,), the values that the colormap spans. optical_density: how much light it absorbs over a length.
    """

    values: TensorDataLike = field(TensorData, kw_only=False)
    voxel_size: Vec3DLike | None = field(VoxelSize, default=None)
    translation: Vec3DLike | None = field(Translation3D, default=None)
    quaternion: QuaternionLike | None = field(RotationQuat, default=None)
    value_range: Range1DLike | None = field(ValueRange, default=None)
    gamma: Float32Like | None = field(GammaCorrection, default=None)
    colormap: ColormapLike | None = field(Colormap, default=None)
    optical_density: Float32Like | None = field(OpticalDensity, default=None)


class GridMap(Archetype):
    """A map of square cells, such as an occupancy grid.

    data, format: the cells as an image, the first row at the top. cell_size: the side of a cell, scene units.
    translation, rotation_axis_angle, quaternion: where its lower left corner is. opacity: 0 to 1.
    """

    data: BlobLike = field(ImageBuffer)
    format: encodings.ImageFormatLike = field(ImageFormat)
    cell_size: Float32Like = field(CellSize)
    translation: Vec3DLike | None = field(Translation3D, default=None)
    rotation_axis_angle: RotationAxisAngleLike | None = field(RotationAxisAngle, default=None)
    quaternion: QuaternionLike | None = field(RotationQuat, default=None)
    opacity: Float32Like | None = field(Opacity, default=None)
    draw_order: Float32Like | None = field(DrawOrder, default=None)
    colormap: ColormapLike | None = field(Colormap, default=None)


class VoxelGridMap(Visualizable, visualizer="VoxelGridMap"):
    """A sparse grid of voxels.

    voxel_indices: (n, 3) int32. voxel_size: (3,), scene units. values: (n,) float32, coloured by colormap over
    value_range; or n colors. translation, rotation_axis_angle, quaternion: where the grid is.
    """

    voxel_indices: IVec3DArrayLike = field(VoxelIndex, kw_only=False)
    voxel_size: Vec3DLike = field(VoxelSize, kw_only=False)
    values: Float32ArrayLike | None = field(VoxelValue, default=None)
    colors: Rgba32ArrayLike | None = field(Color, default=None)
    translation: Vec3DLike | None = field(Translation3D, default=None)
    rotation_axis_angle: RotationAxisAngleLike | None = field(RotationAxisAngle, default=None)
    quaternion: QuaternionLike | None = field(RotationQuat, default=None)
    opacity: Float32Like | None = field(Opacity, default=None)
    value_range: Range1DLike | None = field(ValueRange, default=None)
    colormap: ColormapLike | None = field(Colormap, default=None)
