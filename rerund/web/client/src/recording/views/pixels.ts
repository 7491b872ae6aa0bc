/** From Rerun's image components to pixels that a canvas draws. */

import type { Component, Components, Numbers } from "../components";
import { colorOfClass, nameOfClass, type Annotations } from "./annotations";
import { colorAt, type Colormap } from "./colors";

export interface Picture {
  width: number;
  height: number;
  source: CanvasImageSource;
  valueAt(x: number, y: number): string; // for people
}

interface Format {
  width: number;
  height: number;
  pixel_format: number | null;
  color_model: number | null;
  channel_datatype: number | null;
}

const CHANNELS: Record<number, number[]> = { 1: [0, 0, 0], 2: [0, 1, 2], 3: [0, 1, 2, 3], 4: [2, 1, 0], 5: [2, 1, 0, 3] }; // L RGB RGBA BGR BGRA
const STRIDES: Record<number, number> = { 1: 1, 2: 3, 3: 4, 4: 3, 5: 4 };
const U8 = 6;
const COLORMAPS: Record<number, Colormap> = { 1: "gray", 2: "inferno", 3: "magma", 4: "plasma", 5: "turbo", 6: "viridis" };

/** What an entity shows, or null if it has no image now. Throws one sentence if it cannot be shown. */
export async function pictureOf(components: Components, annotations: Annotations): Promise<Picture | null> {
  for (const [prefix, make] of KINDS) {
    const buffer = components.get(`${prefix}:${prefix === "EncodedImage" ? "blob" : "buffer"}`);
    if (buffer?.length) return make(buffer.lists()[0] as Uint8Array, components, annotations);
  }
  return null;
}

const KINDS: [string, (bytes: Uint8Array, components: Components, annotations: Annotations) => Promise<Picture> | Picture][] = [
  ["EncodedImage", encoded],
  ["Image", color],
  ["DepthImage", depth],
  ["SegmentationImage", segmentation],
];

async function encoded(bytes: Uint8Array, components: Components): Promise<Picture> {
  const type = components.get("EncodedImage:media_type")?.first<string>();
  const source = await createImageBitmap(new Blob([bytes as Uint8Array<ArrayBuffer>], type ? { type } : {}));
  return { width: source.width, height: source.height, source, valueAt: () => "" };
}

function formatOf(component: Component | undefined): Format {
  const format = component?.first<Format>();
  if (!format) throw new Error("The image has no format.");
  return format;
}

function color(bytes: Uint8Array, components: Components): Picture {
  const format = formatOf(components.get("Image:format"));
  const { width, height } = format;
  const pixels = new ImageData(width, height);
  if (format.pixel_format !== null) fillYuv(pixels, bytes, format.pixel_format);
  else fillColor(pixels, bytes, format);
  const valueAt = (x: number, y: number) => {
    const at = (y * width + x) * 4;
    return `rgb ${pixels.data[at]}, ${pixels.data[at + 1]}, ${pixels.data[at + 2]}`;
  };
  return { width, height, source: onCanvas(pixels), valueAt };
}

function fillColor(pixels: ImageData, bytes: Uint8Array, format: Format): void {
  const model = format.color_model ?? 1;
  const channels = CHANNELS[model] ?? CHANNELS[1]!;
  const stride = STRIDES[model] ?? 1;
  const values = typed(bytes, format.channel_datatype ?? U8);
  const scale = scaleOf(values, format.channel_datatype ?? U8);
  const out = pixels.data;
  const [r, g, b, a] = channels as [number, number, number, number?];
  const count = Math.min(format.width * format.height, Math.floor(values.length / stride));
  for (let n = 0, at = 0, to = 0; n < count; n++, at += stride, to += 4) {
    out[to] = Number(values[at + r]) * scale;
    out[to + 1] = Number(values[at + g]) * scale;
    out[to + 2] = Number(values[at + b]) * scale;
    out[to + 3] = a === undefined ? 255 : Number(values[at + a]) * scale;
  }
}

/** What turns a channel into 0 to 255. */
function scaleOf(values: Numbers, datatype: number): number {
  if (datatype === U8) return 1;
  let most = 0;
  for (const value of values) most = Math.max(most, Number(value));
  if (datatype === 8) return most > 255 ? 255 / 65535 : 1; // 16 bits, unless only the low ones are used
  return most <= 1 ? 255 : most <= 255 ? 1 : 255 / most;
}

/** A view of bytes as numbers; a copy only where they are not aligned. */
function typed(bytes: Uint8Array, datatype: number): Numbers {
  const types: Record<number, [number, new (buffer: ArrayBuffer, offset: number, length: number) => Numbers]> = {
    6: [1, Uint8Array],
    7: [1, Int8Array],
    8: [2, Uint16Array],
    9: [2, Int16Array],
    10: [4, Uint32Array],
    11: [4, Int32Array],
    12: [8, BigUint64Array],
    13: [8, BigInt64Array],
    34: [4, Float32Array],
    35: [8, Float64Array],
  };
  if (datatype === 33) return halves(bytes);
  const [size, type] = types[datatype] ?? [1, Uint8Array];
  const from = bytes.byteOffset % size ? bytes.slice() : bytes;
  return new type(from.buffer as ArrayBuffer, from.byteOffset, Math.floor(from.length / size));
}

function halves(bytes: Uint8Array): Float32Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  return Float32Array.from({ length: bytes.length >> 1 }, (_, n) => {
    const bits = view.getUint16(2 * n, true);
    const exponent = (bits >> 10) & 31;
    const fraction = bits & 1023;
    const size = exponent === 31 ? (fraction ? NaN : Infinity) : exponent ? (1 + fraction / 1024) * 2 ** (exponent - 15) : fraction * 2 ** -24;
    return bits & 0x8000 ? -size : size;
  });
}

