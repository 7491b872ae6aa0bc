/** What is drawn on images, or alone, in two dimensions: points, lines, boxes, arrows, with their labels. */

import type { Component, Components } from "../components";
import type { Latest } from "../latest";
import { annotationsOf, colorsOf, connectionsOf, labelsOf, type Annotations } from "./annotations";
import { css, instance } from "./colors";
import type { Box } from "./zoom";

const LABEL_PIXELS = 13;

/** Where flat drawings without an image lie, with some room around. */
export function extent(latest: Latest): Box {
  let [left, top, right, bottom] = [Infinity, Infinity, -Infinity, -Infinity];
  const see = (numbers: ArrayLike<number | bigint>) => {
    for (let n = 0; n + 1 < numbers.length; n += 2) {
      left = Math.min(left, Number(numbers[n]));
      right = Math.max(right, Number(numbers[n]));
      top = Math.min(top, Number(numbers[n + 1]));
      bottom = Math.max(bottom, Number(numbers[n + 1]));
    }
  };
  for (const components of latest.values()) {
    for (const name of ["Points2D:positions", "Arrows2D:origins"]) see(components.get(name)?.numbers() ?? []);
    components.get("LineStrips2D:strips")?.lists().forEach(see);
    see(ends(components.get("Arrows2D:vectors"), components.get("Arrows2D:origins"), [1]));
    see(ends(components.get("Boxes2D:half_sizes"), components.get("Boxes2D:centers"), [-1, 1]));
  }
  if (left > right) return { left: 0, top: 0, right: 1, bottom: 1 };
  const room = Math.max(right - left, bottom - top, 1e-6) * 0.1;
  return { left: left - room, top: top - room, right: right + room, bottom: bottom + room };
}

/** Where vectors end that begin at `origins`, each times all `factors`. */
function ends(vectors: Component | undefined, origins: Component | undefined, factors: number[]): number[] {
  const from = origins?.numbers() ?? [];
  return factors.flatMap((factor) => Array.from((vectors?.numbers() ?? []) as ArrayLike<number>, Number).map((part, n) => Number(from[n] ?? 0) + factor * part));
}

/** All of them. `pixel`: the size of one of the screen's, in units of the drawing. Returns the labels. */
export function drawAllFlat(context: CanvasRenderingContext2D, latest: Latest, pixel: number): string[] {
  const shown: string[] = [];
  for (const [path, components] of latest) {
    const canvas: Canvas = { context, pixel, path, components, annotations: annotationsOf(path, latest), shown };
    drawPoints(canvas);
    drawStrips(canvas);
    drawBoxes(canvas);
    drawArrows(canvas);
  }
  return shown;
}

interface Canvas {
  context: CanvasRenderingContext2D;
  pixel: number;
  path: string;
  components: Components;
  annotations: Annotations;
  shown: string[]; // labels
}

const colors = ({ path, components, annotations }: Canvas, prefix: string, count: number) => {
  const bytes = colorsOf(prefix, path, components, count, annotations);
  return (n: number) => css(bytes.subarray(3 * n, 3 * n + 3));
};

const labels = ({ components, annotations }: Canvas, prefix: string, count: number) => labelsOf(prefix, components, count, annotations);

/** Beside its place, with an edge, so that it can be read on anything. */
function write({ context, pixel, shown }: Canvas, label: string | undefined, x: number, y: number): void {
  if (!label) return;
  shown.push(label);
  context.font = `${LABEL_PIXELS * pixel * devicePixelRatio}px system-ui`;
  const color = context.fillStyle;
  context.lineWidth = 3 * pixel * devicePixelRatio;
  context.strokeStyle = "#0008";
  context.lineJoin = "round";
  context.strokeText(label, x, y);
  context.fillStyle = color;
  context.fillText(label, x, y);
}

/** Rerun's radii: negative ones are in pixels of the screen, others in units of the drawing. */
const lengthOf = (radius: number, pixel: number) => (radius < 0 ? -radius * pixel : radius);

