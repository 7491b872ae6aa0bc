/** An image and what is drawn on it: points, lines, boxes, arrows. The wheel zooms, dragging moves, a double click fits. */

import { effect, useSignal, type ReadonlySignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import type { Components } from "../components";
import { useLatest, type Latest } from "../latest";
import { entities, mode } from "../model";
import { css, instance, instanceColors, pathColor } from "./colors";
import { pictureOf, type Picture } from "./pixels";

const IMAGE = /^(Image|EncodedImage|DepthImage|SegmentationImage):(buffer|blob)$/;

const COUNTED_SECS = 3;
const ALMOST_ALL = 0.8;

interface Place {
  scale: number; // canvas pixels of one image pixel
  left: number;
  top: number;
}

export function ImageView({ paths }: { paths: string[] }) {
  const { latest, error } = useLatest(paths);
  const canvas = useRef<HTMLCanvasElement>(null);
  const chosen = useRef<Place | null>(null); // null: as large as fits
  const shown = useRef<{ picture: Picture | null; rowId: string; place: Place }>({ picture: null, rowId: "", place: { scale: 1, left: 0, top: 0 } });
  const trouble = useSignal("");
  const skipped = useFrameCount(paths, latest);
  const hovered = useSignal("");

  const paint = () => {
    const element = canvas.current;
    if (element) shown.current.place = draw(element, shown.current.picture, latest.value, chosen.current);
  };

  useEffect(() => {
    let current = true;
    const source = imageOf(latest.value);
    const rowId = source?.rowId ?? "";
    if (rowId === shown.current.rowId) paint();
    else {
      Promise.resolve(source && pictureOf(source.components)).then(
        (picture) => {
          if (!current) return;
          const { picture: before } = shown.current;
          if (before?.source instanceof ImageBitmap) before.source.close();
          shown.current = { ...shown.current, picture: picture ?? null, rowId };
          trouble.value = "";
          paint();
        },
        (error: unknown) => (trouble.value = error instanceof Error ? error.message : String(error)),
      );
    }
    return () => {
      current = false;
    };
  }, [latest.value]);

  useEffect(() => {
    const resized = new ResizeObserver(paint);
    resized.observe(canvas.current!);
    const wheel = (event: WheelEvent) => {
      event.preventDefault();
      const { scale, left, top } = shown.current.place;
      const factor = Math.exp(-event.deltaY * 0.0015);
      const [x, y] = [event.offsetX * devicePixelRatio, event.offsetY * devicePixelRatio];
      chosen.current = { scale: scale * factor, left: x - (x - left) * factor, top: y - (y - top) * factor };
      paint();
    };
    canvas.current!.addEventListener("wheel", wheel, { passive: false });
    return () => {
      resized.disconnect();
      canvas.current?.removeEventListener("wheel", wheel);
    };
  }, []);

  const moved = (event: PointerEvent) => {
    const { picture, place } = shown.current;
    if (event.buttons === 1) {
      chosen.current = { ...place, left: place.left + event.movementX * devicePixelRatio, top: place.top + event.movementY * devicePixelRatio };
      paint();
    }
    const x = Math.floor((event.offsetX * devicePixelRatio - place.left) / place.scale);
    const y = Math.floor((event.offsetY * devicePixelRatio - place.top) / place.scale);
    const inside = picture && x >= 0 && y >= 0 && x < picture.width && y < picture.height;
    hovered.value = inside ? `${x}, ${y}  ${picture.valueAt(x, y)}` : "";
  };

  return (
    <>
      <canvas
        class="image"
        ref={canvas}
        role="img"
        aria-label={`Image ${paths[0]}`}
        onPointerMove={moved}
        onPointerLeave={() => (hovered.value = "")}
        onDblClick={() => {
          chosen.current = null;
          paint();
        }}
      />
      {skipped.value && <span class="note corner number">{skipped.value}</span>}
      {(trouble.value || error.value || hovered.value) && <span class="note number">{trouble.value || error.value || hovered.value}</span>}
    </>
  );
}

/** While following: how many of the frames that come can be shown, if that is not about all. */
function useFrameCount(paths: string[], latest: ReadonlySignal<Latest>): ReadonlySignal<string> {
  const text = useSignal("");
  useEffect(() => {
    const path = paths[0]!;
    let [since, shown, rowId] = [performance.now(), 0, ""];
    let logged = rowsOf(path);
    return effect(() => {
      const now = imageOf(latest.value)?.rowId ?? "";
      if (now !== rowId) shown++;
      rowId = now;
      const rows = rowsOf(path);
      const secs = (performance.now() - since) / 1000;
      if (secs < COUNTED_SECS || rows === logged) return;
      const came = rows - logged;
      const isLive = mode.peek() === "follow";
      text.value = isLive && shown < came * ALMOST_ALL ? `${(shown / secs).toFixed(1)} of ${(came / secs).toFixed(1)} frames/s` : "";
      [since, shown, logged] = [performance.now(), 0, rows];
    });
  }, [paths.join("\n"), latest]);
  return text;
}

const rowsOf = (path: string) => entities.value.find((each) => each.path === path)?.rows ?? 0;

function imageOf(latest: Latest): { components: Components; rowId: string } | null {
  for (const components of latest.values()) {
    for (const [name, component] of components) {
      if (IMAGE.test(name) && component.length) return { components, rowId: component.rowId };
    }
  }
  return null;
}

/** Paint all; where the image lies then. */
function draw(canvas: HTMLCanvasElement, picture: Picture | null, latest: Latest, chosen: Place | null): Place {
  const width = (canvas.width = Math.max(1, canvas.clientWidth * devicePixelRatio));
  const height = (canvas.height = Math.max(1, canvas.clientHeight * devicePixelRatio));
  const context = canvas.getContext("2d")!;
  const box = picture ? { left: 0, top: 0, right: picture.width, bottom: picture.height } : extent(latest);
  const place = chosen ?? fitted(box, width, height);
  context.setTransform(place.scale, 0, 0, place.scale, place.left, place.top);
  context.imageSmoothingEnabled = place.scale < 1;
  if (picture) context.drawImage(picture.source, 0, 0);
  for (const [path, components] of latest) drawFlat(context, path, components, 1 / place.scale);
  canvas.dataset["size"] = picture ? `${picture.width}x${picture.height}` : "";
  return place;
}

function fitted(box: { left: number; top: number; right: number; bottom: number }, width: number, height: number): Place {
  const [w, h] = [box.right - box.left || 1, box.bottom - box.top || 1];
  const scale = Math.min(width / w, height / h);
  return { scale, left: (width - w * scale) / 2 - box.left * scale, top: (height - h * scale) / 2 - box.top * scale };
}

/** Where flat drawings without an image lie, with some room around. */
function extent(latest: Latest): { left: number; top: number; right: number; bottom: number } {
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
    for (const name of ["Points2D:positions", "Boxes2D:centers", "Arrows2D:origins"]) see(components.get(name)?.numbers() ?? []);
    components.get("LineStrips2D:strips")?.lists().forEach(see);
  }
  if (left > right) return { left: 0, top: 0, right: 1, bottom: 1 };
  const room = Math.max(right - left, bottom - top, 1e-6) * 0.1;
  return { left: left - room, top: top - room, right: right + room, bottom: bottom + room };
}

