/** Points and lines on the ground, by latitude and longitude, with a grid and a scale: no tiles, nobody is asked for any. */

import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { useLatest, type Latest } from "../latest";
import { entities } from "../model";
import { theme } from "../../theme";
import { annotationsOf, colorsOf, withAnnotations } from "./annotations";
import { css, instance } from "./colors";
import { cleared, fitted, Zoom, type Box, type Place } from "./zoom";

const METERS = 111_195; // of a degree of latitude
const GRID_PIXELS = 90; // between lines, at least
const LEAST_METERS = 50; // that are shown of one point
const NEAR_PIXELS = 12;

interface Point {
  lat: number;
  lon: number;
  radius: number; // metres; negative: of the screen
  color: string;
}

interface Line {
  places: [lat: number, lon: number][];
  width: number;
  color: string;
}

interface Content {
  points: Point[];
  lines: Line[];
}

/** To metres east and south of a middle, and back: true to scale around it. */
class Projection {
  private readonly meters: number; // of a degree of longitude

  constructor(
    readonly lat: number,
    readonly lon: number,
  ) {
    this.meters = METERS * Math.max(0.01, Math.cos((lat * Math.PI) / 180));
  }

  to(lat: number, lon: number): [x: number, y: number] {
    return [wrapped(lon - this.lon) * this.meters, (this.lat - lat) * METERS];
  }

  from(x: number, y: number): [lat: number, lon: number] {
    return [this.lat - y / METERS, wrapped(this.lon + x / this.meters)];
  }
}

const wrapped = (degrees: number) => ((((degrees + 180) % 360) + 360) % 360) - 180;

function contentOf(latest: Latest): Content {
  const content: Content = { points: [], lines: [] };
  for (const [path, components] of latest) {
    const positions = components.get("GeoPoints:positions");
    if (positions?.length) {
      const numbers = positions.numbers();
      const colors = colorsOf("GeoPoints", path, components, positions.length, annotationsOf(path, latest));
      for (let n = 0; n < positions.length; n++) {
        const radius = instance(components.get("GeoPoints:radii"), n, -4);
        content.points.push({ lat: Number(numbers[2 * n]), lon: Number(numbers[2 * n + 1]), radius, color: css(colors.subarray(3 * n, 3 * n + 3)) });
      }
    }
    const strings = components.get("GeoLineStrings:line_strings");
    if (strings?.length) {
      const colors = colorsOf("GeoLineStrings", path, components, strings.length, annotationsOf(path, latest));
      strings.lists().forEach((list, n) => {
        const places = Array.from({ length: list.length / 2 }, (_, at): [number, number] => [Number(list[2 * at]), Number(list[2 * at + 1])]);
        const width = instance(components.get("GeoLineStrings:radii"), n, -1);
        content.lines.push({ places, width, color: css(colors.subarray(3 * n, 3 * n + 3)) });
      });
    }
  }
  return content;
}

export function MapView({ paths }: { paths: string[] }) {
  const { latest, error } = useLatest(withAnnotations(paths, entities.value));
  const canvas = useRef<HTMLCanvasElement>(null);
  const zoom = useRef(new Zoom()).current;
  const middle = useRef<Projection | null>(null); // stays, so that what moves is seen to move
  const hovered = useSignal("");
  const content = contentOf(latest.value);
  const all = [...content.points.map(({ lat, lon }): [number, number] => [lat, lon]), ...content.lines.flatMap((line) => line.places)];
  if (!middle.current && all.length) middle.current = new Projection(...all[0]!);
  const projection = middle.current ?? new Projection(0, 0);

  const paint = () => canvas.current && draw(canvas.current, zoom, projection, content, all);
  const repaint = useRef(paint);
  repaint.current = paint;
  useEffect(() => zoom.attach(canvas.current!, () => repaint.current()), []);
  useEffect(() => void paint(), [latest.value, theme.value]);

  const moved = (event: PointerEvent) => {
    const [x, y] = zoom.placeOf(event);
    const near = (NEAR_PIXELS * devicePixelRatio) / zoom.shown.scale;
    const distances = content.points.map(({ lat, lon }) => Math.hypot(...difference(projection.to(lat, lon), [x, y])));
    const nearest = distances.indexOf(Math.min(...distances));
    const point = content.points[nearest];
    const [lat, lon] = point && distances[nearest]! < near ? [point.lat, point.lon] : projection.from(x, y);
    hovered.value = `${degrees(lat, "N", "S")}, ${degrees(lon, "E", "W")}`;
  };
  return (
    <>
      <canvas
        class="image map"
        ref={canvas}
        role="img"
        aria-label={`Map of ${content.points.length} points and ${content.lines.length} lines`}
        data-points={content.points.slice(0, 32).map(({ lat, lon }) => `${lat} ${lon}`).join(" | ")}
        data-lines={content.lines.slice(0, 32).map(({ places }) => places.length).join(" ")}
        onPointerMove={moved}
        onPointerLeave={() => (hovered.value = "")}
      />
      {(error.value || hovered.value) && <span class="note number">{error.value || hovered.value}</span>}
    </>
  );
}

