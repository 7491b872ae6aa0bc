/** Colours: Rerun's packed ones, colour maps, and one for each entity and class that has none of its own. */

import type { Component } from "../components";

export type Rgb = [number, number, number];
export type Colormap = "gray" | "inferno" | "magma" | "plasma" | "turbo" | "viridis";

/** Evenly spaced colours; what lies between is mixed. */
const MAPS: Record<Colormap, Rgb[]> = {
  gray: [[0, 0, 0], [255, 255, 255]],
  inferno: [[0, 0, 4], [40, 11, 84], [101, 21, 110], [159, 42, 99], [212, 72, 66], [245, 125, 21], [250, 193, 39], [252, 255, 164]],
  magma: [[0, 0, 4], [35, 17, 81], [95, 24, 127], [152, 45, 128], [211, 67, 110], [248, 118, 92], [254, 187, 129], [252, 253, 191]],
  plasma: [[13, 8, 135], [84, 2, 163], [139, 10, 165], [185, 50, 137], [219, 92, 104], [244, 136, 73], [254, 188, 43], [240, 249, 33]],
  turbo: [[48, 18, 59], [70, 107, 227], [40, 187, 236], [50, 242, 152], [164, 252, 60], [237, 208, 58], [251, 128, 34], [210, 49, 5], [122, 4, 3]],
  viridis: [[68, 1, 84], [70, 50, 127], [54, 92, 141], [39, 127, 142], [31, 161, 135], [74, 194, 109], [159, 218, 58], [253, 231, 37]],
};

export function colorAt(map: Colormap, fraction: number): Rgb {
  const stops = MAPS[map];
  const place = Math.min(1, Math.max(0, fraction)) * (stops.length - 1);
  const n = Math.min(stops.length - 2, Math.floor(place));
  const [from, to] = [stops[n]!, stops[n + 1]!];
  const part = place - n;
  return [0, 1, 2].map((c) => from[c]! + (to[c]! - from[c]!) * part) as Rgb;
}

/** Neighbouring numbers get colours far apart. */
export function classColor(id: number): Rgb {
  if (id === 0) return [0, 0, 0];
  const hue = (id * 0.618034) % 1;
  return hsl(hue, 0.65, 0.55);
}

/** A colour that stays with a path. */
export function pathColor(path: string): Rgb {
  let hash = 2166136261;
  for (let n = 0; n < path.length; n++) hash = Math.imul(hash ^ path.charCodeAt(n), 16777619);
  return hsl((hash >>> 0) / 2 ** 32, 0.6, 0.6);
}

function hsl(hue: number, saturation: number, lightness: number): Rgb {
  const a = saturation * Math.min(lightness, 1 - lightness);
  const channel = (n: number) => {
    const k = (n + hue * 12) % 12;
    return Math.round(255 * (lightness - a * Math.max(-1, Math.min(k - 3, 9 - k, 1))));
  };
  return [channel(0), channel(8), channel(4)];
}

/** The value of instance `n`; the last is repeated. */
export function instance(component: Component | undefined, n: number, fallback: number): number {
  if (!component?.length) return fallback;
  const numbers = component.numbers();
  return Number(numbers[Math.min(n, numbers.length - 1)]);
}

export const css = ([r, g, b]: Rgb | Uint8Array | number[]) => `rgb(${r} ${g} ${b})`;