function drawFlat(context: CanvasRenderingContext2D, path: string, components: Components, pixel: number): void {
  drawPoints(context, path, components, pixel);
  drawStrips(context, path, components, pixel);
  drawBoxes(context, path, components, pixel);
  drawArrows(context, path, components, pixel);
}

/** Rerun's radii: negative ones are in pixels of the screen, others in units of the drawing. */
const lengthOf = (radius: number, pixel: number) => (radius < 0 ? -radius * pixel : radius);

function drawPoints(context: CanvasRenderingContext2D, path: string, components: Components, pixel: number): void {
  const positions = components.get("Points2D:positions");
  if (!positions) return;
  const numbers = positions.numbers();
  const colors = instanceColors(components.get("Points2D:colors"), positions.length, pathColor(path));
  for (let n = 0; n < positions.length; n++) {
    context.fillStyle = css(colors.subarray(3 * n, 3 * n + 3));
    context.beginPath();
    const radius = lengthOf(instance(components.get("Points2D:radii"), n, -2.5), pixel);
    context.arc(Number(numbers[2 * n]), Number(numbers[2 * n + 1]), radius, 0, 7);
    context.fill();
  }
}

function drawStrips(context: CanvasRenderingContext2D, path: string, components: Components, pixel: number): void {
  const strips = components.get("LineStrips2D:strips");
  if (!strips) return;
  const colors = instanceColors(components.get("LineStrips2D:colors"), strips.length, pathColor(path));
  strips.lists().forEach((strip, n) => {
    context.strokeStyle = css(colors.subarray(3 * n, 3 * n + 3));
    context.lineWidth = 2 * lengthOf(instance(components.get("LineStrips2D:radii"), n, -1), pixel);
    context.beginPath();
    for (let at = 0; at < strip.length; at += 2) context.lineTo(Number(strip[at]), Number(strip[at + 1]));
    context.stroke();
  });
}

