/** From 3D archetypes to three.js objects, in the space of their entity. */

import {
  BoxGeometry,
  BufferAttribute,
  BufferGeometry,
  Color,
  ConeGeometry,
  CylinderGeometry,
  DoubleSide,
  EdgesGeometry,
  InstancedMesh,
  Matrix4,
  Mesh,
  MeshLambertMaterial,
  type Object3D,
  Points,
  PointsMaterial,
  Quaternion,
  Vector3,
} from "three";
import type { Component } from "../components";
import { connectionsOf } from "./annotations";
import { camera } from "./camera";
import { instance } from "./colors";
import { poseOf } from "./poses";
import { capsules, cylinders, ellipsoids, isSolid, solid } from "./solids";
import { label, linearColors, lines, spread, type Subject } from "./subject";

const Y = new Vector3(0, 1, 0);
const POINT_PIXELS = 3.5;

/** Everything that an entity draws but its assets, which have to be loaded. */
export function shapesOf(subject: Subject): Object3D[] {
  return [points, strips, boxes, ellipsoids, capsules, cylinders, arrows, mesh, camera].flatMap((make) => make(subject) ?? []);
}

const floats = (component: Component) => Float32Array.from(component.numbers() as Float32Array);

function points(subject: Subject): Object3D[] | null {
  const { components, annotations } = subject;
  const positions = components.get("Points3D:positions");
  if (!positions?.length) return null;
  const places = floats(positions);
  const geometry = new BufferGeometry();
  const colors = linearColors(subject, "Points3D", positions.length);
  geometry.setAttribute("position", new BufferAttribute(places, 3));
  geometry.setAttribute("color", colors);
  const radius = instance(components.get("Points3D:radii"), 0, -1);
  const size = radius > 0 ? { size: 2 * radius, sizeAttenuation: true } : { size: POINT_PIXELS, sizeAttenuation: false };
  label(subject, "Points3D", positions.length, (n) => new Vector3().fromArray(places, 3 * n));
  const drawn: Object3D[] = [new Points(geometry, new PointsMaterial({ ...size, vertexColors: true }))];
  const ends = connectionsOf("Points3D", components, annotations).flat();
  if (ends.length) {
    const joined = Float32Array.from(ends.flatMap((n) => [...places.subarray(3 * n, 3 * n + 3)]));
    drawn.push(lines(joined, spread(colors, Uint32Array.from(ends))));
  }
  return drawn;
}

function strips(subject: Subject): Object3D | null {
  const component = subject.components.get("LineStrips3D:strips");
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
  label(subject, "LineStrips3D", lists.length, (n) => new Vector3().fromArray(lists[n] as Float32Array, 3 * Math.floor(lists[n]!.length / 6)));
  return lines(positions, spread(linearColors(subject, "LineStrips3D", lists.length), owners));
}

function boxes(subject: Subject): Object3D[] | null {
  const { components } = subject;
  const halves = components.get("Boxes3D:half_sizes");
  if (!halves?.length) return null;
  const sizes = halves.numbers() as Float32Array;
  const colors = linearColors(subject, "Boxes3D", halves.length);
  const poses = Array.from({ length: halves.length }, (_, n) => poseOf("Boxes3D", components, n).scale(new Vector3().fromArray(sizes, 3 * n)));
  label(subject, "Boxes3D", halves.length, (n) => new Vector3(0, 0, 1).applyMatrix4(poses[n]!));
  const edges = new EdgesGeometry(new BoxGeometry(2, 2, 2)).getAttribute("position");
  const positions = new Float32Array(halves.length * edges.count * 3);
  const owners = new Uint32Array(halves.length * edges.count);
  const corner = new Vector3();
  poses.forEach((pose, n) => {
    for (let vertex = 0; vertex < edges.count; vertex++) {
      const at = n * edges.count + vertex;
      corner.fromBufferAttribute(edges, vertex).applyMatrix4(pose).toArray(positions, at * 3);
      owners[at] = n;
    }
  });
  const outline = lines(positions, spread(colors, owners));
  return isSolid(components, "Boxes3D", false) ? [outline, solid(new BoxGeometry(2, 2, 2), poses, colors)] : [outline];
}

function arrows(subject: Subject): Object3D[] | null {
  const { components } = subject;
  const vectors = components.get("Arrows3D:vectors");
  if (!vectors?.length) return null;
  const numbers = vectors.numbers() as Float32Array;
  const origins = components.get("Arrows3D:origins")?.numbers() as Float32Array | undefined;
  const colors = linearColors(subject, "Arrows3D", vectors.length);
  const shaft = new InstancedMesh(new CylinderGeometry(1, 1, 1, 10).translate(0, 0.5, 0), new MeshLambertMaterial(), vectors.length);
  const tip = new InstancedMesh(new ConeGeometry(1, 1, 12).translate(0, 0.5, 0), new MeshLambertMaterial(), vectors.length);
  const middles: Vector3[] = [];
  for (let n = 0; n < vectors.length; n++) {
    const vector = new Vector3().fromArray(numbers, 3 * n);
    const origin = origins && 3 * n + 2 < origins.length ? new Vector3().fromArray(origins, 3 * n) : new Vector3();
    const length = vector.length();
    const given = instance(components.get("Arrows3D:radii"), n, -1);
    const radius = given > 0 ? given : length * 0.02;
    const turn = new Quaternion().setFromUnitVectors(Y, vector.clone().divideScalar(length || 1));
    const head = Math.min(length, radius * 6);
    const neck = origin.clone().addScaledVector(vector, length ? (length - head) / length : 0);
    middles.push(origin.clone().addScaledVector(vector, 0.5));
    shaft.setMatrixAt(n, new Matrix4().compose(origin, turn, new Vector3(radius, length - head, radius)));
    tip.setMatrixAt(n, new Matrix4().compose(neck, turn, new Vector3(radius * 2.2, head, radius * 2.2)));
    for (const part of [shaft, tip]) part.setColorAt(n, new Color().fromBufferAttribute(colors, n));
  }
  label(subject, "Arrows3D", vectors.length, (n) => middles[n]!);
  return [shaft, tip];
}

function mesh(subject: Subject): Object3D | null {
  const { components } = subject;
  const positions = components.get("Mesh3D:vertex_positions");
  if (!positions?.length) return null;
  const geometry = new BufferGeometry();
  geometry.setAttribute("position", new BufferAttribute(floats(positions), 3));
  const triangles = components.get("Mesh3D:triangle_indices");
  if (triangles?.length) geometry.setIndex(new BufferAttribute(Uint32Array.from(triangles.numbers() as Uint32Array), 1));
  const normals = components.get("Mesh3D:vertex_normals");
  if (normals?.length === positions.length) geometry.setAttribute("normal", new BufferAttribute(floats(normals), 3));
  else geometry.computeVertexNormals();
  const isColored = Boolean(components.get("Mesh3D:vertex_colors")?.length);
  const material = new MeshLambertMaterial({ side: DoubleSide, vertexColors: isColored });
  const colors = linearColors(subject, "Mesh3D", isColored ? positions.length : 1, isColored ? "vertex_colors" : "albedo_factor");
  if (isColored) geometry.setAttribute("color", colors);
  else material.color.fromBufferAttribute(colors, 0);
  return new Mesh(geometry, material);
}
