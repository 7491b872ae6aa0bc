/** What the page knows and where it stands: one recording, one timeline, one time. */

import { batch, computed, effect, signal } from "@preact/signals";
import { nameFromLocation, toPath } from "../names";
import type { SocketState } from "../socket";
import { clamped, fromX, toX } from "./time";
import { Disconnected, RecordingWindow, type News, type TimelineType } from "./window";

export interface Timeline {
  name: string;
  type: TimelineType;
  min: bigint;
  max: bigint;
}

export interface ComponentInfo {
  name: string; // "Points3D:positions"
  type: string; // "Position3D"; "" if it is none of Rerun's
  archetype: string; // "Points3D", or ""
  arrow: string;
}

export interface Entity {
  path: string;
  rows: number;
  bytes: number;
  static: boolean;
  timelines: Record<string, [string, string]>;
  components: ComponentInfo[];
}

/** follow: the newest, as it comes; pause: at a time; play: a time that goes on. */
export type Mode = "follow" | "pause" | "play";

export const SPEEDS = [0.1, 0.25, 0.5, 1, 2, 5, 10];
const ENTITIES_PERIOD_MS = 1000; // so often the list of entities is asked for while it changes,
const ENTITIES_REST = 8; // or so many times what it took to come, if that is longer
const WHOLE_SPAN = { sequence: 5000, duration: 120, timestamp: 120 }; // recordings up to this are shown whole
const FIRST_SPAN = { sequence: 1000, duration: 30, timestamp: 30 }; // of longer ones, the end

export const name = nameFromLocation();
export const connection = signal<{ state: SocketState; reason: string }>({ state: "connecting", reason: "" });
export const bytes = signal(0);
export const timelines = signal<Timeline[]>([]);
export const entities = signal<Entity[]>([]);
export const timelineName = signal("");
export const mode = signal<Mode>("follow");
export const at = signal(0n); // while not following
export const speed = signal(1);
export const looping = signal(false);
export const span = signal<number | null>(null); // of plots, in seconds or steps; null: not chosen
export const shift = signal(0); // how far the end of plots lies behind the end of the timeline or the cursor

export const timeline = computed<Timeline | null>(
  () => timelines.value.find((each) => each.name === timelineName.value) ?? timelines.value[0] ?? null,
);

/** The time that is shown; null: the newest. */
export const shownTime = computed<bigint | null>(() => (mode.value === "follow" ? null : at.value));

/** What plots show, in seconds or steps. */
export const plotRange = computed<{ low: number; high: number }>(() => {
  const line = timeline.value;
  if (!line) return { low: 0, high: 1 };
  const [min, max] = [toX(line.min, line.type), toX(line.max, line.type)];
  const whole = max - min;
  const wanted = span.value ?? (whole <= WHOLE_SPAN[line.type] ? whole : FIRST_SPAN[line.type]);
  const width = Math.max(Math.min(wanted, whole), 1e-6) || 1;
  const high = Math.min(Math.max(max - shift.value, min + width), max);
  return { low: high - width, high };
});

type Listener = (changed: Set<string> | null) => void;
const listeners = new Set<Listener>();

/** Be told which entities changed (null: perhaps all); returns how to stop it. */
export function onChange(listener: Listener): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export const recording = new RecordingWindow(
  `/ws/view/${toPath(name)}`,
  takeNews,
  (state, reason) => {
    connection.value = { state, reason };
    if (state === "open") entitiesAsked = 0;
  },
);

let entitiesAsked = 0;
let entitiesTook = 0;
let entitiesTimer: number | undefined;

function takeNews(news: News): void {
  batch(() => {
    bytes.value = news.bytes;
    timelines.value = news.timelines.map((each) => ({ ...each, min: BigInt(each.min), max: BigInt(each.max) }));
    if (!timelineName.value && timelines.value.length) timelineName.value = preferred(timelines.value);
  });
  const known = new Set(entities.value.map((each) => each.path));
  const isNew = news.changed === null || news.changed.some((path) => !known.has(path));
  askForEntities(isNew);
  const changed = news.changed && new Set(news.changed);
  for (const listener of listeners) listener(changed);
}

/** log_time says when things happened on all machines; if all that there is has a finer one, people mean that. */
function preferred(lines: Timeline[]): string {
  return (lines.find((each) => each.name === "log_time") ?? lines[0]!).name;
}

function askForEntities(soon: boolean): void {
  if (entitiesTimer !== undefined) return;
  const period = Math.max(soon ? ENTITIES_PERIOD_MS / 4 : ENTITIES_PERIOD_MS, entitiesTook * ENTITIES_REST);
  const wait = Math.max(0, entitiesAsked + period - performance.now());
  entitiesTimer = window.setTimeout(async () => {
    const began = performance.now();
    try {
      const answer = await recording.ask("entities", {});
      entities.value = answer.head["entities"] as Entity[];
    } catch (error) {
      if (!(error instanceof Disconnected)) throw error;
    } finally {
      entitiesAsked = performance.now();
      entitiesTook = entitiesAsked - began;
      entitiesTimer = undefined;
    }
  }, wait);
}

// moving in time

export function follow(): void {
  batch(() => {
    mode.value = "follow";
    shift.value = 0;
  });
}

export function goTo(time: bigint): void {
  const line = timeline.value;
  if (!line) return;
  batch(() => {
    if (mode.value === "follow") mode.value = "pause";
    at.value = clamped(time, line.min, line.max);
    const x = toX(at.value, line.type);
    const { low, high } = plotRange.value;
    if (x < low || x > high) shift.value = Math.max(0, toX(line.max, line.type) - x - (high - low) / 2);
  });
}

export function togglePlay(): void {
  const line = timeline.value;
  if (!line) return;
  batch(() => {
    if (mode.value === "play") mode.value = "pause";
    else if (mode.value === "follow") {
      at.value = line.max;
      mode.value = "pause";
    } else {
      if (at.value >= line.max) at.value = line.min;
      mode.value = "play";
    }
  });
}

/** To the next row of anything, or the one before. */
export async function step(forward: boolean): Promise<void> {
  const line = timeline.value;
  if (!line) return;
  const from = mode.value === "follow" ? line.max : at.value;
  const answer = await recording.ask("step", { timeline: line.name, at: from.toString(), forward });
  const found = answer.head["time"] as string | null;
  if (found !== null) goTo(BigInt(found));
}

/** Let time go on while playing. */
effect(() => {
  if (mode.value !== "play") return;
  let last = performance.now();
  let frame = requestAnimationFrame(function advance(now) {
    const line = timeline.peek();
    if (line) {
      const x = toX(at.peek(), line.type) + ((now - last) / 1000) * speed.peek() * (line.type === "sequence" ? 30 : 1);
      const loop = looping.peek() ? plotRange.peek() : null;
      const end = loop ? fromX(loop.high, line.type) : line.max;
      const next = fromX(x, line.type);
      if (next > at.peek()) last = now; // else a slow sequence: what has passed counts with the next frame
      if (next <= end) goTo(next);
      else if (loop) goTo(fromX(loop.low, line.type));
      else goTo(end);
    }
    frame = requestAnimationFrame(advance);
  });
  return () => cancelAnimationFrame(frame);
});