function drawBoxes(context: CanvasRenderingContext2D, path: string, components: Components, pixel: number): void {
  const halves = components.get("Boxes2D:half_sizes");
  if (!halves) return;
  const sizes = halves.numbers();
  const centers = components.get("Boxes2D:centers")?.numbers() ?? [];
  const labels = components.get("Boxes2D:labels")?.values() ?? [];
  const colors = instanceColors(components.get("Boxes2D:colors"), halves.length, pathColor(path));
  for (let n = 0; n < halves.length; n++) {
    const [w, h] = [Number(sizes[2 * n]), Number(sizes[2 * n + 1])];
    const [x, y] = [Number(centers[2 * n] ?? 0), Number(centers[2 * n + 1] ?? 0)];
    context.strokeStyle = context.fillStyle = css(colors.subarray(3 * n, 3 * n + 3));
    context.lineWidth = 2 * lengthOf(instance(components.get("Boxes2D:radii"), n, -1), pixel);
    context.strokeRect(x - w, y - h, 2 * w, 2 * h);
    const label = labels[Math.min(n, labels.length - 1)];
    if (label !== undefined) {
      context.font = `${13 * pixel * devicePixelRatio}px system-ui`;
      context.fillText(String(label), x - w, y - h - 4 * pixel);
    }
  }
}

function drawArrows(context: CanvasRenderingContext2D, path: string, components: Components, pixel: number): void {
  const vectors = components.get("Arrows2D:vectors");
  if (!vectors) return;
  const numbers = vectors.numbers();
  const origins = components.get("Arrows2D:origins")?.numbers() ?? [];
  const colors = instanceColors(components.get("Arrows2D:colors"), vectors.length, pathColor(path));
  for (let n = 0; n < vectors.length; n++) {
    const [x, y] = [Number(origins[2 * n] ?? 0), Number(origins[2 * n + 1] ?? 0)];
    const [toX, toY] = [x + Number(numbers[2 * n]), y + Number(numbers[2 * n + 1])];
    const angle = Math.atan2(toY - y, toX - x);
    const tip = 8 * pixel;
    context.strokeStyle = css(colors.subarray(3 * n, 3 * n + 3));
    context.lineWidth = 2 * lengthOf(instance(components.get("Arrows2D:radii"), n, -1), pixel);
    context.beginPath();
    context.moveTo(x, y);
    context.lineTo(toX, toY);
    for (const side of [2.6, -2.6]) {
      context.moveTo(toX, toY);
      context.lineTo(toX + tip * Math.cos(angle + side), toY + tip * Math.sin(angle + side));
    }
    context.stroke();
  }
}
