/** Keeps what some entities are at the time that is shown: asks again when the time moves or something came. */

import { effect, signal, type ReadonlySignal } from "@preact/signals";
import { useEffect, useState } from "preact/hooks";
import { merged, type Components, type SentEntity } from "./components";
import { onChange, recording, shownTime, timeline } from "./model";
import { Disconnected } from "./window";

export type Latest = ReadonlyMap<string, Components>; // by entity path

const NOTHING: Latest = new Map();

/**
 * One question at a time: while an answer is on its way, what happens only makes it ask once more. So a slow link gets
 * fewer answers, each of the moment, and a fast one as many as can be drawn.
 */
class LatestQuery {
  readonly latest = signal<Latest>(NOTHING);
  readonly error = signal("");
  private asking = false;
  private stale = false;
  private stopped = false;
  private readonly stops: (() => void)[];

  constructor(
    private readonly paths: string[],
    private readonly components: string[] | undefined,
  ) {
    const own = new Set(paths);
    this.stops = [
      onChange((changed) => {
        if (shownTime.peek() === null && (changed === null || [...changed].some((path) => own.has(path)))) this.refresh();
      }),
      effect(() => {
        void shownTime.value;
        void timeline.value?.name;
        this.refresh();
      }),
    ];
  }

  stop(): void {
    this.stopped = true;
    for (const stop of this.stops) stop();
  }

  private refresh(): void {
    this.stale = true;
    if (!this.asking) void this.ask();
  }

  private async ask(): Promise<void> {
    this.asking = true;
    try {
      while (this.stale && !this.stopped) {
        this.stale = false;
        await this.askOnce();
        await new Promise(requestAnimationFrame);
      }
    } catch (error) {
      if (!(error instanceof Disconnected)) this.error.value = String(error);
    } finally {
      this.asking = false;
    }
  }

  private async askOnce(): Promise<void> {
    const line = timeline.peek();
    if (!this.paths.length) return;
    const before = this.latest.peek();
    const answer = await recording.ask("latest", {
      entities: this.paths,
      timeline: line?.name ?? "",
      at: shownTime.peek()?.toString() ?? null,
      ...(this.components && { components: this.components }),
      known: Object.fromEntries([...before].map(([path, components]) => [path, rowIds(components)])),
    });
    const now = new Map<string, Components>();
    let offset = answer.offset;
    for (const sent of answer.head["entities"] as SentEntity[]) {
      const stream = new Uint8Array(answer.buffer, offset, sent.size);
      now.set(sent.path, merged(sent, stream, before.get(sent.path)));
      offset += Math.ceil(sent.size / 8) * 8;
    }
    if (!this.stopped) {
      this.error.value = "";
      this.latest.value = now;
    }
  }
}

function rowIds(components: Components): Record<string, string> {
  return Object.fromEntries([...components].map(([name, component]) => [name, component.rowId]));
}

/** What `paths` are at the time that is shown. */
export function useLatest(paths: string[], components?: string[]): { latest: ReadonlySignal<Latest>; error: ReadonlySignal<string> } {
  const key = JSON.stringify([paths, components]);
  const [query, setQuery] = useState<LatestQuery | null>(null);
  useEffect(() => {
    const made = new LatestQuery(paths, components);
    setQuery(made);
    return () => made.stop();
  }, [key]);
  return query ?? EMPTY;
}

const EMPTY = { latest: signal<Latest>(NOTHING), error: signal("") };