const difference = ([a, b]: [number, number], [c, d]: [number, number]): [number, number] => [a - c, b - d];

function degrees(value: number, positive: string, negative: string, digits = 6): string {
  return `${Math.abs(value).toFixed(digits)}° ${value < 0 ? negative : positive}`;
}

function draw(canvas: HTMLCanvasElement, zoom: Zoom, projection: Projection, { points, lines }: Content, all: [number, number][]): void {
  const { context, width, height } = cleared(canvas);
  const place = (zoom.shown = zoom.chosen ?? fitted(boxOf(all.map(([lat, lon]) => projection.to(lat, lon))), width, height));
  const onCanvas = ([x, y]: [number, number]): [number, number] => [x * place.scale + place.left, y * place.scale + place.top];
  const size = (radius: number) => (radius < 0 ? -radius * devicePixelRatio : radius * place.scale);
  grid(context, place, projection, width, height);
  context.lineJoin = context.lineCap = "round";
  for (const line of lines) {
    context.strokeStyle = line.color;
    context.lineWidth = Math.max(1, 2 * size(line.width));
    context.beginPath();
    for (const [lat, lon] of line.places) context.lineTo(...onCanvas(projection.to(lat, lon)));
    context.stroke();
  }
  for (const point of points) {
    context.fillStyle = point.color;
    context.beginPath();
    context.arc(...onCanvas(projection.to(point.lat, point.lon)), Math.max(devicePixelRatio, size(point.radius)), 0, 7);
    context.fill();
  }
  scaleBar(context, place, width, height);
}

function boxOf(places: [number, number][]): Box {
  const box = { left: Infinity, top: Infinity, right: -Infinity, bottom: -Infinity };
  for (const [x, y] of places) {
    box.left = Math.min(box.left, x);
    box.right = Math.max(box.right, x);
    box.top = Math.min(box.top, y);
    box.bottom = Math.max(box.bottom, y);
  }
  if (!places.length) return { left: -LEAST_METERS, top: -LEAST_METERS, right: LEAST_METERS, bottom: LEAST_METERS };
  const room = Math.max(box.right - box.left, box.bottom - box.top, LEAST_METERS) * 0.15;
  return { left: box.left - room, top: box.top - room, right: box.right + room, bottom: box.bottom + room };
}

/** 1, 2 or 5 times a power of ten, not below `least`. */
function round(least: number): number {
  const power = 10 ** Math.floor(Math.log10(least));
  return power * ([1, 2, 5, 10].find((each) => each * power >= least) ?? 10);
}

function grid(context: CanvasRenderingContext2D, place: Place, projection: Projection, width: number, height: number): void {
  const style = getComputedStyle(context.canvas);
  const step = round((GRID_PIXELS * devicePixelRatio) / place.scale / METERS);
  const digits = Math.max(0, -Math.floor(Math.log10(step)));
  const [top, left] = projection.from(-place.left / place.scale, -place.top / place.scale);
  const [bottom, right] = projection.from((width - place.left) / place.scale, (height - place.top) / place.scale);
  context.strokeStyle = style.getPropertyValue("--line");
  context.fillStyle = style.getPropertyValue("--quiet");
  context.font = `${10 * devicePixelRatio}px system-ui`;
  context.lineWidth = devicePixelRatio;
  context.beginPath();
  for (let lat = Math.ceil(bottom / step) * step; lat < top; lat += step) {
    const y = projection.to(lat, 0)[1] * place.scale + place.top;
    context.moveTo(0, y);
    context.lineTo(width, y);
    context.fillText(degrees(lat, "N", "S", digits), 4 * devicePixelRatio, y - 3 * devicePixelRatio);
  }
  for (let lon = Math.ceil(left / step) * step; left < right && lon < right; lon += step) {
    const x = projection.to(0, lon)[0] * place.scale + place.left;
    context.moveTo(x, 0);
    context.lineTo(x, height);
    context.fillText(degrees(lon, "E", "W", digits), x + 3 * devicePixelRatio, 12 * devicePixelRatio);
  }
  context.stroke();
}

function scaleBar(context: CanvasRenderingContext2D, place: Place, width: number, height: number): void {
  const meters = round((60 * devicePixelRatio) / place.scale);
  const length = meters * place.scale;
  const [right, bottom] = [width - 10 * devicePixelRatio, height - 10 * devicePixelRatio];
  const style = getComputedStyle(context.canvas);
  context.strokeStyle = context.fillStyle = style.color;
  context.lineWidth = 2 * devicePixelRatio;
  context.beginPath();
  context.moveTo(right - length, bottom);
  context.lineTo(right, bottom);
  context.stroke();
  const text = meters >= 1000 ? `${meters / 1000} km` : meters >= 1 ? `${meters} m` : `${Math.round(meters * 100)} cm`;
  context.textAlign = "center";
  context.fillText(text, right - length / 2, bottom - 5 * devicePixelRatio);
  context.canvas.dataset["scale"] = text;
}
