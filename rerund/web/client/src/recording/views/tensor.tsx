/** A tensor, of any number of dimensions: two of them as a picture, a slider for each of the others. */

import { useSignal } from "@preact/signals";
import { useEffect, useMemo, useRef } from "preact/hooks";
import type { Component } from "../components";
import { useLatest } from "../latest";
import { theme } from "../../theme";
import { colorAt } from "./colors";
import { cleared, fitted, Zoom } from "./zoom";

const MOST_CHANNELS = 4; // so few at the end are colours or the like, and no picture's width

interface TensorData {
  shape: Iterable<number | bigint>;
  names: Iterable<string> | null;
  buffer: ArrayLike<number | bigint>;
}

interface Tensor {
  shape: number[];
  strides: number[];
  names: string[];
  buffer: ArrayLike<number | bigint>;
  low: number;
  high: number;
}

function tensorOf(component: Component | undefined, range: ArrayLike<number | bigint> | undefined): Tensor | null {
  const data = component?.first<TensorData>();
  if (!data) return null;
  const shape = Array.from(data.shape, Number);
  const strides = shape.map((_, n) => shape.slice(n + 1).reduce((product, size) => product * size, 1));
  const given = [...(data.names ?? [])];
  let [low, high] = range ? [Number(range[0]), Number(range[1])] : [Infinity, -Infinity];
  if (!range) {
    for (let n = 0; n < data.buffer.length; n++) {
      const value = Number(data.buffer[n]);
      if (value < low) low = value;
      if (value > high) high = value;
    }
  }
  return { shape, strides, names: shape.map((_, n) => given[n] || `dimension ${n}`), buffer: data.buffer, low, high };
}

export function TensorView({ paths }: { paths: string[] }) {
  const path = paths[0]!;
  const { latest, error } = useLatest([path]);
  const canvas = useRef<HTMLCanvasElement>(null);
  const zoom = useRef(new Zoom()).current;
  const hovered = useSignal("");
  const axes = useSignal<[down: number, across: number] | null>(null);
  const places = useSignal<Record<number, number>>({}); // by dimension
  const component = latest.value.get(path)?.get("Tensor:data");
  const range = latest.value.get(path)?.get("Tensor:value_range")?.numbers();
  const tensor = useMemo(() => tensorOf(component, range), [component, range]);

  const count = tensor?.shape.length ?? 0;
  const last = count > 2 && tensor!.shape[count - 1]! <= MOST_CHANNELS ? count - 2 : count - 1;
  const [down, across] = axes.value ?? [last - 1, last]; // down is -1 for a row
  const others = Array.from({ length: count }, (_, n) => n).filter((n) => n !== down && n !== across);
  const start = tensor ? others.reduce((sum, n) => sum + placeIn(tensor, places.value, n) * tensor.strides[n]!, 0) : 0;
  const valueAt = (x: number, y: number) => Number(tensor!.buffer[start + x * (tensor!.strides[across] ?? 0) + y * (tensor!.strides[down] ?? 0)]);
  const [width, height] = [tensor?.shape[across] ?? 0, down < 0 ? 1 : tensor?.shape[down] ?? 0];

  const paint = () => {
    if (!canvas.current || !tensor) return;
    const { context, ...size } = cleared(canvas.current);
    const { scale, left, top } = (zoom.shown = zoom.chosen ?? fitted({ left: 0, top: 0, right: width, bottom: height }, size.width, size.height));
    context.setTransform(scale, 0, 0, scale, left, top);
    context.imageSmoothingEnabled = scale < 1;
    if (width && height) context.drawImage(pictured(tensor, width, height, valueAt), 0, 0);
  };
  const repaint = useRef(paint);
  repaint.current = paint;
  useEffect(() => zoom.attach(canvas.current!, () => repaint.current()), []);
  useEffect(paint, [tensor, start, down, across, theme.value]);

  const moved = (event: PointerEvent) => {
    const [x, y] = zoom.placeOf(event).map(Math.floor) as [number, number];
    hovered.value = tensor && x >= 0 && y >= 0 && x < width && y < height ? `${down < 0 ? "" : `${y}, `}${x}: ${shortly(valueAt(x, y))}` : "";
  };
  const choose = (which: 0 | 1, dimension: number) => {
    const chosen: [number, number] = [down, across];
    if (chosen[1 - which] === dimension) chosen[1 - which] = chosen[which]!;
    chosen[which] = dimension;
    axes.value = chosen;
    zoom.chosen = null;
  };
  return (
    <div class="tensor">
      {tensor && count > 2 && (
        <div class="tools">
          {(["down", "across"] as const).map((name, which) => (
            <label key={name}>
              {name}{" "}
              <select value={String([down, across][which])} onChange={(event) => choose(which as 0 | 1, Number(event.currentTarget.value))}>
                {tensor.names.map((each, n) => (
                  <option key={n} value={String(n)}>
                    {each}
                  </option>
                ))}
              </select>
            </label>
          ))}
          {others.map((n) => (
            <label key={n}>
              {tensor.names[n]} <output class="number">{placeIn(tensor, places.value, n)}</output>
              <input
                type="range"
                min={0}
                max={tensor.shape[n]! - 1}
                value={placeIn(tensor, places.value, n)}
                aria-label={tensor.names[n]}
                onInput={(event) => (places.value = { ...places.value, [n]: Number(event.currentTarget.value) })}
              />
            </label>
          ))}
        </div>
      )}
      <canvas
        class="image"
        ref={canvas}
        role="img"
        aria-label={`Tensor ${path}`}
        data-shape={tensor?.shape.join(" x ")}
        data-first={tensor && width && height ? String(valueAt(0, 0)) : undefined}
        onPointerMove={moved}
        onPointerLeave={() => (hovered.value = "")}
      />
      <span class="note number">
        {error.value || hovered.value || (tensor ? `${tensor.shape.join(" × ")}, ${shortly(tensor.low)} to ${shortly(tensor.high)}` : "nothing yet")}
      </span>
    </div>
  );
}

/** Where along a dimension that is not shown; the middle if nobody chose. */
function placeIn(tensor: Tensor, places: Record<number, number>, dimension: number): number {
  const size = tensor.shape[dimension]!;
  return Math.min(size - 1, places[dimension] ?? size >> 1);
}

const shortly = (value: number) => (Number.isInteger(value) ? String(value) : value.toPrecision(5));

function pictured(tensor: Tensor, width: number, height: number, valueAt: (x: number, y: number) => number): OffscreenCanvas {
  const palette = Uint8ClampedArray.from(Array.from({ length: 256 }, (_, n) => colorAt("viridis", n / 255)).flat());
  const pixels = new ImageData(width, height);
  const factor = 255 / (tensor.high - tensor.low || 1);
  for (let y = 0, to = 0; y < height; y++) {
    for (let x = 0; x < width; x++, to += 4) {
      const value = valueAt(x, y);
      if (Number.isNaN(value)) continue;
      const at = 3 * Math.min(255, Math.max(0, Math.round((value - tensor.low) * factor)));
      pixels.data.set([palette[at]!, palette[at + 1]!, palette[at + 2]!, 255], to);
    }
  }
  const canvas = new OffscreenCanvas(width, height);
  canvas.getContext("2d")!.putImageData(pixels, 0, 0);
  return canvas;
}
