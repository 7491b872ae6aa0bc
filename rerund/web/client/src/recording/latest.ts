/** Keeps what some entities are at the time that is shown: asks again when the time moves or something came. */

import { signal, type ReadonlySignal } from "@preact/signals";
import { useEffect, useMemo } from "preact/hooks";
import { merged, type Components, type SentEntity } from "./components";
import { Following } from "./following";
import { recording, shownTime, timeline } from "./model";
import { Disconnected } from "./window";

export type Latest = ReadonlyMap<string, Components>; // by entity path

const NOTHING: Latest = new Map();

class LatestQuery extends Following {
  readonly latest = signal<Latest>(NOTHING);
  readonly error = signal("");

  constructor(
    paths: string[],
    private readonly components: string[] | undefined,
  ) {
    super(paths);
  }

  protected failed(error: unknown): void {
    if (!(error instanceof Disconnected)) this.error.value = String(error);
  }

  protected async askOnce(): Promise<void> {
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

/** What `paths` are at the time that is shown; the same signals for as long as it is the same paths. */
export function useLatest(paths: string[], components?: string[]): { latest: ReadonlySignal<Latest>; error: ReadonlySignal<string> } {
  const key = JSON.stringify([paths, components]);
  const query = useMemo(() => new LatestQuery(paths, components), [key]);
  useEffect(() => {
    query.start();
    return () => query.stop();
  }, [query]);
  return query;
}
