/** 3D models in files: glTF, GLB, OBJ, STL. Each loader comes with the first file of its kind. */

import { Color, DoubleSide, type Group, LoadingManager, Mesh, MeshLambertMaterial, type MeshStandardMaterial, type Object3D, TextureLoader } from "three";
import type { Components } from "../components";

const TYPES: Record<string, (bytes: Uint8Array) => Promise<Object3D>> = {
  "model/gltf-binary": gltf,
  "model/gltf+json": gltf,
  "model/obj": obj,
  "model/stl": stl,
};

/** The model of an entity, or null if it has none. Throws one sentence if it cannot be shown. */
export async function assetOf(components: Components): Promise<Object3D | null> {
  const blob = components.get("Asset3D:blob");
  if (!blob?.length) return null;
  const bytes = blob.lists()[0] as Uint8Array;
  const type = components.get("Asset3D:media_type")?.first<string>() ?? guessed(bytes);
  const load = TYPES[type];
  if (!load) throw new Error(`A 3D model of type ${type} is not shown here: open the recording in the Rerun viewer.`);
  const model = await load(bytes);
  tint(model, components);
  return model;
}

function guessed(bytes: Uint8Array): string {
  const head = new TextDecoder("latin1").decode(bytes.subarray(0, 256)).trimStart();
  if (head.startsWith("glTF")) return "model/gltf-binary";
  if (head.startsWith("{")) return "model/gltf+json";
  return head.startsWith("solid") || !/^(#|v |o |mtllib |g )/m.test(head) ? "model/stl" : "model/obj";
}

async function gltf(bytes: Uint8Array): Promise<Object3D> {
  const { GLTFLoader } = await import("three/addons/loaders/GLTFLoader.js");
  const manager = new LoadingManager();
  manager.setURLModifier((url) => {
    if (!url.startsWith("blob:")) throw new Error(`The model refers to another file, ${url.slice(0, 80)}: only what is in it can be shown.`);
    return url;
  });
  const loader = new GLTFLoader(manager);
  // images as <img>, which the page's policy lets have blob: addresses, and not by fetch
  loader.register((parser) => {
    parser.textureLoader = new TextureLoader(manager);
    return { name: "images" };
  });
  const whole = bytes[0] === 0x7b ? withoutDataUrls(bytes) : bytes;
  const loaded = await loader.parseAsync(whole.slice().buffer, "");
  return loaded.scene;
}

interface GltfJson {
  buffers?: { uri?: string; byteLength: number }[];
  bufferViews?: { buffer: number; byteOffset?: number }[];
  images?: { uri?: string; bufferView?: number; mimeType?: string }[];
}

/** glTF with its data inside as data: URLs, which the page's policy does not let a page fetch, as GLB. */
function withoutDataUrls(bytes: Uint8Array): Uint8Array {
  const json = JSON.parse(new TextDecoder().decode(bytes)) as GltfJson;
  const parts: Uint8Array[] = [];
  let size = 0;
  const add = (data: Uint8Array): number => {
    const at = size;
    parts.push(data, new Uint8Array(-data.length & 3));
    size += data.length + (-data.length & 3);
    return at;
  };
  const starts = (json.buffers ?? []).map((buffer) => add(decoded(buffer.uri)));
  for (const view of json.bufferViews ?? []) {
    view.byteOffset = (view.byteOffset ?? 0) + starts[view.buffer]!;
    view.buffer = 0;
  }
  for (const image of json.images ?? []) {
    if (!image.uri) continue;
    const data = decoded(image.uri);
    image.mimeType ??= /^data:([^;,]+)/.exec(image.uri)?.[1] ?? "image/png";
    image.bufferView = (json.bufferViews ??= []).push({ buffer: 0, byteOffset: add(data), byteLength: data.length } as { buffer: number }) - 1;
    delete image.uri;
  }
  json.buffers = [{ byteLength: size }];
  return glb(json, parts, size);
}

function decoded(uri: string | undefined): Uint8Array {
  const found = /^data:[^,]*;base64,/.exec(uri ?? "");
  if (!found) throw new Error(`The model refers to another file, ${String(uri).slice(0, 80)}: only what is in it can be shown.`);
  return Uint8Array.from(atob(uri!.slice(found[0].length)), (letter) => letter.charCodeAt(0));
}

function glb(json: GltfJson, parts: Uint8Array[], size: number): Uint8Array {
  const text = new TextEncoder().encode(JSON.stringify(json));
  const padded = text.length + (-text.length & 3);
  const result = new Uint8Array(12 + 8 + padded + 8 + size).fill(0x20);
  const view = new DataView(result.buffer);
  const words = (at: number, ...values: number[]) => values.forEach((value, n) => view.setUint32(at + 4 * n, value, true));
  words(0, 0x46546c67, 2, result.length, padded, 0x4e4f534a);
  result.set(text, 20);
  words(20 + padded, size, 0x004e4942);
  let at = 28 + padded;
  for (const part of parts) {
    result.set(part, at);
    at += part.length;
  }
  return result;
}

async function obj(bytes: Uint8Array): Promise<Group> {
  const { OBJLoader } = await import("three/addons/loaders/OBJLoader.js");
  const model = new OBJLoader().parse(new TextDecoder().decode(bytes));
  model.traverse((part) => {
    if (part instanceof Mesh) part.material = new MeshLambertMaterial({ side: DoubleSide, vertexColors: part.geometry.hasAttribute("color") });
  });
  return model;
}

async function stl(bytes: Uint8Array): Promise<Mesh> {
  const { STLLoader } = await import("three/addons/loaders/STLLoader.js");
  const geometry = new STLLoader().parse(bytes.slice().buffer);
  return new Mesh(geometry, new MeshLambertMaterial({ side: DoubleSide, vertexColors: geometry.hasAttribute("color") }));
}

function tint(model: Object3D, components: Components): void {
  const factor = components.get("Asset3D:albedo_factor")?.numbers()[0];
  if (factor === undefined) return;
  const packed = Number(factor);
  const color = new Color().setRGB((packed >>> 24) / 255, ((packed >>> 16) & 255) / 255, ((packed >>> 8) & 255) / 255, "srgb");
  model.traverse((part) => {
    if (part instanceof Mesh) for (const material of [part.material].flat() as MeshStandardMaterial[]) material.color?.multiply(color);
  });
}
