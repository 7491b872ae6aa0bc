/** From 3D archetypes to three.js objects, in the space of their entity. */

import {
  BoxGeometry,
  BufferAttribute,
  BufferGeometry,
  CanvasTexture,
  Color,
  ConeGeometry,
  CylinderGeometry,
  DoubleSide,
  EdgesGeometry,
  InstancedMesh,
  LineBasicMaterial,
  LineSegments,
  Matrix4,
  Mesh,
  MeshBasicMaterial,
  MeshLambertMaterial,
  type Object3D,
  Points,
  PointsMaterial,
  Quaternion,
  SphereGeometry,
  Vector3,
} from "three";
import type { Component, Components } from "../components";
import type { Latest } from "../latest";
import { instance, instanceColors, pathColor } from "./colors";
import { pictureOf } from "./pixels";
import { quaternionAt, rotationAbout } from "./poses";

const Y = new Vector3(0, 1, 0);
const POINT_PIXELS = 3.5;
const IMAGE_BELOW = /^(Image|EncodedImage|DepthImage|SegmentationImage):/;

/** Everything that an entity draws. `changed` is called when a part of it that takes time, an image, is ready. */
export function shapesOf(path: string, components: Components, latest: Latest, changed: () => void): Object3D[] {
  return [points, strips, boxes, ellipsoids, arrows, mesh, (p: string, c: Components) => frustum(p, c, latest, changed)].flatMap(
    (make) => make(path, components) ?? [],
  );
}

const floats = (component: Component) => Float32Array.from(component.numbers() as Float32Array);

function colorsOf(path: string, component: Component | undefined, count: number): BufferAttribute {
  const bytes = instanceColors(component, count, pathColor(path));
  const color = new Color();
  const linear = new Float32Array(bytes.length);
  for (let n = 0; n < bytes.length; n += 3) {
    color.setRGB(bytes[n]! / 255, bytes[n + 1]! / 255, bytes[n + 2]! / 255, "srgb").toArray(linear, n);
  }
  return new BufferAttribute(linear, 3);
}

function points(path: string, components: Components): Object3D | null {
  const positions = components.get("Points3D:positions");
  if (!positions?.length) return null;
  const geometry = new BufferGeometry();
  geometry.setAttribute("position", new BufferAttribute(floats(positions), 3));
  geometry.setAttribute("color", colorsOf(path, components.get("Points3D:colors"), positions.length));
  const radius = instance(components.get("Points3D:radii"), 0, -1);
  const size = radius > 0 ? { size: 2 * radius, sizeAttenuation: true } : { size: POINT_PIXELS, sizeAttenuation: false };
  return new Points(geometry, new PointsMaterial({ ...size, vertexColors: true }));
}

function strips(path: string, components: Components): Object3D | null {
  const component = components.get("LineStrips3D:strips");
  if (!component?.length) return null;
  const lists = component.lists();
  const segments = lists.reduce((sum, strip) => sum + Math.max(0, strip.length / 3 - 1), 0);
  const positions = new Float32Array(segments * 6);
  const owners = new Uint32Array(segments * 2);
  let to = 0;
  lists.forEach((strip, n) => {
    for (let at = 0; at + 5 < strip.length; at += 3, to += 6) {
      positions.set((strip as Float32Array).subarray(at, at + 6), to);
      owners[to / 3] = owners[to / 3 + 1] = n;
    }
  });
  return lines(positions, spread(colorsOf(path, components.get("LineStrips3D:colors"), lists.length), owners));
}

function lines(positions: Float32Array, colors: BufferAttribute): LineSegments {
  const geometry = new BufferGeometry();
  geometry.setAttribute("position", new BufferAttribute(positions, 3));
  geometry.setAttribute("color", colors);
  return new LineSegments(geometry, new LineBasicMaterial({ vertexColors: true }));
}

/** For each vertex the colour of the instance that it belongs to. */
function spread(colors: BufferAttribute, owners: Uint32Array): BufferAttribute {
  const result = new Float32Array(owners.length * 3);
  owners.forEach((owner, n) => result.set((colors.array as Float32Array).subarray(3 * owner, 3 * owner + 3), 3 * n));
  return new BufferAttribute(result, 3);
}

