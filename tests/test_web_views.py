"""Views of the recording page that few recordings need: each shows what was logged, in a real browser."""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import rerun as rr
from playwright.sync_api import Browser, Locator, Page

from tests.browsers import opened, wait_until
from tests.daemons import Daemon
from tests.robot_page import BLUE, LIME, MAGENTA, image, log_at, logging_into, of_colour, panel, pixels_of, url


@pytest.fixture
def robot(daemon: Daemon) -> Iterator[rr.RecordingStream]:
    with logging_into(daemon) as recording:
        yield recording


def hover(page: Page, kind: str, x: float, y: float) -> str:
    """What the view of a kind says of a place, from 0 to 1 across and down its picture."""
    box = panel(page, kind).locator("canvas").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"])
    note = panel(page, kind).locator(".note:not(.corner)")
    note.wait_for()
    return note.inner_text()


# annotation contexts


def classes() -> rr.AnnotationContext:
    hand = rr.ClassDescription(
        info=rr.AnnotationInfo(1, "hand", MAGENTA),
        keypoint_annotations=[rr.AnnotationInfo(10, "thumb", LIME), rr.AnnotationInfo(11, "palm")],
        keypoint_connections=[(10, 11)],
    )
    return rr.AnnotationContext([hand, rr.AnnotationInfo(2, "cup", LIME), rr.AnnotationInfo(3, "table", BLUE)])


def test_classes_have_the_names_and_colours_of_their_annotation_context(
    daemon: Daemon, robot: rr.RecordingStream, browser: Browser
) -> None:
    robot.log("/", classes(), static=True)
    pixels = np.full((60, 80), 1, np.uint8)
    pixels[:, 40:] = 2
    robot.log("camera", rr.SegmentationImage(pixels), static=True)
    robot.log(
        "camera/found", rr.Boxes2D(array=[10, 10, 20, 20], array_format=rr.Box2DFormat.XYWH, class_ids=[3]), static=True
    )
    robot.flush()
    with opened(url(daemon), browser) as page:
        shown = panel(page, "image").locator("canvas")
        wait_until(page, lambda: shown.count() and shown.get_attribute("data-size") == "80x60")
        wait_until(page, lambda: of_colour(shown, MAGENTA) > 0.2 and of_colour(shown, LIME) > 0.2)
        assert of_colour(shown, BLUE) > 0.002
        assert shown.get_attribute("data-labels") == "table"
        assert hover(page, "image", 0.4, 0.9).endswith("class 1 hand")
        assert hover(page, "image", 0.6, 0.9).endswith("class 2 cup")


def test_keypoints_are_named_coloured_and_joined_as_their_class_says(
    daemon: Daemon, robot: rr.RecordingStream, browser: Browser
) -> None:
    robot.log("world", classes(), static=True)
    points = rr.Points2D([[10, 10], [50, 50]], class_ids=[1, 1], keypoint_ids=[10, 11], radii=3)
    robot.log("world/flat", points, static=True)
    in_space = rr.Points3D([[0, 0, 0], [1, 1, 1]], class_ids=[1, 1], keypoint_ids=[10, 11], radii=0.2)
    robot.log("world/space", in_space, static=True)
    robot.flush()
    with opened(url(daemon), browser) as page:
        flat = panel(page, "image").locator("canvas")
        wait_until(page, lambda: flat.count() and flat.get_attribute("data-labels") == "thumb | palm")
        assert of_colour(flat, LIME) > 0.001 and of_colour(flat, MAGENTA) > 0.001
        labels = panel(page, "scene").locator(".labels span")
        wait_until(page, lambda: sorted(labels.all_inner_texts()) == ["palm", "thumb"])
        scene = panel(page, "scene").locator(".scene")
        wait_until(page, lambda: of_colour(scene, LIME) > 0.001 and of_colour(scene, MAGENTA) > 0.001)


# 3D


def lit(scene: Locator, colour: tuple[int, int, int]) -> Any:
    """Which of its pixels have this colour, in the light or away from it."""
    return pixels_of(scene, colour, 90)


