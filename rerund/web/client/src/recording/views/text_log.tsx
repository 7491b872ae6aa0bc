/** Text logs, the latest row first; older rows come when one scrolls there. */

import { signal } from "@preact/signals";
import { useEffect, useRef, useState } from "preact/hooks";
import { Following } from "../following";
import { recording, shownTime, timeline, goTo } from "../model";
import { timeText } from "../time";
import { Disconnected } from "../window";

const LEVELS = ["CRITICAL", "ERROR", "WARN", "INFO", "DEBUG", "TRACE"];
const PAGE = 100;
const MOST_ROWS = 2000; // in the page; further back: move the time

interface Row {
  time: string;
  row_id: string;
  entity: string;
  text: string;
  level: string;
  color: number | null;
}

interface Place {
  time: string;
  row_id: string;
}

interface Page {
  rows: Row[];
  backTo: Place | null;
}

class Rows extends Following {
  readonly rows = signal<Row[]>([]);
  readonly backTo = signal<Place | null>(null); // older rows may be before this

  constructor(
    paths: string[],
    private readonly level: string,
    private readonly text: string,
  ) {
    super(paths);
  }

  protected failed(error: unknown): void {
    if (!(error instanceof Disconnected)) throw error;
  }

  private async ask(before: bigint | Place | null): Promise<Page> {
    const levels = LEVELS.slice(0, LEVELS.indexOf(this.level) + 1);
    const place = before === null || typeof before === "bigint" ? { before: before?.toString() ?? null } : { before: before.time, before_row: before.row_id };
    const answer = await recording.ask("text_rows", {
      entities: this.paths,
      timeline: timeline.peek()?.name ?? "",
      ...place,
      limit: PAGE,
      text: this.text,
      ...(this.level && { levels: levels.includes("WARN") ? [...levels, "WARNING"] : levels }),
    });
    return { rows: answer.head["rows"] as Row[], backTo: answer.head["looked_back_to"] as Place | null };
  }

  /** All rows that came since the last look, so that no event is left out, whatever the link. */
  protected async askOnce(): Promise<void> {
    const shown = shownTime.peek();
    const known = shown === null ? this.rows.peek() : [];
    const knownIds = new Set(known.map((row) => row.row_id));
    let page = await this.ask(shown);
    const rows = page.rows;
    const meets = () => page.rows.some((row) => knownIds.has(row.row_id));
    while (known.length && !meets() && page.backTo && rows.length < MOST_ROWS) {
      const from = page.backTo;
      page = await this.ask(from);
      rows.push(...page.rows);
      if (page.backTo?.row_id === from.row_id && page.backTo.time === from.time) break; // too much at one time
    }
    if (this.stopped) return;
    if (!known.length || !meets()) this.backTo.value = page.backTo;
    this.rows.value = inOrder(known.length && meets() ? [...rows, ...known] : rows);
  }

  async older(): Promise<void> {
    const from = this.backTo.peek();
    if (this.asking || from === null || this.rows.peek().length >= MOST_ROWS) return;
    this.asking = true;
    try {
      const page = await this.ask(from);
      this.rows.value = inOrder([...this.rows.peek(), ...page.rows]);
      this.backTo.value = page.backTo;
    } catch (error) {
      if (!(error instanceof Disconnected)) throw error;
    } finally {
      this.asking = false;
      if (this.stale) this.refresh();
    }
  }
}

/** Each row once, the latest first. */
function inOrder(rows: Row[]): Row[] {
  const once = [...new Map(rows.map((row) => [row.row_id, row])).values()];
  const times = new Map(once.map((row) => [row, BigInt(row.time)]));
  once.sort((a, b) => {
    const [x, y] = [times.get(a)!, times.get(b)!];
    return x === y ? (a.row_id < b.row_id ? 1 : -1) : x < y ? 1 : -1;
  });
  return once.slice(0, MOST_ROWS);
}

export function TextLogView({ paths }: { paths: string[] }) {
  const [level, setLevel] = useState("");
  const [text, setText] = useState("");
  const [rows, setRows] = useState<Rows | null>(null);
  const list = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const made = new Rows(paths, level, text).start();
    setRows(made);
    return () => made.stop();
  }, [paths.join("\n"), level, text]);
  const line = timeline.value;
  const scrolled = () => {
    const { scrollTop, clientHeight, scrollHeight } = list.current!;
    if (scrollTop + clientHeight > scrollHeight - 200) void rows?.older();
  };
  return (
    <div class="text-log">
      <div class="tools">
        <select aria-label="Least level" value={level} onChange={(event) => setLevel(event.currentTarget.value)}>
          <option value="">all levels</option>
          {LEVELS.map((each) => (
            <option key={each} value={each}>
              {each} and worse
            </option>
          ))}
        </select>
        <input type="search" placeholder="Find" aria-label="Find in the log" value={text} onInput={(event) => setText(event.currentTarget.value)} />
      </div>
      <div class="rows" ref={list} onScroll={scrolled} tabIndex={0} role="log" aria-live="off">
        {rows?.rows.value.map((row) => (
          <div class={`row level-${row.level.toLowerCase()}`} key={row.row_id + row.entity}>
            <button class="plain number" onClick={() => goTo(BigInt(row.time))} title="Go to this time">
              {line && timeText(BigInt(row.time), line.type)}
            </button>
            <span class="level">{row.level}</span>
            <span class="text" style={row.color === null ? {} : { color: `#${row.color.toString(16).padStart(8, "0")}` }}>
              {row.text}
            </span>
            {paths.length > 1 && <span class="quiet">{row.entity}</span>}
          </div>
        ))}
        {rows && rows.backTo.value === null && <p class="quiet">{rows.rows.value.length ? "The beginning." : "Nothing."}</p>}
        {rows && rows.rows.value.length >= MOST_ROWS && <p class="quiet">For older rows, go back in time.</p>}
      </div>
    </div>
  );
}
