/** The daemon's status, kept up to date: what /ws/status sends. */

import { signal } from "@preact/signals";
import { ReconnectingSocket, type SocketState } from "./socket";

export interface Recording {
  application_id: string;
  recording_id: string;
  bytes: number;
  messages: number | null; // these three null: not opened since the daemon started
  rows: number | null;
  entities: number | null;
  producers: number;
  live: boolean;
  started: number; // seconds since the epoch; 0: unknown
  last_write: number;
  error: string;
  pinned: boolean;
}

export interface Producer {
  producer_id: string;
  application_id: string;
  recording_id: string;
  pid: number;
  host: string;
  name: string;
  connected: number;
  idle_secs: number;
  lag_secs: number; // from the log_time of its latest row to its arrival
  waiting_bytes: number; // that it keeps because they were not taken yet
  rows: number;
  bytes: number;
  lost_rows: number;
}

export interface Reader {
  kind: string; // "grpc", "web", "subscriber", "file"
  peer: string; // address, or path
  recording: string;
  lag_bytes: number;
}

/** Of the disk that recordings lie on, in bytes. */
export interface Disk {
  free: number;
  total: number;
  floor: number; // so much stays free
  missing: number; // so much more must be free before anything is written; 0: all is well
}

export interface Status {
  version: string;
  pid: number;
  instance: string;
  home: string;
  started: number;
  recordings: Recording[];
  producers: Producer[];
  memory_bytes: number;
  viewers: Reader[];
  sinks: (Reader & { path: string; bytes: number; error: string })[];
  disk: Disk | null;
  spill: { files: number; bytes: number }; // of processes that ended before all was taken
}

export const status = signal<Status | null>(null);
export const connection = signal<SocketState>("connecting");

/** Bytes and rows per second since the status before, by producer or recording. */
export const rates = signal(new Map<string, { bytes: number; rows: number }>());

export const keyOf = (each: { application_id: string; recording_id: string; producer_id?: string }) =>
  each.producer_id ?? `${each.application_id}/${each.recording_id}`;

let previous: { at: number; counts: Map<string, { bytes: number; rows: number }> } | null = null;

function measure(told: Status): void {
  const at = performance.now() / 1000;
  const counts = new Map(
    [...told.recordings, ...told.producers].map((each) => [keyOf(each), { bytes: each.bytes, rows: each.rows ?? 0 }]),
  );
  if (previous) {
    const seconds = at - previous.at;
    const before = previous.counts;
    rates.value = new Map(
      [...counts].map(([key, now]) => {
        const then = before.get(key) ?? now;
        return [key, { bytes: Math.max(0, now.bytes - then.bytes) / seconds, rows: Math.max(0, now.rows - then.rows) / seconds }];
      }),
    );
  }
  previous = { at, counts };
}

export function watchStatus(): void {
  new ReconnectingSocket({
    path: () => "/ws/status",
    message: (data) => {
      const told = JSON.parse(data as string) as Status;
      measure(told);
      status.value = told;
    },
    state: (state) => {
      connection.value = state;
    },
  });
}
