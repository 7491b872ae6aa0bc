/** Everything else: each component of the entities as it is at the time that is shown. */

import type { Component } from "../components";
import { useLatest } from "../latest";
import { timeline } from "../model";
import { timeText } from "../time";

const MOST_INSTANCES = 8;
const MOST_LETTERS = 400;

function asText(value: unknown): string {
  if (value instanceof Uint8Array) return `${value.length} bytes`;
  if (ArrayBuffer.isView(value)) return `[${[...(value as Float64Array).subarray(0, 16)].map(asText).join(", ")}${(value as Float64Array).length > 16 ? ", …" : ""}]`;
  if (typeof value === "number") return String(Number.isInteger(value) ? value : Number(value.toPrecision(7)));
  if (Array.isArray(value)) return `[${value.slice(0, 16).map(asText).join(", ")}${value.length > 16 ? ", …" : ""}]`;
  if (value && typeof value === "object") return `{${Object.entries(value).map(([key, each]) => `${key}: ${asText(each)}`).join(", ")}}`;
  return String(value);
}

export function componentText(component: Component): string {
  const shown = component.values(MOST_INSTANCES).map(asText).join(", ");
  const more = component.length > MOST_INSTANCES ? `, … (${component.length.toLocaleString("en")})` : "";
  return component.length ? (shown + more).slice(0, MOST_LETTERS) : "(empty)";
}

export function TableView({ paths }: { paths: string[] }) {
  const { latest } = useLatest(paths);
  const line = timeline.value;
  return (
    <div class="values">
      <table>
        <tbody>
          {[...latest.value].flatMap(([path, components]) =>
            [...components].map(([name, component], n) => (
              <tr key={path + name}>
                {n === 0 && (
                  <th scope="rowgroup" rowSpan={components.size}>
                    {path}
                  </th>
                )}
                <td class="quiet">{name}</td>
                <td class="value">{componentText(component)}</td>
                <td class="quiet number">{component.time === null ? "static" : line && timeText(component.time, line.type)}</td>
              </tr>
            )),
          )}
        </tbody>
      </table>
    </div>
  );
}
