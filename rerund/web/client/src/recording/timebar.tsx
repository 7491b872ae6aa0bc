/** Where the page stands in time, and how to move. */

import { useEffect } from "preact/hooks";
import {
  at,
  follow,
  goTo,
  looping,
  mode,
  plotRange,
  shownTime,
  span,
  speed,
  SPEEDS,
  step,
  timeline,
  timelineName,
  timelines,
  togglePlay,
} from "./model";
import { batch } from "@preact/signals";
import { Icon } from "../icon";
import { fromX, spanText, timeText, toX } from "./time";
import { Disconnected } from "./window";

const STEPS = 10_000; // of the slider

export function TimeBar() {
  useEffect(() => {
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  }, []);
  const line = timeline.value;
  if (!line) return <footer class="timebar quiet">Nothing with a time was logged yet.</footer>;
  const time = shownTime.value ?? line.max;
  const [low, high] = [toX(line.min, line.type), toX(line.max, line.type)];
  const place = high > low ? (toX(time, line.type) - low) / (high - low) : 1;
  const range = plotRange.value;
  return (
    <footer class="timebar">
      <div class="buttons" role="group" aria-label="Time">
        <button onClick={() => goTo(line.min)} title="To the beginning (Home)" aria-label="To the beginning">
          <Icon path="M6 5v14M19 5l-10 7 10 7z" />
        </button>
        <button onClick={() => go(false)} title="One row back (←)" aria-label="One row back">
          <Icon path="M15 5l-9 7 9 7z" />
        </button>
        <button class="main" onClick={togglePlay} title="Play or pause (space)">
          {mode.value === "play" || mode.value === "follow" ? "Pause" : "Play"}
        </button>
        <button onClick={() => go(true)} title="One row on (→)" aria-label="One row on">
          <Icon path="M9 5l9 7-9 7z" />
        </button>
        <button aria-pressed={mode.value === "follow"} onClick={follow} title="Show what comes (End)">
          Live
        </button>
      </div>
      <select
        aria-label="Timeline"
        value={line.name}
        onChange={(event) => {
          batch(() => {
            timelineName.value = event.currentTarget.value;
            span.value = null;
            follow();
          });
        }}
      >
        {timelines.value.map((each) => (
          <option key={each.name} value={each.name}>
            {each.name}
          </option>
        ))}
      </select>
      <output class="now number" aria-label="Time that is shown">
        {timeText(time, line.type)}
      </output>
      <div class="track">
        <span
          class="range"
          style={{
            left: `${fraction(range.low, low, high) * 100}%`,
            right: `${(1 - fraction(range.high, low, high)) * 100}%`,
          }}
        />
        <input
          type="range"
          min={0}
          max={STEPS}
          value={Math.round(place * STEPS)}
          aria-label="Place in the recording"
          aria-valuetext={timeText(time, line.type)}
          onInput={(event) => goTo(fromX(low + (Number(event.currentTarget.value) / STEPS) * (high - low), line.type))}
        />
      </div>
      <label title="Repeat what the plots show">
        <input type="checkbox" checked={looping.value} onChange={(event) => (looping.value = event.currentTarget.checked)} /> Loop
      </label>
      <select aria-label="Speed" value={String(speed.value)} onChange={(event) => (speed.value = Number(event.currentTarget.value))}>
        {SPEEDS.map((each) => (
          <option key={each} value={String(each)}>
            {each}×
          </option>
        ))}
      </select>
      <span class="quiet number" title="What the plots show; turn the wheel over a plot to change it">
        {spanText(range.high - range.low, line.type)}
      </span>
    </footer>
  );
}

function fraction(x: number, low: number, high: number): number {
  return high > low ? Math.min(1, Math.max(0, (x - low) / (high - low))) : 0;
}

function go(forward: boolean): void {
  step(forward).catch((error: unknown) => {
    if (!(error instanceof Disconnected)) throw error;
  });
}

/** Whether what has the focus wants a key for itself. */
function wants(target: EventTarget | null, key: string): boolean {
  if (target instanceof HTMLInputElement) return target.type !== "range" && (target.type !== "checkbox" || key === " ");
  if (target instanceof HTMLButtonElement || (target instanceof HTMLElement && target.tagName === "SUMMARY")) return key === " ";
  return target instanceof HTMLSelectElement;
}

function onKey(event: KeyboardEvent): void {
  const line = timeline.value;
  if (!line || event.ctrlKey || event.metaKey || event.altKey || wants(event.target, event.key)) return;
  switch (event.key) {
    case " ":
      togglePlay();
      break;
    case "ArrowLeft":
      go(false);
      break;
    case "ArrowRight":
      go(true);
      break;
    case "Home":
      goTo(line.min);
      break;
    case "End":
      follow();
      break;
    default:
      return;
  }
  event.preventDefault();
}

/** Where the cursor is while not following, for plots. */
export function cursorX(): number | null {
  const line = timeline.value;
  return line && mode.value !== "follow" ? toX(at.value, line.type) : null;
}
