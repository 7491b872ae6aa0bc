/** An image and what is drawn on it: points, lines, boxes, arrows. The wheel zooms, dragging moves, a double click fits. */

import { effect, useSignal, type ReadonlySignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import type { Components } from "../components";
import { useLatest, type Latest } from "../latest";
import { entities, mode } from "../model";
import { annotationsOf, withAnnotations, type Annotations } from "./annotations";
import { drawAllFlat, extent } from "./flat";
import { pictureOf, type Picture } from "./pixels";
import { cleared, fitted, Zoom } from "./zoom";

const IMAGE = /^(Image|EncodedImage|DepthImage|SegmentationImage):(buffer|blob)$/;

const COUNTED_SECS = 3;
const ALMOST_ALL = 0.8;

export function ImageView({ paths }: { paths: string[] }) {
  const { latest, error } = useLatest(withAnnotations(paths, entities.value));
  const canvas = useRef<HTMLCanvasElement>(null);
  const zoom = useRef(new Zoom()).current;
  const shown = useRef<{ picture: Picture | null; rowId: string }>({ picture: null, rowId: "" });
  const trouble = useSignal("");
  const skipped = useFrameCount(paths, latest);
  const hovered = useSignal("");

  const paint = () => {
    const element = canvas.current;
    if (element) draw(element, shown.current.picture, latest.value, zoom);
  };

  useEffect(() => {
    let current = true;
    const source = imageOf(latest.value);
    const rowId = source ? source.rowId + source.annotations.rowId : "";
    if (rowId === shown.current.rowId) paint();
    else {
      Promise.resolve(source && pictureOf(source.components, source.annotations)).then(
        (picture) => {
          if (!current) return;
          const { picture: before } = shown.current;
          if (before?.source instanceof ImageBitmap) before.source.close();
          shown.current = { picture: picture ?? null, rowId };
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

  const repaint = useRef(paint);
  repaint.current = paint;
  useEffect(() => zoom.attach(canvas.current!, () => repaint.current()), []);

  const moved = (event: PointerEvent) => {
    const { picture } = shown.current;
    const [x, y] = zoom.placeOf(event).map(Math.floor) as [number, number];
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

function imageOf(latest: Latest): { components: Components; rowId: string; annotations: Annotations } | null {
  for (const [path, components] of latest) {
    for (const [name, component] of components) {
      if (IMAGE.test(name) && component.length) return { components, rowId: component.rowId, annotations: annotationsOf(path, latest) };
    }
  }
  return null;
}

function draw(canvas: HTMLCanvasElement, picture: Picture | null, latest: Latest, zoom: Zoom): void {
  const { context, width, height } = cleared(canvas);
  const box = picture ? { left: 0, top: 0, right: picture.width, bottom: picture.height } : extent(latest);
  const place = (zoom.shown = zoom.chosen ?? fitted(box, width, height));
  context.setTransform(place.scale, 0, 0, place.scale, place.left, place.top);
  context.imageSmoothingEnabled = place.scale < 1;
  if (picture) context.drawImage(picture.source, 0, 0);
  canvas.dataset["labels"] = drawAllFlat(context, latest, 1 / place.scale).join(" | ");
  canvas.dataset["size"] = picture ? `${picture.width}x${picture.height}` : "";
}
