/** Numbers over time: as many points as there are pixels, however many were logged. */

import { effect, signal } from "@preact/signals";
import { useEffect, useMemo, useRef } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { isPlot } from "../auto";
import { concerns, OneAtATime } from "../following";
import { useLatest, type Latest } from "../latest";
import { entities, follow, goTo, mode, onChange, plotRange, recording, shift, span, timeline, type Timeline } from "../model";
import { cursorX } from "../timebar";
import { fromX, timeText, toX } from "../time";
import { Disconnected, type TimelineType } from "../window";
import { theme } from "../../theme";

const COLORS = {
  dark: ["#4fd1c5", "#f6ad55", "#90a8ff", "#f687b3", "#9ae66e", "#e0c341", "#c79bff", "#ff8a80"],
  light: ["#0b7a75", "#c05f00", "#3450c8", "#b83280", "#3d8b1f", "#8a6d00", "#7b3fc4", "#c53030"],
};
const STYLING = ["SeriesLines:names", "SeriesLines:colors"];
const APPEND_LIMIT = 4; // times the wanted number of points, before they are asked for anew

interface Line {
  source: number; // place in the sources
  part: number; // of the component's instances
  label: string;
  times: Float64Array; // in seconds or steps
  values: Float64Array;
}

/** One component of one entity. */
export type Source = [path: string, component: string];

export function sourcesOf(paths: string[]): Source[] {
  const byPath = new Map(entities.value.map((each) => [each.path, each]));
  return paths.flatMap((path) => {
    const components = byPath.get(path)?.components.filter(isPlot) ?? [];
    return components.map((each): Source => [path, each.name]);
  });
}

function isDark(): boolean {
  return theme.value === "dark" || (theme.value === "system" && matchMedia("(prefers-color-scheme: dark)").matches);
}

/** Asks for points, one question at a time, and adds what comes while following. */
class PlotData extends OneAtATime {
  readonly lines = signal<Line[] | null>(null); // null: nothing has come yet
  readonly skipped = signal(0); // chunks that were not looked into yet
  private asked: { low: number; high: number; timeline: string; bins: number } | null = null;
  private bins = () => 0;

  constructor(private readonly sources: Source[]) {
    super();
  }

  /** Begin, with as many points as `bins` says at the time; asks at once. */
  start(bins: () => number): void {
    this.bins = bins;
    const own = new Set(this.sources.map(([path]) => path));
    this.stops = [
      onChange((changed) => concerns(changed, own) && this.refresh()),
      effect(() => {
        void plotRange.value;
        this.refresh();
      }),
    ];
  }

  protected failed(error: unknown): void {
    this.asked = null;
    if (!(error instanceof Disconnected)) throw error;
  }

  protected async askOnce(): Promise<void> {
    const line = timeline.peek();
    if (!line || !this.sources.length) return;
    const { low, high } = plotRange.peek();
    const bins = this.bins();
    const end = this.canAppend(line, low, high, bins);
    const answer = await recording.ask("series", {
      lines: this.sources,
      timeline: line.name,
      low: fromX(end ?? low, line.type).toString(),
      high: end === null ? fromX(high, line.type).toString() : null,
      bins,
    });
    if (this.stopped) return;
    const came = this.parse(answer.head["series"] as SentSeries[], answer.buffer, answer.offset, line);
    this.lines.value = end === null ? came : this.lines.peek()!.map((each, n) => joined(each, came[n], low));
    this.asked = { low, high: Math.max(high, ...came.map(lastTime)), timeline: line.name, bins };
    this.skipped.value = (answer.head["series"] as SentSeries[]).reduce((sum, each) => sum + each.missing, 0);
    if (this.skipped.peek()) this.stale = true; // they come with the next answers
  }

  /** The end of what is there, if only what came after it is missing. */
  private canAppend(line: Timeline, low: number, high: number, bins: number): number | null {
    const { asked } = this;
    const lines = this.lines.peek();
    if (!asked || mode.peek() !== "follow" || shift.peek() || this.skipped.peek() || !lines?.length) return null;
    if (asked.timeline !== line.name || asked.bins !== bins || low < asked.low || high < asked.high) return null;
    if (lines.some((each) => each.times.length > bins * APPEND_LIMIT * 2)) return null;
    return Math.max(low, Math.min(...lines.map((each) => lastTime(each)))); // of a line without points there may be some
  }

  private parse(sent: SentSeries[], buffer: ArrayBuffer, offset: number, line: Timeline): Line[] {
    const lines: Line[] = [];
    sent.forEach(({ points, lines: count }, n) => {
      const stamps = new BigInt64Array(buffer, offset, points);
      const times = Float64Array.from(stamps, (each) => toX(each, line.type));
      offset += 8 * points;
      for (let k = 0; k < count; k++) {
        lines.push({ source: n, part: k, label: label(this.sources, n, k, count), times, values: new Float64Array(buffer, offset, points) });
        offset += 8 * points;
      }
    });
    return lines;
  }
}