def test_a_mesh_is_drawn_at_each_of_its_instance_poses(
    daemon: Daemon, robot: rr.RecordingStream, browser: Browser
) -> None:
    corners = [[-1, 0, -1], [1, 0, -1], [0, 0, 1]]
    robot.log("mesh", rr.Mesh3D(vertex_positions=corners, vertex_colors=[MAGENTA] * 3), static=True)
    robot.log("mesh", rr.InstancePoses3D(translations=[[-6, 0, 0], [6, 0, 0]]), static=True)
    robot.flush()
    with opened(url(daemon), browser) as page:
        scene = panel(page, "scene").locator(".scene")
        wait_until(page, lambda: scene.count() and lit(scene, MAGENTA).mean() > 0.002)
        columns = np.flatnonzero(lit(scene, MAGENTA).any(axis=0))
        assert np.diff(columns).max() > 50, "there are two, with room between them"


def test_capsules_and_cylinders_stand_where_they_were_put(
    daemon: Daemon, robot: rr.RecordingStream, browser: Browser
) -> None:
    robot.log(
        "capsules", rr.Capsules3D(lengths=[0.01], radii=[1], translations=[[-3, 0, 0]], colors=[MAGENTA]), static=True
    )
    robot.log(
        "cylinders",
        rr.Cylinders3D(
            lengths=[0.01], radii=[1], centers=[[3, 0, 0]], colors=[LIME], labels=["pillar"], fill_mode="solid"
        ),
        static=True,
    )
    robot.flush()
    with opened(url(daemon), browser) as page:
        scene = panel(page, "scene").locator(".scene")
        wait_until(page, lambda: scene.count() and all(lit(scene, each).mean() > 0.002 for each in (MAGENTA, LIME)))
        capsule, cylinder = (np.argwhere(lit(scene, each)) for each in (MAGENTA, LIME))
        assert capsule[:, 1].max() < cylinder[:, 1].min(), "side by side"
        (tall, wide), (low, long) = np.ptp(capsule, axis=0), np.ptp(cylinder, axis=0)
        assert tall > 0.85 * wide and low < 0.8 * long, "of hardly any length, one is a ball and the other a disc"
        panel(page, "scene").get_by_text("pillar").wait_for()


def test_a_camera_shows_the_newest_image_on_its_far_side(
    daemon: Daemon, robot: rr.RecordingStream, browser: Browser
) -> None:
    robot.log("camera", rr.Pinhole(focal_length=60, width=80, height=60, image_plane_distance=3), static=True)
    log_at(robot, 1, "camera/image", image(MAGENTA))
    robot.flush()
    with opened(url(daemon, "#timeline=frame"), browser) as page:
        scene = panel(page, "scene").locator(".scene")
        wait_until(page, lambda: scene.count() and of_colour(scene, MAGENTA) > 0.02)
        log_at(robot, 2, "camera/image", image(LIME))
        robot.flush()
        flat = panel(page, "image").locator("canvas")
        wait_until(page, lambda: of_colour(flat, LIME) > 0.5)
        page.wait_for_timeout(300)  # pictures taken one after the other leave a software GPU no time to paint
        wait_until(page, lambda: of_colour(scene, LIME) > 0.02 and of_colour(scene, MAGENTA) == 0)


CORNERS = np.array([[-1, 0, 0], [1, 0, 0], [0, 0, 2]], np.float32)


def gltf(colour: tuple[float, float, float]) -> tuple[dict[str, Any], bytes]:
    """A triangle of one colour that no light changes."""
    material = {
        "pbrMetallicRoughness": {"baseColorFactor": [*colour, 1]},
        "extensions": {"KHR_materials_unlit": {}},
        "doubleSided": True,
    }
    document = {
        "asset": {"version": "2.0"},
        "extensionsUsed": ["KHR_materials_unlit"],
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0}],
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0}, "material": 0}]}],
        "materials": [material],
        "accessors": [
            {"bufferView": 0, "componentType": 5126, "count": 3, "type": "VEC3", "min": [-1, 0, 0], "max": [1, 0, 2]}
        ],
        "bufferViews": [{"buffer": 0, "byteLength": 36}],
        "buffers": [{"byteLength": 36}],
    }
    return document, CORNERS.tobytes()


def glb(document: dict[str, Any], data: bytes) -> bytes:
    text = json.dumps(document).encode()
    text += b" " * (-len(text) % 4)
    parts = struct.pack("<I4s", len(text), b"JSON") + text + struct.pack("<I4s", len(data), b"BIN\0") + data
    return struct.pack("<4sII", b"glTF", 2, 12 + len(parts)) + parts