interface Yuv {
  luma(n: number, x: number, y: number): number; // place of Y
  chroma(x: number, y: number): [u: number, v: number]; // places of U and V
  limited: boolean;
}

function yuv(format: number, width: number, height: number): Yuv | null {
  const size = width * height;
  const planes = (dx: number, dy: number, limited: boolean): Yuv => {
    const w = Math.ceil(width / dx);
    const plane = w * Math.ceil(height / dy);
    return { luma: (n) => n, chroma: (x, y) => [size + Math.floor(y / dy) * w + Math.floor(x / dx), size + plane + Math.floor(y / dy) * w + Math.floor(x / dx)], limited };
  };
  switch (format) {
    case 20:
      return planes(2, 2, true);
    case 44:
      return planes(2, 2, false);
    case 49:
      return planes(2, 1, true);
    case 50:
      return planes(2, 1, false);
    case 39:
      return planes(1, 1, true);
    case 40:
      return planes(1, 1, false);
    case 26: // NV12: Y, then U and V side by side
      return { luma: (n) => n, chroma: (x, y) => { const at = size + (y >> 1) * width + (x & ~1); return [at, at + 1]; }, limited: true };
    case 27: // YUY2: Y U Y V
      return { luma: (n) => 2 * n, chroma: (x, y) => { const at = 2 * (y * width + (x & ~1)); return [at + 1, at + 3]; }, limited: true };
    default:
      return null;
  }
}

const GRAY_FORMATS: Record<number, boolean> = { 30: false, 41: true }; // Y8: whether limited

function fillYuv(pixels: ImageData, bytes: Uint8Array, format: number): void {
  const { width, height, data } = pixels;
  const limited = GRAY_FORMATS[format];
  const layout = limited === undefined ? yuv(format, width, height) : { luma: (n: number) => n, chroma: null, limited };
  if (!layout) throw new Error(`Pixel format ${format} is not shown here: open the recording in the Rerun viewer.`);
  for (let y = 0, n = 0; y < height; y++) {
    for (let x = 0; x < width; x++, n++) {
      const luma = layout.limited ? (bytes[layout.luma(n, x, y)]! - 16) * 1.164 : bytes[layout.luma(n, x, y)]!;
      let [u, v] = [0, 0];
      if (layout.chroma) {
        const [atU, atV] = layout.chroma(x, y);
        const scale = layout.limited ? 1.138 : 1;
        u = (bytes[atU]! - 128) * scale;
        v = (bytes[atV]! - 128) * scale;
      }
      data[4 * n] = luma + 1.402 * v;
      data[4 * n + 1] = luma - 0.344 * u - 0.714 * v;
      data[4 * n + 2] = luma + 1.772 * u;
      data[4 * n + 3] = 255;
    }
  }
}

function depth(bytes: Uint8Array, components: Components): Picture {
  const { width, height, channel_datatype } = formatOf(components.get("DepthImage:format"));
  const values = typed(bytes, channel_datatype ?? 8);
  const map = COLORMAPS[Number(components.get("DepthImage:colormap")?.numbers()[0] ?? 5)] ?? "turbo";
  const meter = Number(components.get("DepthImage:meter")?.numbers()[0] ?? (channel_datatype === 34 || channel_datatype === 35 ? 1 : 1000));
  const given = components.get("DepthImage:depth_range")?.numbers();
  let [low, high] = given ? [Number(given[0]), Number(given[1])] : [Infinity, -Infinity];
  if (!given) {
    for (const each of values) {
      const value = Number(each);
      if (value > 0 && Number.isFinite(value)) {
        low = Math.min(low, value);
        high = Math.max(high, value);
      }
    }
  }
  const pixels = new ImageData(width, height);
  for (let n = 0; n < width * height; n++) {
    const value = Number(values[n]);
    const [r, g, b] = value > 0 ? colorAt(map, (value - low) / (high - low || 1)) : [0, 0, 0];
    pixels.data.set([r, g, b, 255], 4 * n);
  }
  const valueAt = (x: number, y: number) => `${(Number(values[y * width + x]) / meter).toFixed(3)} m`;
  return { width, height, source: onCanvas(pixels), valueAt };
}

function segmentation(bytes: Uint8Array, components: Components, annotations: Annotations): Picture {
  const { width, height, channel_datatype } = formatOf(components.get("SegmentationImage:format"));
  const values = typed(bytes, channel_datatype ?? U8);
  const pixels = new ImageData(width, height);
  const colors = new Map<number, number[]>();
  const rgba = (id: number) => [...colorOfClass(id, annotations), id || annotations.classes.has(0) ? 255 : 0];
  for (let n = 0; n < width * height; n++) {
    const id = Number(values[n]);
    if (!colors.has(id)) colors.set(id, rgba(id));
    pixels.data.set(colors.get(id)!, 4 * n);
  }
  const valueAt = (x: number, y: number) => {
    const id = Number(values[y * width + x]);
    return `class ${id} ${nameOfClass(id, annotations)}`.trimEnd();
  };
  return { width, height, source: onCanvas(pixels), valueAt };
}

function onCanvas(pixels: ImageData): OffscreenCanvas {
  const canvas = new OffscreenCanvas(pixels.width, pixels.height);
  canvas.getContext("2d")!.putImageData(pixels, 0, 0);
  return canvas;
}