/** The pose of instance `n` of boxes and ellipsoids. */
function poseOf(prefix: string, components: Components, n: number): Matrix4 {
  const get = (field: string) => components.get(`${prefix}:${field}`);
  const pose = new Matrix4();
  const centers = get("centers");
  if (centers && n < centers.length) pose.setPosition(new Vector3().fromArray(centers.numbers() as Float32Array, 3 * n));
  const quaternions = get("quaternions");
  if (quaternions?.length) pose.multiply(new Matrix4().makeRotationFromQuaternion(quaternionAt(quaternions, Math.min(n, quaternions.length - 1))));
  const axisAngles = get("rotation_axis_angles");
  if (axisAngles?.length) pose.multiply(rotationAbout(axisAngles.values()[Math.min(n, axisAngles.length - 1)] as { axis: number[]; angle: number }));
  return pose;
}

function boxes(path: string, components: Components): Object3D | null {
  const halves = components.get("Boxes3D:half_sizes");
  if (!halves?.length) return null;
  const sizes = halves.numbers() as Float32Array;
  const edges = new EdgesGeometry(new BoxGeometry(2, 2, 2)).getAttribute("position");
  const positions = new Float32Array(halves.length * edges.count * 3);
  const owners = new Uint32Array(halves.length * edges.count);
  const corner = new Vector3();
  for (let n = 0; n < halves.length; n++) {
    const pose = poseOf("Boxes3D", components, n).scale(new Vector3().fromArray(sizes, 3 * n));
    for (let vertex = 0; vertex < edges.count; vertex++) {
      const at = n * edges.count + vertex;
      corner.fromBufferAttribute(edges, vertex).applyMatrix4(pose).toArray(positions, at * 3);
      owners[at] = n;
    }
  }
  return lines(positions, spread(colorsOf(path, components.get("Boxes3D:colors"), halves.length), owners));
}

function ellipsoids(path: string, components: Components): Object3D | null {
  const halves = components.get("Ellipsoids3D:half_sizes");
  if (!halves?.length) return null;
  const sizes = halves.numbers() as Float32Array;
  const shape = new InstancedMesh(new SphereGeometry(1, 24, 16), new MeshLambertMaterial(), halves.length);
  const colors = colorsOf(path, components.get("Ellipsoids3D:colors"), halves.length);
  for (let n = 0; n < halves.length; n++) {
    shape.setMatrixAt(n, poseOf("Ellipsoids3D", components, n).scale(new Vector3().fromArray(sizes, 3 * n)));
    shape.setColorAt(n, new Color().fromBufferAttribute(colors, n));
  }
  return shape;
}

function arrows(path: string, components: Components): Object3D[] | null {
  const vectors = components.get("Arrows3D:vectors");
  if (!vectors?.length) return null;
  const numbers = vectors.numbers() as Float32Array;
  const origins = components.get("Arrows3D:origins")?.numbers() as Float32Array | undefined;
  const colors = colorsOf(path, components.get("Arrows3D:colors"), vectors.length);
  const shaft = new InstancedMesh(new CylinderGeometry(1, 1, 1, 10).translate(0, 0.5, 0), new MeshLambertMaterial(), vectors.length);
  const tip = new InstancedMesh(new ConeGeometry(1, 1, 12).translate(0, 0.5, 0), new MeshLambertMaterial(), vectors.length);
  for (let n = 0; n < vectors.length; n++) {
    const vector = new Vector3().fromArray(numbers, 3 * n);
    const origin = origins && 3 * n + 2 < origins.length ? new Vector3().fromArray(origins, 3 * n) : new Vector3();
    const length = vector.length();
    const given = instance(components.get("Arrows3D:radii"), n, -1);
    const radius = given > 0 ? given : length * 0.02;
    const turn = new Quaternion().setFromUnitVectors(Y, vector.clone().divideScalar(length || 1));
    const head = Math.min(length, radius * 6);
    const neck = origin.clone().addScaledVector(vector, length ? (length - head) / length : 0);
    shaft.setMatrixAt(n, new Matrix4().compose(origin, turn, new Vector3(radius, length - head, radius)));
    tip.setMatrixAt(n, new Matrix4().compose(neck, turn, new Vector3(radius * 2.2, head, radius * 2.2)));
    for (const part of [shaft, tip]) part.setColorAt(n, new Color().fromBufferAttribute(colors, n));
  }
  return [shaft, tip];
}