interface SentSeries {
  points: number;
  lines: number;
  chunks: number;
  missing: number;
}

const lastTime = (line: Line) => line.times[line.times.length - 1] ?? -Infinity;

function label(sources: Source[], n: number, k: number, count: number): string {
  const [path, component] = sources[n]!;
  const leaf = path.slice(path.lastIndexOf("/") + 1);
  const own = component === "Scalars:scalars" ? leaf : `${leaf} ${component}`;
  return count > 1 ? `${own}[${k}]` : own;
}

/** `line` from `low` on, and the points of `came` behind its end. */
function joined(line: Line, came: Line | undefined, low: number): Line {
  const end = lastTime(line);
  let first = 0;
  while (first + 1 < line.times.length && line.times[first + 1]! < low) first++;
  let next = 0;
  while (came && next < came.times.length && came.times[next]! <= end) next++;
  const count = line.times.length - first;
  const added = came ? came.times.length - next : 0;
  const times = new Float64Array(count + added);
  const values = new Float64Array(count + added);
  times.set(line.times.subarray(first));
  values.set(line.values.subarray(first));
  if (came) {
    times.set(came.times.subarray(next), count);
    values.set(came.values.subarray(next), count);
  }
  return { ...line, times, values };
}

/** uPlot wants all lines at the same places; where a line has no point there is a gap that it draws across. */
function aligned(lines: Line[]): uPlot.AlignedData {
  if (lines.length === 1) return [lines[0]!.times, lines[0]!.values];
  if (!lines.length) return [[]];
  return uPlot.join(lines.map((each) => [each.times, each.values] as unknown as uPlot.AlignedData));
}

/** Names and colours that were logged for lines. */
interface Style {
  name?: string;
  color?: string;
}

function stylesOf(latest: Latest, sources: Source[], lines: Line[]): Style[] {
  return lines.map(({ source, part }) => {
    const components = latest.get(sources[source]?.[0] ?? "");
    const name = components?.get("SeriesLines:names")?.values()[part];
    const color = components?.get("SeriesLines:colors")?.numbers()[part];
    return {
      ...(typeof name === "string" && { name }),
      ...(color !== undefined && { color: `#${Number(color).toString(16).padStart(8, "0")}` }),
    };
  });
}

/** What uPlot has for a line at a place; where it has none, null or undefined. */
type Value = number | null | undefined;
const isThere = (value: Value): value is number => value !== null && value !== undefined && !Number.isNaN(value);

function options(lines: Line[], styles: Style[], width: number, height: number): uPlot.Options {
  const dark = isDark();
  const axis = { stroke: dark ? "#8fa3aa" : "#5d6f78", grid: { stroke: dark ? "#222c31" : "#e6ecee", width: 1 }, ticks: { show: false } };
  const type = timeline.peek()?.type ?? "sequence";
  return {
    width,
    height,
    cursor: { drag: { x: true, y: false, setScale: false }, points: { size: 6 } },
    legend: { live: true },
    scales: { x: { time: type === "timestamp", range: () => [plotRange.peek().low, plotRange.peek().high] } },
    series: [
      { label: type === "sequence" ? "step" : "time", value: (_: uPlot, x: Value) => (isThere(x) ? timeText(fromX(x, type), type) : "–") },
      ...lines.map((line, n) => ({
        label: styles[n]?.name ?? line.label,
        stroke: styles[n]?.color ?? COLORS[dark ? "dark" : "light"][n % COLORS.dark.length]!,
        width: 1.5,
        spanGaps: true,
        points: { show: line.times.length < 40 },
        value: (_: uPlot, y: Value) => (isThere(y) ? String(Number(y.toPrecision(7))) : "–"),
      })),
    ],
    axes: [
      { ...axis, space: 80, size: 32, values: (_, xs) => xs.map((x) => axisText(x, type, (xs[1] ?? x + 1) - xs[0]!)) },
      { ...axis, size: 58 },
    ],
    hooks: {
      draw: [drawCursor],
      setSelect: [
        (plot) => {
          if (plot.select.width < 4) return;
          show(plot.posToVal(plot.select.left, "x"), plot.posToVal(plot.select.left + plot.select.width, "x"));
          plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
        },
      ],
    },
  };
}

function axisText(x: number, type: TimelineType, step: number): string {
  return type === "timestamp" ? timeText(fromX(x, type), type, step < 1 ? 3 : 0).replace(/^.* /, "") : x.toLocaleString("en");
}

