/** Where entities are: the transforms of an entity and of those above it. */

import { Matrix4, Quaternion, Vector3 } from "three";
import type { Component, Components } from "../components";
import type { Latest } from "../latest";

const CHILD_FROM_PARENT = 2;
// of rerun.components.ViewCoordinates
const UP = 1;
const DOWN = 2;

interface AxisAngle {
  axis: ArrayLike<number>;
  angle: number;
}

/** From an entity's space to that of the scene. `path`: the entity and all above it, from the root. */
export function worldFrom(path: string[], latest: Latest): Matrix4 {
  const world = new Matrix4();
  for (const each of path) {
    const components = latest.get(each);
    if (components) world.multiply(ownTransform(components));
  }
  return world;
}

function ownTransform(components: Components): Matrix4 {
  const get = (field: string) => components.get(`Transform3D:${field}`);
  const transform = new Matrix4();
  const translation = vector(get("translation"));
  if (translation) transform.setPosition(translation);
  const axisAngle = get("rotation_axis_angle")?.first<AxisAngle>();
  if (axisAngle) transform.multiply(rotationAbout(axisAngle));
  const quaternion = get("quaternion");
  if (quaternion?.length) transform.multiply(new Matrix4().makeRotationFromQuaternion(quaternionAt(quaternion, 0)));
  const scale = vector(get("scale"));
  if (scale) transform.scale(scale);
  const mat3x3 = get("mat3x3");
  if (mat3x3?.length) transform.multiply(fromColumns(mat3x3.numbers() as Float32Array));
  if (Number(get("relation")?.numbers()[0]) === CHILD_FROM_PARENT) transform.invert();
  return transform;
}

function vector(component: Component | undefined): Vector3 | null {
  if (!component?.length) return null;
  const numbers = component.numbers();
  return new Vector3(Number(numbers[0]), Number(numbers[1]), Number(numbers[2]));
}

export function rotationAbout({ axis, angle }: AxisAngle): Matrix4 {
  return new Matrix4().makeRotationAxis(new Vector3(axis[0], axis[1], axis[2]).normalize(), angle);
}

export function quaternionAt(component: Component, n: number): Quaternion {
  const numbers = component.numbers();
  const [x, y, z, w] = [0, 1, 2, 3].map((part) => Number(numbers[4 * n + part]));
  return new Quaternion(x, y, z, w).normalize();
}

/** The pose of instance `n`, as its archetype's own fields say; the last is repeated, but for places. */
export function poseOf(prefix: string, components: Components, n: number, places = "centers"): Matrix4 {
  const get = (field: string) => components.get(`${prefix}:${field}`);
  const pose = new Matrix4();
  const place = get(places);
  if (place && n < place.length) pose.setPosition(new Vector3().fromArray(place.numbers() as Float32Array, 3 * n));
  return turned(pose, get("rotation_axis_angles"), get("quaternions"), n);
}

function turned(pose: Matrix4, axisAngles: Component | undefined, quaternions: Component | undefined, n: number): Matrix4 {
  if (quaternions?.length) pose.multiply(new Matrix4().makeRotationFromQuaternion(quaternionAt(quaternions, Math.min(n, quaternions.length - 1))));
  if (axisAngles?.length) pose.multiply(rotationAbout(axisAngles.values()[Math.min(n, axisAngles.length - 1)] as AxisAngle));
  return pose;
}

/** Where all that an entity draws is drawn once more, each; empty: only where it is. */
export function instancePoses(components: Components): Matrix4[] {
  const get = (field: string) => components.get(`InstancePoses3D:${field}`);
  const [translations, scales, mats] = [get("translations"), get("scales"), get("mat3x3")];
  const [axisAngles, quaternions] = [get("rotation_axis_angles"), get("quaternions")];
  const count = Math.max(...[translations, scales, mats, axisAngles, quaternions].map((each) => each?.length ?? 0));
  return Array.from({ length: count }, (_, n) => {
    const last = (component: Component) => Math.min(n, component.length - 1);
    const pose = new Matrix4();
    if (translations?.length) pose.setPosition(new Vector3().fromArray(translations.numbers() as Float32Array, 3 * last(translations)));
    turned(pose, axisAngles, quaternions, n);
    if (scales?.length) pose.scale(new Vector3().fromArray(scales.numbers() as Float32Array, 3 * last(scales)));
    if (mats?.length) pose.multiply(fromColumns((mats.numbers() as Float32Array).subarray(9 * last(mats), 9 * last(mats) + 9)));
    return pose;
  });
}

/** Rerun keeps matrices column after column. */
function fromColumns(m: ArrayLike<number>): Matrix4 {
  return new Matrix4().set(m[0]!, m[3]!, m[6]!, 0, m[1]!, m[4]!, m[7]!, 0, m[2]!, m[5]!, m[8]!, 0, 0, 0, 0, 1);
}

/** What is up: as the topmost entity with view coordinates says, else z. */
export function upAxis(latest: Latest): Vector3 {
  for (const path of [...latest.keys()].sort((a, b) => a.length - b.length)) {
    const axes = latest.get(path)!.get("ViewCoordinates:xyz");
    if (!axes?.length || latest.get(path)!.has("Pinhole:image_from_camera")) continue;
    const parts = [...(axes.numbers() as Uint8Array)].map((axis) => (axis === UP ? 1 : axis === DOWN ? -1 : 0));
    const up = new Vector3(...(parts as [number, number, number]));
    if (up.length() === 1) return up;
  }
  return new Vector3(0, 0, 1);
}