def with_data_url(document: dict[str, Any], data: bytes) -> bytes:
    document["buffers"][0]["uri"] = f"data:application/octet-stream;base64,{base64.b64encode(data).decode()}"
    return json.dumps(document).encode()


def stl() -> bytes:
    return bytes(80) + struct.pack("<I12fH", 1, 0, -1, 0, *CORNERS.flatten().tolist(), 0)


OBJ = "".join(f"v {x} {y} {z}\n" for x, y, z in CORNERS.tolist()) + "f 1 2 3\n"


def test_3d_models_in_files_are_shown_and_what_cannot_be_is_said(
    daemon: Daemon, robot: rr.RecordingStream, browser: Browser
) -> None:
    outside = {**gltf((1, 1, 1))[0], "buffers": [{"byteLength": 36, "uri": "http://evil.example/mesh.bin"}]}
    blue = [0, 0, 255, 255]
    models = {
        "glb": rr.Asset3D(contents=glb(*gltf((1, 0, 1))), media_type="model/gltf-binary"),
        "gltf": rr.Asset3D(contents=with_data_url(*gltf((0, 1, 0))), media_type="model/gltf+json"),
        "stl": rr.Asset3D(contents=stl(), media_type="model/stl", albedo_factor=blue),
        "obj": rr.Asset3D(contents=OBJ.encode(), media_type="model/obj", albedo_factor=blue),
        "outside": rr.Asset3D(contents=json.dumps(outside).encode(), media_type="model/gltf+json"),
        "broken": rr.Asset3D(contents=b"glTF nonsense", media_type="model/gltf-binary"),
    }
    for number, (name, model) in enumerate(models.items()):
        robot.log(name, rr.Transform3D(translation=[3 * number, 0, 0]), static=True)
        robot.log(name, model, static=True)
    robot.flush()
    with opened(url(daemon), browser) as page:
        scene = panel(page, "scene").locator(".scene")
        wait_until(page, lambda: scene.count() and scene.get_attribute("data-entities") == "4")
        wait_until(page, lambda: all(lit(scene, each).mean() > 0.0003 for each in (MAGENTA, LIME, BLUE)))
        of_glb, of_gltf, of_others = (np.argwhere(lit(scene, each))[:, 1] for each in (MAGENTA, LIME, BLUE))
        assert of_glb.max() < of_gltf.min() and of_gltf.max() < of_others.min()
        assert np.diff(np.unique(of_others)).max() > 5, "the STL and the OBJ file, side by side"
        note = panel(page, "scene").locator(".note:not(.corner)")
        wait_until(page, lambda: "/broken: " in note.inner_text() and "/outside: " in note.inner_text())
        assert "The model refers to another file, http://evil.example/mesh.bin" in note.inner_text()


# flat views of their own


def test_a_tensor_is_shown_slice_by_slice(daemon: Daemon, robot: rr.RecordingStream, browser: Browser) -> None:
    values = np.arange(5 * 4 * 6).reshape(5, 4, 6).astype(np.int16)
    robot.log("tensor", rr.Tensor(values, dim_names=["depth", "row", "column"]), static=True)
    robot.flush()
    with opened(url(daemon), browser) as page:
        shown = panel(page, "tensor").locator("canvas")
        wait_until(page, lambda: shown.count() and shown.get_attribute("data-shape") == "5 x 4 x 6")
        panel(page, "tensor").get_by_text("5 × 4 × 6, 0 to 119").wait_for()
        assert shown.get_attribute("data-first") == str(values[2, 0, 0])
        panel(page, "tensor").get_by_label("depth", exact=True).last.fill("4")
        wait_until(page, lambda: shown.get_attribute("data-first") == str(values[4, 0, 0]))
        row, column, value = map(int, hover(page, "tensor", 0.5, 0.5).replace(":", ",").split(","))
        assert value == values[4, row, column]
        panel(page, "tensor").get_by_label("down").select_option(label="depth")
        wait_until(page, lambda: shown.get_attribute("data-first") == str(values[0, 2, 0]))


