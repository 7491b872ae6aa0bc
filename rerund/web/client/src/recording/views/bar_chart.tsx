/** Bars: one for each value of a tensor. */

import { useEffect, useRef } from "preact/hooks";
import type { Component } from "../components";
import { useLatest } from "../latest";
import { theme } from "../../theme";

interface Tensor {
  shape: number[];
  buffer: ArrayLike<number | bigint>;
}

export function BarChartView({ paths }: { paths: string[] }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const { latest } = useLatest(paths);
  const components = latest.value.get(paths[0]!);
  const values = numbersOf(components?.get("BarChart:values"));
  const color = components?.get("BarChart:color")?.numbers()[0];
  useEffect(() => {
    const element = canvas.current!;
    const paint = () => draw(element, values, typeof color === "number" ? color : null);
    const resized = new ResizeObserver(paint);
    resized.observe(element);
    return () => resized.disconnect();
  }, [values.join(" "), color, theme.value]);
  return <canvas class="bars" ref={canvas} role="img" aria-label={`${values.length} bars`} data-values={values.slice(0, 64).join(" ")} />;
}

function numbersOf(component: Component | undefined): number[] {
  const tensor = component?.first<Tensor>();
  return tensor ? Array.from(tensor.buffer, Number) : [];
}

function draw(canvas: HTMLCanvasElement, values: number[], color: number | null): void {
  const scale = devicePixelRatio;
  const width = (canvas.width = canvas.clientWidth * scale);
  const height = (canvas.height = canvas.clientHeight * scale);
  const context = canvas.getContext("2d")!;
  const style = getComputedStyle(canvas);
  const [low, high] = [Math.min(0, ...values), Math.max(0, ...values)];
  const y = (value: number) => 16 * scale + (1 - (value - low) / (high - low || 1)) * (height - 32 * scale);
  const step = width / Math.max(1, values.length);
  context.fillStyle = color === null ? style.accentColor : `#${color.toString(16).padStart(8, "0")}`;
  values.forEach((value, n) => {
    const top = Math.min(y(value), y(0));
    context.fillRect(n * step + step * 0.1, top, Math.max(1, step * 0.8), Math.abs(y(value) - y(0)));
  });
  context.fillStyle = style.color;
  context.font = `${11 * scale}px system-ui`;
  context.fillText(String(high), 4 * scale, 12 * scale);
  if (low < 0) context.fillText(String(low), 4 * scale, height - 4 * scale);
}