function drawPoints(canvas: Canvas): void {
  const { context, components, pixel } = canvas;
  const positions = components.get("Points2D:positions");
  if (!positions) return;
  const numbers = positions.numbers();
  const color = colors(canvas, "Points2D", positions.length);
  const texts = labels(canvas, "Points2D", positions.length);
  for (const [from, to] of connectionsOf("Points2D", components, canvas.annotations)) {
    context.strokeStyle = color(from);
    context.lineWidth = 2 * pixel;
    context.beginPath();
    for (const n of [from, to]) context.lineTo(Number(numbers[2 * n]), Number(numbers[2 * n + 1]));
    context.stroke();
  }
  for (let n = 0; n < positions.length; n++) {
    const [x, y] = [Number(numbers[2 * n]), Number(numbers[2 * n + 1])];
    const radius = lengthOf(instance(components.get("Points2D:radii"), n, -2.5), pixel);
    context.fillStyle = color(n);
    context.beginPath();
    context.arc(x, y, radius, 0, 7);
    context.fill();
    write(canvas, texts[n], x + radius + 2 * pixel, y - radius);
  }
}

function drawStrips(canvas: Canvas): void {
  const { context, components, pixel } = canvas;
  const strips = components.get("LineStrips2D:strips");
  if (!strips) return;
  const color = colors(canvas, "LineStrips2D", strips.length);
  const texts = labels(canvas, "LineStrips2D", strips.length);
  strips.lists().forEach((strip, n) => {
    context.strokeStyle = context.fillStyle = color(n);
    context.lineWidth = 2 * lengthOf(instance(components.get("LineStrips2D:radii"), n, -1), pixel);
    context.beginPath();
    for (let at = 0; at < strip.length; at += 2) context.lineTo(Number(strip[at]), Number(strip[at + 1]));
    context.stroke();
    const middle = 2 * Math.floor(strip.length / 4);
    write(canvas, texts[n], Number(strip[middle]), Number(strip[middle + 1]) - 4 * pixel);
  });
}

function drawBoxes(canvas: Canvas): void {
  const { context, components, pixel } = canvas;
  const halves = components.get("Boxes2D:half_sizes");
  if (!halves) return;
  const sizes = halves.numbers();
  const centers = components.get("Boxes2D:centers")?.numbers() ?? [];
  const color = colors(canvas, "Boxes2D", halves.length);
  const texts = labels(canvas, "Boxes2D", halves.length);
  for (let n = 0; n < halves.length; n++) {
    const [w, h] = [Number(sizes[2 * n]), Number(sizes[2 * n + 1])];
    const [x, y] = [Number(centers[2 * n] ?? 0), Number(centers[2 * n + 1] ?? 0)];
    context.strokeStyle = context.fillStyle = color(n);
    context.lineWidth = 2 * lengthOf(instance(components.get("Boxes2D:radii"), n, -1), pixel);
    context.strokeRect(x - w, y - h, 2 * w, 2 * h);
    write(canvas, texts[n], x - w, y - h - 4 * pixel);
  }
}

function drawArrows(canvas: Canvas): void {
  const { context, components, pixel } = canvas;
  const vectors = components.get("Arrows2D:vectors");
  if (!vectors) return;
  const numbers = vectors.numbers();
  const origins = components.get("Arrows2D:origins")?.numbers() ?? [];
  const color = colors(canvas, "Arrows2D", vectors.length);
  const texts = labels(canvas, "Arrows2D", vectors.length);
  for (let n = 0; n < vectors.length; n++) {
    const [x, y] = [Number(origins[2 * n] ?? 0), Number(origins[2 * n + 1] ?? 0)];
    const [toX, toY] = [x + Number(numbers[2 * n]), y + Number(numbers[2 * n + 1])];
    const angle = Math.atan2(toY - y, toX - x);
    const tip = 8 * pixel;
    context.strokeStyle = context.fillStyle = color(n);
    context.lineWidth = 2 * lengthOf(instance(components.get("Arrows2D:radii"), n, -1), pixel);
    context.beginPath();
    context.moveTo(x, y);
    context.lineTo(toX, toY);
    for (const side of [2.6, -2.6]) {
      context.moveTo(toX, toY);
      context.lineTo(toX + tip * Math.cos(angle + side), toY + tip * Math.sin(angle + side));
    }
    context.stroke();
    write(canvas, texts[n], (x + toX) / 2, (y + toY) / 2 - 4 * pixel);
  }
}
