/** Asks the daemon for what the page shows; the counterpart of rerund/web/window.py. */

import { ReconnectingSocket, type SocketState } from "../socket";

/** Parts of an answer follow its head, each on an 8-byte boundary. */
export interface Answer {
  head: Record<string, unknown>;
  buffer: ArrayBuffer;
  offset: number;
}

export interface News {
  timelines: { name: string; type: TimelineType; min: string; max: string }[];
  changed: string[] | null; // entities; null: too many to name
  bytes: number;
}

export type TimelineType = "sequence" | "duration" | "timestamp";

/** The connection broke before the answer came; there will be news when it is back. */
export class Disconnected extends Error {}

interface Waiting {
  resolve(answer: Answer): void;
  reject(error: Error): void;
}

export class RecordingWindow {
  private readonly waiting = new Map<number, Waiting>();
  private socket: WebSocket | null = null;
  private lastId = 0;

  constructor(
    path: string,
    onNews: (news: News) => void,
    onState: (state: SocketState, reason: string) => void,
  ) {
    new ReconnectingSocket({
      path: () => path,
      opened: (socket) => {
        this.socket = socket;
      },
      message: (data) => {
        const answer = parse(data as ArrayBuffer);
        const id = answer.head["id"];
        if (id === undefined) onNews(answer.head as unknown as News);
        else this.settle(id as number, answer);
      },
      state: (state, reason) => {
        if (state !== "open") this.giveUp();
        onState(state, reason);
      },
    });
  }

  ask(op: string, args: Record<string, unknown>): Promise<Answer> {
    return new Promise((resolve, reject) => {
      if (this.socket?.readyState !== WebSocket.OPEN) {
        reject(new Disconnected("not connected"));
        return;
      }
      const id = ++this.lastId;
      this.waiting.set(id, { resolve, reject });
      this.socket.send(JSON.stringify({ id, op, ...args }));
    });
  }

  private settle(id: number, answer: Answer): void {
    const waiting = this.waiting.get(id);
    this.waiting.delete(id);
    const error = answer.head["error"];
    if (typeof error === "string") waiting?.reject(new Error(error));
    else waiting?.resolve(answer);
  }

  private giveUp(): void {
    this.socket = null;
    const waiting = [...this.waiting.values()];
    this.waiting.clear();
    for (const each of waiting) each.reject(new Disconnected("the connection broke"));
  }
}

function parse(buffer: ArrayBuffer): Answer {
  const length = new DataView(buffer).getUint32(0, true);
  const head = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length))) as Record<string, unknown>;
  return { head, buffer, offset: 4 + length };
}