function drawCursor(plot: uPlot): void {
  const x = cursorX();
  if (x === null) return;
  const left = plot.valToPos(x, "x", true);
  plot.ctx.save();
  plot.ctx.strokeStyle = isDark() ? "#ffffffaa" : "#000000aa";
  plot.ctx.lineWidth = devicePixelRatio;
  plot.ctx.beginPath();
  plot.ctx.moveTo(left, plot.bbox.top);
  plot.ctx.lineTo(left, plot.bbox.top + plot.bbox.height);
  plot.ctx.stroke();
  plot.ctx.restore();
}

/** While nothing is pointed at: the values at the time that is shown, or the newest. */
function showValues(plot: uPlot): void {
  if ((plot.cursor.left ?? -1) >= 0) return;
  const x = cursorX() ?? Infinity;
  const [times] = plot.data;
  let end = times.length - 1;
  while (end >= 0 && times[end]! > x) end--;
  const places = plot.data.map((values) => {
    let at = end;
    while (at >= 0 && !isThere(values[at])) at--;
    return at < 0 ? null : at;
  });
  plot.setLegend({ idxs: places as number[] }, false);
}

/** Make this range what all plots show. */
function show(low: number, high: number): void {
  const line = timeline.peek();
  if (!line || high <= low) return;
  const end = toX(line.max, line.type);
  span.value = high - low;
  shift.value = Math.max(0, end - high);
}

function zoom(plot: uPlot, event: WheelEvent): void {
  event.preventDefault();
  const { low, high } = plotRange.peek();
  const following = mode.peek() === "follow" && shift.peek() === 0;
  const x = following ? high : plot.posToVal(event.offsetX, "x");
  const factor = Math.exp(event.deltaY * 0.0015);
  show(x - (x - low) * factor, x + (high - x) * factor);
}

export function PlotView({ paths }: { paths: string[] }) {
  const frame = useRef<HTMLDivElement>(null);
  const drawn = useRef<uPlot | null>(null); // outlives what it was drawn from, until there is something else to draw
  const sources = sourcesOf(paths);
  const data = useMemo(() => new PlotData(sources), [JSON.stringify(sources)]);
  const { latest: styling } = useLatest(sources.map(([path]) => path), STYLING);

  useEffect(() => {
    const element = frame.current!;
    let shape = "";
    const size = () => ({
      width: element.clientWidth,
      height: Math.max(120, element.clientHeight - (drawn.current?.root.querySelector(".u-legend")?.clientHeight ?? 26)),
    });
    const stopDrawing = effect(() => {
      const lines = data.lines.value;
      void plotRange.value;
      void cursorX();
      if (!lines) return;
      const styles = stylesOf(styling.value, sources, lines);
      const wanted = JSON.stringify([lines.map((each) => [each.label, each.times.length < 40]), styles, timeline.value?.name, isDark()]);
      if (wanted !== shape) {
        drawn.current?.destroy();
        shape = wanted;
        drawn.current = new uPlot(options(lines, styles, size().width, size().height), aligned(lines), element);
        drawn.current.setSize(size());
        listen(drawn.current);
      } else drawn.current?.setData(aligned(lines));
      const plot = drawn.current;
      queueMicrotask(() => plot && showValues(plot)); // uPlot draws, and forgets them, with the microtask before
      element.dataset["points"] = String(lines.reduce((sum, each) => sum + each.times.length, 0));
      element.dataset["most"] = String(lines.reduce((most, each) => each.values.reduce((a, b) => (b > a ? b : a), most), -Infinity));
      element.dataset["last"] = lines.map((each) => each.values[each.values.length - 1] ?? "").join(" ");
    });
    data.start(() => Math.max(50, Math.round(element.clientWidth)));
    const resized = new ResizeObserver(() => {
      drawn.current?.setSize(size());
      data.refresh();
    });
    resized.observe(element);
    return () => {
      resized.disconnect();
      stopDrawing();
      data.stop();
    };
  }, [data]); // styling changes only with it
  useEffect(() => () => drawn.current?.destroy(), []);

  return (
    <>
      <div class="plot" ref={frame} role="img" aria-label={`Plot of ${sources.map(([path]) => path).join(", ")}`} />
      {data.skipped.value > 0 && <span class="note">looking into {data.skipped.value.toLocaleString("en")} more chunks</span>}
    </>
  );
}

function listen(plot: uPlot): void {
  plot.over.addEventListener("wheel", (event) => zoom(plot, event), { passive: false });
  plot.over.addEventListener("dblclick", () => {
    span.value = null;
    follow();
  });
  plot.over.addEventListener("mouseleave", () => setTimeout(() => showValues(plot)));
  plot.over.addEventListener("click", (event) => {
    const line = timeline.peek();
    if (line) goTo(fromX(plot.posToVal(event.offsetX, "x"), line.type));
  });
}