def test_places_on_the_ground_are_shown_on_a_map_with_a_scale(
    daemon: Daemon, robot: rr.RecordingStream, browser: Browser
) -> None:
    route = [[47.5, 19.25], [47.51, 19.27], [47.52, 19.25]]
    log_at(robot, 1, "gps", rr.GeoPoints(lat_lon=[[47.5, 19.25]], colors=[MAGENTA], radii=[-8]))
    log_at(robot, 1, "route", rr.GeoLineStrings(lat_lon=[route], colors=[LIME], radii=[-3]))
    robot.flush()
    with opened(url(daemon, "#timeline=frame"), browser) as page:
        shown = panel(page, "map").locator("canvas")
        wait_until(page, lambda: shown.count() and shown.get_attribute("data-points") == "47.5 19.25")
        assert shown.get_attribute("data-lines") == "3"
        wait_until(page, lambda: shown.get_attribute("data-scale") == "1 km")
        wait_until(page, lambda: of_colour(shown, MAGENTA) > 0.001 and of_colour(shown, LIME) > 0.001)
        box = shown.bounding_box() or {}
        y, x = np.argwhere(pixels_of(shown, MAGENTA)).mean(axis=0) / [box["height"], box["width"]]
        assert hover(page, "map", x, y) == "47.500000° N, 19.250000° E"
        log_at(robot, 2, "gps", rr.GeoPoints(lat_lon=[[47.51, -19.25]], colors=[MAGENTA]))
        robot.flush()
        wait_until(page, lambda: shown.get_attribute("data-points") == "47.51 -19.25")


def test_a_graph_shows_its_nodes_and_edges(daemon: Daemon, robot: rr.RecordingStream, browser: Browser) -> None:
    robot.log("plan", rr.GraphNodes(["a", "b"], labels=["start", "<b>goal</b>"], colors=[MAGENTA, LIME]), static=True)
    robot.log("plan", rr.GraphEdges([("a", "b"), ("b", "c")], graph_type="directed"), static=True)
    robot.flush()
    with opened(url(daemon), browser) as page:
        graph = panel(page, "graph").locator("svg.graph")
        wait_until(page, lambda: graph.count() and graph.locator(".node").count() == 3)
        assert graph.get_attribute("aria-label") == "Graph of 3 nodes and 2 edges"
        assert sorted(graph.locator(".node text").all_text_contents()) == ["<b>goal</b>", "c", "start"]
        assert of_colour(graph, MAGENTA) > 0.0005 and of_colour(graph, LIME) > 0.0005
        places = [each.bounding_box() for each in graph.locator("circle").all()]
        distances = [
            abs(a["x"] - b["x"]) + abs(a["y"] - b["y"]) for a in places for b in places if a and b and a is not b
        ]
        assert min(distances) > 20


RECORD = """async (colours) => {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [160, 120];
  const context = canvas.getContext("2d");
  const stream = canvas.captureStream(30);
  const recorder = new MediaRecorder(stream, { mimeType: "video/webm;codecs=vp8", videoBitsPerSecond: 2e6 });
  const parts = [];
  recorder.ondataavailable = (event) => parts.push(event.data);
  const ended = new Promise((resolve) => (recorder.onstop = resolve));
  recorder.start();
  for (const colour of colours) {
    for (let n = 0; n < 15; n++) {
      context.fillStyle = `rgb(${colour})`;
      context.fillRect(0, 0, 160, 120);
      await new Promise((resolve) => setTimeout(resolve, 33));
    }
  }
  recorder.stop();
  await ended;
  const bytes = new Uint8Array(await new Blob(parts).arrayBuffer());
  return btoa(String.fromCharCode(...bytes));
}"""


def video(browser: Browser, *colours: tuple[int, int, int]) -> bytes:
    """Half a second of each colour."""
    page = browser.new_page()
    found = base64.b64decode(page.evaluate(RECORD, [",".join(map(str, colour)) for colour in colours]))
    page.close()
    return found


