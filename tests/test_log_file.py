"""Files that a person would drop into a viewer, as the official SDK logs them."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest
import rerun
import rerun.blueprint

import rerund_sdk as rr
from rerund_sdk.errors import BadData
from rerund_sdk.loading import load, load_all
from rerund_sdk.point_cloud import point_cloud
from rerund_sdk.strictness import RerunWarning
from tests.strict_compare import differences

PLY = """ply
format ascii 1.0
comment two points
element vertex 2
property float x
property float y
property float z
property uchar red
property uchar green
property uchar blue
element face 0
property list uchar int vertex_index
end_header
0 0 0 255 0 0
1 1.5 1 0 255 10
"""
CONTENTS = {
    **{
        f"image.{kind}": b"\x89image"
        for kind in ("png", "jpg", "jpeg", "webp", "bmp", "gif", "tiff", "tga", "ico", "avif")
    },
    **{f"model.{kind}": b"a model" for kind in ("glb", "gltf", "obj", "stl", "dae")},
    **{f"sound.{kind}": b"a sound" for kind in ("mp3", "wav", "ogg")},
    "text.txt": "Grüße".encode(),
    "UPPER.MD": b"# title",
    "cloud.ply": PLY.encode(),
    "with space & more.txt": b"x",
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    made = tmp_path / "files"
    (made / "sub" / "deep").mkdir(parents=True)
    for name, content in CONTENTS.items():
        (made / name).write_bytes(content)
    (made / "sub" / "deep" / "note.txt").write_text("deep")
    (made / "sub" / "unknown.xyz").write_text("?")
    monkeypatch.chdir(made)
    return made


def logged(module: Any, path: Path, *args: Any, **kwargs: Any) -> Path:
    recording = module.RecordingStream("app", recording_id="r", send_properties=False)
    recording.save(path)
    recording.set_time("frame", sequence=1)
    recording.log_file_from_path(*args, **kwargs)
    recording.flush()
    recording.disconnect()
    return path


def assert_same(tmp_path: Path, *args: Any, **kwargs: Any) -> None:
    ours = logged(rr, tmp_path / "ours.rrd", *args, **kwargs)
    theirs = logged(rerun, tmp_path / "theirs.rrd", *args, **kwargs)
    assert differences(theirs, ours) == []


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("name", CONTENTS)
def test_a_file_is_logged_as_the_official_sdk_does(name: str, tmp_path: Path) -> None:
    assert_same(tmp_path, name)


def test_paths_and_prefixes_make_the_same_entities(folder: Path, tmp_path: Path) -> None:
    assert_same(tmp_path, "./sub/deep/note.txt")
    assert_same(tmp_path, folder / "text.txt", entity_path_prefix="pre/fix")
    assert_same(tmp_path, Path("text.txt"), static=True)


@pytest.mark.usefixtures("folder")
def test_a_folder_is_logged_whole(tmp_path: Path) -> None:
    assert load(logged(rr, tmp_path / "a.rrd", "sub")).entities == ("/sub/deep/note.txt",)


@pytest.mark.usefixtures("folder")
def test_contents_are_logged_under_their_name() -> None:
    recording = rr.RecordingStream("app", send_properties=False)
    recording.log_file_from_contents("some/name.txt", b"text", entity_path_prefix="p")
    assert load(recording).table("/p/some/name.txt")["TextDocument:text"].to_pylist() == [["text"]]


def test_an_rrd_file_keeps_its_recordings_and_a_blueprint_comes_to_the_application(tmp_path: Path) -> None:
    other = rr.RecordingStream("other", recording_id="theirs", send_properties=False)
    other.save(tmp_path / "other.rrd")
    other.log("a", rr.Scalars(1.0))
    other.disconnect()
    rerun.blueprint.Blueprint(rerun.blueprint.TextLogView()).save("other", tmp_path / "layout.rbl")
    stores = load_all(logged(rr, tmp_path / "a.rrd", tmp_path / "other.rrd"))
    assert [(store.application_id, store.recording_id) for store in stores] == [("app", "r"), ("other", "theirs")]
    stores = load_all(logged(rr, tmp_path / "b.rrd", tmp_path / "layout.rbl"))
    assert [(store.application_id, store.is_blueprint) for store in stores] == [("app", False), ("app", True)]
    assert stores[1].activation == (True, True)


@pytest.mark.parametrize(
    ("name", "reason"), [("a.xyz", "no such file can be logged"), ("none.png", "cannot read none.png")]
)
def test_what_cannot_be_logged_is_said_in_a_sentence(name: str, reason: str, folder: Path) -> None:
    (folder / "a.xyz").write_text("?")
    recording = rr.RecordingStream("app")
    with pytest.warns(RerunWarning, match=reason):
        recording.log_file_from_path(name)


@pytest.mark.parametrize("order", ["<", ">"])
def test_binary_point_clouds_of_either_byte_order_are_read(order: str) -> None:
    import numpy as np

    dtype = np.dtype([("x", f"{order}f8"), ("y", f"{order}f8"), ("z", f"{order}f8"), ("radius", f"{order}f4")])
    vertices = np.array([(1, 2, 3, 0.5), (4, 5, 6, 0.25)], dtype)
    name = "binary_little_endian" if order == "<" else "binary_big_endian"
    properties = "".join(f"property double {axis}\n" for axis in "xyz") + "property float radius\n"
    header = f"ply\nformat {name} 1.0\nelement vertex 2\n{properties}end_header\n".encode()
    found = point_cloud(header + vertices.tobytes())
    assert found["positions"].tolist() == [[1, 2, 3], [4, 5, 6]]
    assert found["radii"].tolist() == [0.5, 0.25]


@pytest.mark.parametrize(
    ("contents", "reason"),
    [
        (b"xyz", "not a PLY file"),
        (PLY.replace("element vertex 2", "element vertex 3").encode(), "a PLY file of 3 vertices"),
        (PLY.replace("1.5", "one").encode(), "no number"),
        (PLY.replace("property float z", "property float q").encode(), "no x, y and z"),
        (PLY.replace("ascii", "morse").encode(), "'morse'"),
    ],
)
def test_a_broken_point_cloud_is_said_in_a_sentence(contents: bytes, reason: str) -> None:
    with warnings.catch_warnings(), pytest.raises(BadData, match=reason):
        point_cloud(contents)
