/**
 * All messages of a recording, from its beginning and then live, each once, however often the connection breaks.
 *
 * The daemon sends messages (binary: a 12-byte stream header and whole .rrd messages), then the position behind them
 * (text). Messages count only with their position: those that a breaking connection left without are sent again.
 * Memory: the daemon sends at most WINDOW_BYTES more than was acknowledged, and that is done per painted frame, so a
 * tab in the background is not fed.
 */

import { toPath, type RecordingName } from "./names";
import { ReconnectingSocket, type SocketState } from "./socket";

const WINDOW_BYTES = 16 * 1024 * 1024;

export interface StreamHandler {
  messages(bytes: Uint8Array): void;
  state(state: SocketState, reason: string): void;
}

export function streamRecording(name: RecordingName, handler: StreamHandler): void {
  let position = "start";
  let waiting: Uint8Array | null = null;
  let received = 0;
  let ackPlanned = false;

  const acknowledge = (socket: WebSocket) => {
    if (ackPlanned) return;
    ackPlanned = true;
    requestAnimationFrame(() => {
      ackPlanned = false;
      if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify({ received }));
    });
  };

  new ReconnectingSocket({
    path: () => `/ws/recordings/${toPath(name)}?from=${position}&window=${WINDOW_BYTES}`,
    opened: () => {
      waiting = null;
      received = 0;
    },
    message: (data, socket) => {
      if (typeof data !== "string") {
        waiting = new Uint8Array(data);
        return;
      }
      position = (JSON.parse(data) as { position: string }).position;
      if (!waiting) return;
      received += waiting.length;
      handler.messages(waiting);
      waiting = null;
      acknowledge(socket);
    },
    state: (state, reason) => {
      if (state === "missing") position = "start"; // removed, or replaced by another of its name
      handler.state(state, reason);
    },
  });
}
