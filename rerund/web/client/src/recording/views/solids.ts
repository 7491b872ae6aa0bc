/** Bodies with a surface: ellipsoids, capsules, cylinders. Many of one kind are one object. */

import {
  type BufferAttribute,
  type BufferGeometry,
  Color,
  CylinderGeometry,
  InstancedMesh,
  Matrix4,
  MeshLambertMaterial,
  type Object3D,
  SphereGeometry,
  Vector3,
} from "three";
import type { Components } from "../components";
import { instance } from "./colors";
import { poseOf } from "./poses";
import { label, linearColors, type Subject } from "./subject";

// of rerun.components.FillMode
const SOLID = 3;
const TRANSPARENT = 4;

/** Whether surfaces are drawn; `usual`: if nothing is said. */
export function isSolid(components: Components, prefix: string, usual: boolean): boolean {
  const mode = components.get(`${prefix}:fill_mode`)?.numbers()[0];
  return mode === undefined ? usual : Number(mode) === SOLID || Number(mode) === TRANSPARENT;
}

/** One shape, once for each pose; `colors`: of each, the last is repeated. */
export function solid(geometry: BufferGeometry, poses: Matrix4[], colors: BufferAttribute, wireframe = false): InstancedMesh {
  const body = new InstancedMesh(geometry, new MeshLambertMaterial({ wireframe }), poses.length);
  poses.forEach((pose, n) => {
    body.setMatrixAt(n, pose);
    body.setColorAt(n, new Color().fromBufferAttribute(colors, Math.min(n, colors.count - 1)));
  });
  return body;
}

export function ellipsoids(subject: Subject): Object3D | null {
  const { components } = subject;
  const halves = components.get("Ellipsoids3D:half_sizes");
  if (!halves?.length) return null;
  const sizes = halves.numbers() as Float32Array;
  const poses = Array.from({ length: halves.length }, (_, n) => poseOf("Ellipsoids3D", components, n).scale(new Vector3().fromArray(sizes, 3 * n)));
  label(subject, "Ellipsoids3D", poses.length, (n) => new Vector3(0, 0, 1).applyMatrix4(poses[n]!));
  const wireframe = !isSolid(components, "Ellipsoids3D", true);
  return solid(new SphereGeometry(1, 24, 16), poses, linearColors(subject, "Ellipsoids3D", poses.length), wireframe);
}

interface Tubes {
  poses: Matrix4[];
  lengths: number[];
  radii: number[];
}

/** Capsules and cylinders: along z, `lengths` long; `places`: the field that says where they are. */
function tubesOf({ components }: Subject, prefix: string, places: string): Tubes | null {
  const lengths = components.get(`${prefix}:lengths`);
  const radii = components.get(`${prefix}:radii`);
  if (!lengths?.length || !radii?.length) return null;
  const count = Math.max(lengths.length, radii.length, components.get(`${prefix}:${places}`)?.length ?? 0);
  const each = Array.from({ length: count }, (_, n) => n);
  return {
    poses: each.map((n) => poseOf(prefix, components, n, places)),
    lengths: each.map((n) => instance(lengths, n, 1)),
    radii: each.map((n) => instance(radii, n, 1)),
  };
}

const along = (z: number) => new Matrix4().makeTranslation(0, 0, z);
const scaled = (x: number, y: number, z: number) => new Matrix4().makeScale(x, y, z);
const tube = (isOpen: boolean) => new CylinderGeometry(1, 1, 1, 24, 1, isOpen).rotateX(Math.PI / 2);

/** From z = 0 to their length, with half a sphere at each end. */
export function capsules(subject: Subject): Object3D[] | null {
  const tubes = tubesOf(subject, "Capsules3D", "translations");
  if (!tubes) return null;
  const { poses, lengths, radii } = tubes;
  const colors = linearColors(subject, "Capsules3D", poses.length);
  const wireframe = !isSolid(subject.components, "Capsules3D", true);
  const bodies = poses.map((pose, n) => pose.clone().multiply(along(lengths[n]! / 2)).multiply(scaled(radii[n]!, radii[n]!, lengths[n]!)));
  const caps = [0, 1].map((end) => poses.map((pose, n) => pose.clone().multiply(along(end * lengths[n]!)).multiply(scaled(radii[n]!, radii[n]!, radii[n]!))));
  label(subject, "Capsules3D", poses.length, (n) => new Vector3(0, 0, lengths[n]! / 2).applyMatrix4(poses[n]!));
  const ball = () => new SphereGeometry(1, 24, 16);
  return [solid(tube(true), bodies, colors, wireframe), ...caps.map((each) => solid(ball(), each, colors, wireframe))];
}

/** Half of their length on either side of z = 0, with flat ends. */
export function cylinders(subject: Subject): Object3D | null {
  const tubes = tubesOf(subject, "Cylinders3D", "centers");
  if (!tubes) return null;
  const { poses, lengths, radii } = tubes;
  const bodies = poses.map((pose, n) => pose.clone().multiply(scaled(radii[n]!, radii[n]!, lengths[n]!)));
  label(subject, "Cylinders3D", poses.length, (n) => new Vector3(0, 0, lengths[n]! / 2).applyMatrix4(poses[n]!));
  const wireframe = !isSolid(subject.components, "Cylinders3D", true);
  return solid(tube(false), bodies, linearColors(subject, "Cylinders3D", poses.length), wireframe);
}
