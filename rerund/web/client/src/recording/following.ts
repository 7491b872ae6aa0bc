/** Asking again: one question at a time, and, on top of that, whenever what is shown changes. */

import { effect } from "@preact/signals";
import { onChange, shownTime, timeline } from "./model";

/**
 * One question at a time: while an answer is on its way, what happens only makes it ask once more. So a slow link gets
 * fewer answers, each of the moment, and a fast one as many as can be drawn.
 */
export abstract class OneAtATime {
  protected asking = false;
  protected stale = false;
  protected stopped = false;
  protected stops: (() => void)[] = [];

  stop(): void {
    this.stopped = true;
    for (const stop of this.stops) stop();
  }

  refresh(): void {
    this.stale = true;
    if (!this.asking) void this.run();
  }

  /** Ask, and take the answer unless `stopped`. */
  protected abstract askOnce(): Promise<void>;

  /** What to do when asking failed. */
  protected abstract failed(error: unknown): void;

  private async run(): Promise<void> {
    this.asking = true;
    try {
      while (this.stale && !this.stopped) {
        this.stale = false;
        await this.askOnce();
        await new Promise(requestAnimationFrame);
      }
    } catch (error) {
      this.failed(error);
    } finally {
      this.asking = false;
    }
  }
}

/** Whether a change, of all or of these, has to do with one of the paths. */
export const concerns = (changed: Set<string> | null, paths: Set<string>) =>
  changed === null || [...changed].some((path) => paths.has(path));

/** Asks again whenever the time that is shown moves, or, while that is now, something came to the entities in question. */
export abstract class Following extends OneAtATime {
  constructor(protected readonly paths: string[]) {
    super();
  }

  /** Begin; asks at once. */
  start(): this {
    const own = new Set(this.paths);
    this.stops = [
      onChange((changed) => {
        if (shownTime.peek() === null && concerns(changed, own)) this.refresh();
      }),
      effect(() => {
        void shownTime.value;
        void timeline.value?.name;
        this.refresh();
      }),
    ];
    return this;
  }
}
