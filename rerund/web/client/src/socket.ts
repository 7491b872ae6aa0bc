/** A WebSocket to the daemon that comes back by itself. */

export type SocketState = "connecting" | "open" | "away" | "missing";

const FIRST_RETRY_MS = 250;
const LONGEST_RETRY_MS = 4000;
const NOT_FOUND = 4404; // close code: the daemon is there, what was asked for is not

export interface SocketHandler {
  /** Path and query; asked anew at each attempt, so that a reader can say where it wants to go on. */
  path(): string;
  opened?(socket: WebSocket): void;
  message(data: ArrayBuffer | string, socket: WebSocket): void;
  state(state: SocketState, reason: string): void;
}

export class ReconnectingSocket {
  private socket: WebSocket | null = null;
  private retryMs = FIRST_RETRY_MS;
  private timer: number | undefined;

  constructor(private readonly handler: SocketHandler) {
    addEventListener("online", () => this.now());
    document.addEventListener("visibilitychange", () => document.hidden || this.now());
    handler.state("connecting", "");
    this.connect();
  }

  /** Drop the connection, if any, and connect anew at once. */
  restart(): void {
    this.socket?.close();
    this.socket = null;
    this.now();
  }

  private now(): void {
    if (this.socket !== null) return;
    clearTimeout(this.timer);
    this.connect();
  }

  private connect(): void {
    const url = new URL(this.handler.path(), location.href);
    url.protocol = location.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(url);
    this.socket = socket;
    socket.binaryType = "arraybuffer";
    socket.onopen = () => {
      this.handler.opened?.(socket);
      this.handler.state("open", "");
    };
    socket.onmessage = (event: MessageEvent<ArrayBuffer | string>) => {
      if (this.socket !== socket) return; // of a connection that was given up
      this.retryMs = FIRST_RETRY_MS;
      this.handler.message(event.data, socket);
    };
    socket.onclose = (event) => {
      if (this.socket !== socket) return;
      this.socket = null;
      this.handler.state(event.code === NOT_FOUND ? "missing" : "away", event.reason);
      this.timer = window.setTimeout(() => this.connect(), this.retryMs);
      this.retryMs = Math.min(this.retryMs * 2, LONGEST_RETRY_MS);
    };
  }
}

/** What a person is told about a connection; nothing while all is well. */
export function stateText(state: SocketState, reason: string): string {
  switch (state) {
    case "open":
      return "";
    case "connecting":
      return "Connecting…";
    case "away":
      return "The daemon is away. This page goes on when it is back.";
    case "missing":
      return reason;
  }
}
