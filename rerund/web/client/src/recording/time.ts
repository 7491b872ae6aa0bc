/** Times on timelines: int64, as bigint; plots draw them as seconds, or as the numbers of a sequence. */

import type { TimelineType } from "./window";

const NANOS = 1_000_000_000n;

export function toX(time: bigint, type: TimelineType): number {
  if (type === "sequence") return Number(time);
  return Number(time / NANOS) + Number(time % NANOS) / 1e9;
}

export function fromX(x: number, type: TimelineType): bigint {
  if (type === "sequence") return BigInt(Math.floor(x + 1e-6)); // between two steps it is still the first
  const whole = Math.floor(x);
  return BigInt(whole) * NANOS + BigInt(Math.round((x - whole) * 1e9));
}

/** A time for people: 14:03:22.125, 12.500 s, #1200. */
export function timeText(time: bigint, type: TimelineType, digits = 3): string {
  if (type === "sequence") return `#${time.toLocaleString("en")}`;
  const x = toX(time, type);
  if (type === "duration") return `${x.toFixed(digits)} s`;
  const date = new Date(Math.floor(x * 1000));
  const fraction = (((time % NANOS) + NANOS) % NANOS).toString().padStart(9, "0").slice(0, digits);
  const clock = date.toLocaleTimeString("en-GB");
  const today = date.toDateString() === new Date().toDateString();
  return `${today ? "" : `${date.toLocaleDateString("sv")} `}${clock}${digits ? `.${fraction}` : ""}`;
}

/** A length of time for people. */
export function spanText(x: number, type: TimelineType): string {
  if (type === "sequence") return `${Math.round(x).toLocaleString("en")} steps`;
  if (x >= 7200) return `${(x / 3600).toFixed(1)} h`;
  if (x >= 120) return `${(x / 60).toFixed(1)} min`;
  return x >= 1 ? `${x.toFixed(1)} s` : `${(x * 1000).toFixed(1)} ms`;
}

export const least = (a: bigint, b: bigint) => (a < b ? a : b);
export const greatest = (a: bigint, b: bigint) => (a > b ? a : b);
export const clamped = (time: bigint, low: bigint, high: bigint) => greatest(low, least(time, high));
