/** A camera in the scene: its pyramid, and its image, if there is one, on the far side. */

import { BufferAttribute, BufferGeometry, CanvasTexture, DoubleSide, Mesh, MeshBasicMaterial, type Object3D, Vector3 } from "three";
import type { Component, Components } from "../components";
import type { Latest } from "../latest";
import { annotationsOf } from "./annotations";
import { instance } from "./colors";
import { pictureOf } from "./pixels";
import { linearColors, lines, spread, type Subject } from "./subject";

const IMAGE = /^(Image|EncodedImage|DepthImage|SegmentationImage):(buffer|blob)$/;

/** The image of a camera: at its entity or below. */
export function imageOf(path: string, latest: Latest): { path: string; components: Components; rowId: string } | null {
  for (const [each, components] of latest) {
    if (each !== path && !each.startsWith(`${path}/`)) continue;
    for (const [name, component] of components) {
      if (IMAGE.test(name) && component.length) return { path: each, components, rowId: component.rowId };
    }
  }
  return null;
}

/** Axes as Rerun's default: right, down, forward. */
export function camera(subject: Subject): Object3D[] | null {
  const { path, components, latest } = subject;
  const projection = components.get("Pinhole:image_from_camera");
  if (!projection?.length) return null;
  const corners = farCorners(projection, components);
  const positions = corners.flatMap((from, n) => {
    const next = corners[(n + 1) % 4]!;
    return [0, 0, 0, ...from.toArray(), ...from.toArray(), ...next.toArray()];
  });
  const color = linearColors(subject, "Pinhole", 1, "color");
  const outline = lines(Float32Array.from(positions), spread(color, new Uint32Array(16)));
  return imageOf(path, latest) ? [outline, screen(subject, corners)] : [outline];
}

function farCorners(projection: Component, components: Components): Vector3[] {
  const k = projection.numbers() as Float32Array; // column after column
  const [fx, fy, cx, cy] = [k[0]!, k[4]!, k[6]!, k[7]!];
  const resolution = components.get("Pinhole:resolution")?.numbers();
  const [width, height] = resolution ? [Number(resolution[0]), Number(resolution[1])] : [2 * cx, 2 * cy];
  const far = instance(components.get("Pinhole:image_plane_distance"), 0, 1);
  const corner = (u: number, v: number) => new Vector3(((u - cx) / fx) * far, ((v - cy) / fy) * far, far);
  return [corner(0, 0), corner(width, 0), corner(width, height), corner(0, height)];
}

function screen({ path, latest, changed }: Subject, corners: Vector3[]): Mesh {
  const geometry = new BufferGeometry().setFromPoints(corners);
  geometry.setAttribute("uv", new BufferAttribute(Float32Array.from([0, 1, 1, 1, 1, 0, 0, 0]), 2));
  geometry.setIndex([0, 1, 2, 0, 2, 3]);
  const shown = new Mesh(geometry, new MeshBasicMaterial({ side: DoubleSide, visible: false }));
  shown.name = path;
  void project(shown, latest, changed);
  return shown;
}

/** Bring the image of a camera onto its screen; what it showed before stays until that is done. */
export async function project(shown: Mesh, latest: Latest, changed: () => void): Promise<void> {
  const image = imageOf(shown.name, latest);
  if (!image || shown.userData["rowId"] === image.rowId) return;
  shown.userData["rowId"] = image.rowId;
  const picture = await pictureOf(image.components, annotationsOf(image.path, latest)).catch(() => null); // its own view says what is wrong
  if (!picture || shown.userData["rowId"] !== image.rowId) return;
  const material = shown.material as MeshBasicMaterial;
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [picture.width, picture.height];
  canvas.getContext("2d")!.drawImage(picture.source, 0, 0);
  material.map?.dispose();
  material.map = new CanvasTexture(canvas);
  material.map.colorSpace = "srgb";
  material.visible = true;
  material.needsUpdate = true;
  changed();
}

export const isScreen = (object: Object3D): object is Mesh => object.name !== "" && object instanceof Mesh && object.material instanceof MeshBasicMaterial;