def test_a_video_is_shown_at_the_frame_that_was_logged(
    daemon: Daemon, robot: rr.RecordingStream, browser: Browser
) -> None:
    contents = video(browser, MAGENTA, LIME)
    robot.log("video", rr.AssetVideo(contents=contents, media_type="video/webm"), static=True)
    log_at(robot, 0, "video", rr.VideoFrameReference(seconds=0.2))
    log_at(robot, 1, "video", rr.VideoFrameReference(seconds=0.8))
    robot.log("nonsense", rr.AssetVideo(contents=b"nonsense", media_type="video/mp4"), static=True)
    robot.flush()
    with opened(url(daemon, "#timeline=frame"), browser, height=1200) as page:
        shown = page.locator("[data-view='video /video'] video")
        wait_until(page, lambda: shown.count() and shown.get_attribute("data-time") == "0.800")
        assert np.abs(np.argwhere(pixels_of(shown, LIME, 60))).size > 10_000
        page.keyboard.press("ArrowLeft")
        wait_until(page, lambda: shown.get_attribute("data-time") == "0.200")
        assert np.argwhere(pixels_of(shown, MAGENTA, 60)).size > 10_000
        page.locator("[data-view='video /nonsense'] .note").get_by_text(
            "cannot play a video of type video/mp4"
        ).wait_for()


ENCODE = """async ([codec, colours]) => {
  const samples = [];
  const output = async (chunk) => {
    const bytes = new Uint8Array(chunk.byteLength);
    chunk.copyTo(bytes);
    samples.push(btoa(String.fromCharCode(...bytes)));
  };
  const encoder = new VideoEncoder({ output, error: (error) => samples.push(String(error)) });
  const size = { width: 160, height: 120, bitrate: 1e6, framerate: 30 };
  const format = codec.startsWith("avc1") ? { avc: { format: "annexb" } } : {};
  encoder.configure({ codec, ...size, ...format, latencyMode: "realtime" });
  const canvas = new OffscreenCanvas(160, 120);
  const context = canvas.getContext("2d");
  for (const [n, colour] of colours.entries()) {
    context.fillStyle = `rgb(${colour})`;
    context.fillRect(0, 0, 160, 120);
    const frame = new VideoFrame(canvas, { timestamp: n * 33333 });
    encoder.encode(frame, { keyFrame: n % 10 === 0 });
    frame.close();
  }
  await encoder.flush();
  return samples;
}"""


def samples(browser: Browser, daemon: Daemon, codec: str, *colours: tuple[int, int, int]) -> list[bytes]:
    """One sample of each colour; every tenth is a keyframe. Only pages of localhost may encode."""
    page = browser.new_page()
    page.goto(daemon.info.http)
    found = page.evaluate(ENCODE, [codec, [",".join(map(str, colour)) for colour in colours]])
    page.close()
    return [base64.b64decode(each) for each in found]


@pytest.mark.parametrize(("name", "codec"), [("avc1.42E01E", rr.VideoCodec.H264), ("av01.0.04M.08", rr.VideoCodec.AV1)])
def test_a_video_stream_is_decoded_live_and_at_any_time(
    daemon: Daemon, robot: rr.RecordingStream, browser: Browser, name: str, codec: rr.VideoCodec
) -> None:
    colours = [MAGENTA] * 5 + [LIME] * 5 + [BLUE] * 5 + [MAGENTA] * 5 + [LIME] * 5
    encoded = samples(browser, daemon, name, *colours)
    robot.log("stream", rr.VideoStream(codec=codec), static=True)
    for frame in range(18):
        log_at(robot, frame, "stream", rr.VideoStream.from_fields(sample=encoded[frame]))
    robot.flush()
    with opened(url(daemon, "#timeline=frame"), browser) as page:
        shown = panel(page, "video").locator("canvas")
        wait_until(page, lambda: shown.count() and pixels_of(shown, MAGENTA, 60).mean() > 0.5)
        for frame in range(18, 25):
            log_at(robot, frame, "stream", rr.VideoStream.from_fields(sample=encoded[frame]))
            robot.flush()
        wait_until(page, lambda: pixels_of(shown, LIME, 60).mean() > 0.5)
        slider = page.get_by_label("Place in the recording")
        for frame, colour in ((2, MAGENTA), (7, LIME), (13, BLUE), (18, MAGENTA)):
            slider.fill(str(round(10_000 * frame / 24)))
            wait_until(page, lambda colour=colour: pixels_of(shown, colour, 60).mean() > 0.5)
        page.keyboard.press("End")
        wait_until(page, lambda: pixels_of(shown, LIME, 60).mean() > 0.5)
        assert panel(page, "video").locator(".note").count() == 0
