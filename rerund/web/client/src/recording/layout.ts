/** Which views are shown, in what order: automatic until somebody changes it; then it is in the URL, for colleagues too. */

import { computed, effect, signal } from "@preact/signals";
import { automaticViews, KIND_NAMES, type View } from "./auto";
import { at, entities, mode, name, span, timelineName } from "./model";

export interface Panel extends View {
  wide: boolean;
}

const KEY = `rerund-layout ${name.application}/${name.recording}`;
const WRITE_MS = 400;

export const panelKey = (view: View) => `${view.kind} ${view.paths.join(" ")}`;

/** As somebody arranged them; null: nobody did. */
export const arranged = signal<Panel[] | null>(null);

export const panels = computed<Panel[]>(
  () => arranged.value ?? automaticViews(entities.value).map((view) => ({ ...view, wide: false })),
);

/** The one that fills the page. */
export const enlarged = signal<string | null>(null);

export function close(panel: Panel): void {
  arranged.value = panels.value.filter((each) => panelKey(each) !== panelKey(panel));
}

export function add(view: View): void {
  if (!panels.value.some((each) => panelKey(each) === panelKey(view))) {
    arranged.value = [{ ...view, wide: false }, ...panels.value];
  }
}

export function toggleWide(panel: Panel): void {
  arranged.value = panels.value.map((each) => (panelKey(each) === panelKey(panel) ? { ...each, wide: !each.wide } : each));
}

/** Put one panel where another is. */
export function move(key: string, to: string): void {
  const order = [...panels.value];
  const from = order.findIndex((each) => panelKey(each) === key);
  const place = order.findIndex((each) => panelKey(each) === to);
  if (from < 0 || place < 0 || from === place) return;
  const [panel] = order.splice(from, 1);
  order.splice(place, 0, panel!);
  arranged.value = order;
}

export function reset(): void {
  arranged.value = null;
}

/** Anything that is not a list of panels is none. */
function parsed(text: string | null): Panel[] | null {
  try {
    const value: unknown = JSON.parse(text ?? "null");
    if (!Array.isArray(value)) return null;
    return value.flatMap((each: Partial<Panel> | null) => {
      const { kind, paths, title, wide } = each ?? {};
      const isPanel = kind && kind in KIND_NAMES && Array.isArray(paths) && paths.every((path) => typeof path === "string");
      return isPanel ? [{ kind, paths, title: String(title ?? paths[0]), wide: Boolean(wide) }] : [];
    });
  } catch {
    return null;
  }
}

export function readPlace(): void {
  const place = new URLSearchParams(location.hash.slice(1));
  arranged.value = parsed(place.get("views") ?? localStorage.getItem(KEY));
  timelineName.value = place.get("timeline") ?? "";
  const width = Number(place.get("span"));
  span.value = width > 0 ? width : null;
  const time = place.get("at");
  if (time && /^-?\d{1,19}$/.test(time)) {
    at.value = BigInt(time);
    mode.value = "pause";
  }
}

let timer: number | undefined;

effect(() => {
  const place = new URLSearchParams();
  if (timelineName.value) place.set("timeline", timelineName.value);
  if (mode.value !== "follow") place.set("at", at.value.toString());
  if (span.value !== null) place.set("span", String(span.value));
  const views = arranged.value && JSON.stringify(arranged.value);
  if (views) place.set("views", views);
  clearTimeout(timer);
  timer = window.setTimeout(() => {
    history.replaceState(null, "", `#${place}`);
    if (views) localStorage.setItem(KEY, views);
    else localStorage.removeItem(KEY);
  }, WRITE_MS);
});
