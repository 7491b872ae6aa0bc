/** What the objects of a scene are made from, and what all of them need. */

import { BufferAttribute, BufferGeometry, Color, LineBasicMaterial, LineSegments, type Vector3 } from "three";
import type { Components } from "../components";
import type { Latest } from "../latest";
import { colorsOf, labelsOf, type Annotations } from "./annotations";

export interface Label {
  text: string;
  at: Vector3;
}

/** What an entity is drawn from, and what comes of it beside objects. */
export interface Subject {
  path: string;
  components: Components;
  annotations: Annotations;
  latest: Latest;
  labels: Label[];
  changed: () => void; // a part that takes time is ready
}

/** Of an archetype's instances, as three.js wants them. */
export function linearColors({ path, components, annotations }: Subject, prefix: string, count: number, field = "colors"): BufferAttribute {
  const bytes = colorsOf(prefix, path, components, count, annotations, field);
  const color = new Color();
  const linear = new Float32Array(bytes.length);
  for (let n = 0; n < bytes.length; n += 3) {
    color.setRGB(bytes[n]! / 255, bytes[n + 1]! / 255, bytes[n + 2]! / 255, "srgb").toArray(linear, n);
  }
  return new BufferAttribute(linear, 3);
}

/** Remember the labels of instances; `at`: where instance `n` is. */
export function label({ components, annotations, labels }: Subject, prefix: string, count: number, at: (n: number) => Vector3): void {
  labelsOf(prefix, components, count, annotations).forEach((text, n) => text && labels.push({ text, at: at(n) }));
}

export function lines(positions: Float32Array, colors: BufferAttribute): LineSegments {
  const geometry = new BufferGeometry();
  geometry.setAttribute("position", new BufferAttribute(positions, 3));
  geometry.setAttribute("color", colors);
  return new LineSegments(geometry, new LineBasicMaterial({ vertexColors: true }));
}

/** For each vertex the colour of the instance that it belongs to. */
export function spread(colors: BufferAttribute, owners: Uint32Array): BufferAttribute {
  const result = new Float32Array(owners.length * 3);
  owners.forEach((owner, n) => result.set((colors.array as Float32Array).subarray(3 * owner, 3 * owner + 3), 3 * n));
  return new BufferAttribute(result, 3);
}