function mesh(path: string, components: Components): Object3D | null {
  const positions = components.get("Mesh3D:vertex_positions");
  if (!positions?.length) return null;
  const geometry = new BufferGeometry();
  geometry.setAttribute("position", new BufferAttribute(floats(positions), 3));
  const triangles = components.get("Mesh3D:triangle_indices");
  if (triangles?.length) geometry.setIndex(new BufferAttribute(Uint32Array.from(triangles.numbers() as Uint32Array), 1));
  const normals = components.get("Mesh3D:vertex_normals");
  if (normals?.length === positions.length) geometry.setAttribute("normal", new BufferAttribute(floats(normals), 3));
  else geometry.computeVertexNormals();
  const colors = components.get("Mesh3D:vertex_colors");
  const material = new MeshLambertMaterial({ side: DoubleSide, vertexColors: Boolean(colors?.length) });
  if (colors?.length) geometry.setAttribute("color", colorsOf(path, colors, positions.length));
  else material.color.fromBufferAttribute(colorsOf(path, components.get("Mesh3D:albedo_factor"), 1), 0);
  return new Mesh(geometry, material);
}

/** A camera: its pyramid, and its image if there is one, on the far side. Axes as Rerun's default: right, down, forward. */
function frustum(path: string, components: Components, latest: Latest, changed: () => void): Object3D[] | null {
  const projection = components.get("Pinhole:image_from_camera");
  if (!projection?.length) return null;
  const k = projection.numbers() as Float32Array; // column after column
  const [fx, fy, cx, cy] = [k[0]!, k[4]!, k[6]!, k[7]!];
  const resolution = components.get("Pinhole:resolution")?.numbers();
  const [width, height] = resolution ? [Number(resolution[0]), Number(resolution[1])] : [2 * cx, 2 * cy];
  const far = instance(components.get("Pinhole:image_plane_distance"), 0, 1);
  const corner = (u: number, v: number) => new Vector3(((u - cx) / fx) * far, ((v - cy) / fy) * far, far);
  const corners = [corner(0, 0), corner(width, 0), corner(width, height), corner(0, height)];
  const positions = corners.flatMap((from, n) => {
    const next = corners[(n + 1) % 4]!;
    return [0, 0, 0, ...from.toArray(), ...from.toArray(), ...next.toArray()];
  });
  const outline = lines(Float32Array.from(positions), spread(colorsOf(path, components.get("Pinhole:color"), 1), new Uint32Array(16)));
  const image = imageAt(path, latest);
  return image ? [outline, picturePlane(image, corners, changed)] : [outline];
}

function imageAt(path: string, latest: Latest): Components | null {
  for (const [each, components] of latest) {
    const isBelow = each === path || each.startsWith(`${path}/`);
    if (isBelow && [...components.keys()].some((name) => IMAGE_BELOW.test(name))) return components;
  }
  return null;
}

function picturePlane(image: Components, corners: Vector3[], changed: () => void): Mesh {
  const geometry = new BufferGeometry().setFromPoints(corners);
  geometry.setAttribute("uv", new BufferAttribute(Float32Array.from([0, 1, 1, 1, 1, 0, 0, 0]), 2));
  geometry.setIndex([0, 1, 2, 0, 2, 3]);
  const material = new MeshBasicMaterial({ side: DoubleSide, visible: false });
  pictureOf(image).then((picture) => {
    if (!picture) return;
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [picture.width, picture.height];
    canvas.getContext("2d")!.drawImage(picture.source, 0, 0);
    material.map = new CanvasTexture(canvas);
    material.map.colorSpace = "srgb";
    material.visible = true;
    material.needsUpdate = true;
    changed();
  }, () => undefined); // an image that cannot be shown says so in its own view
  return new Mesh(geometry, material);
}
