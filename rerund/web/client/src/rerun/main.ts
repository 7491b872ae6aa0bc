/** Hosts the Rerun web viewer, which does not reconnect by itself, and feeds it one recording through a link that does. */

import { WebViewer, type WebViewerOptions } from "@rerun-io/web-viewer";
import "../theme.css";
import "./rerun.css";
import { bytes, count } from "../format";
import { nameFromLocation, toPath, type RecordingName } from "../names";
import { streamRecording } from "../recording_stream";
import { stateText } from "../socket";

const MESSAGE_HEADER = 16;
const STREAM_HEADER = 12;
const OPTIONS: WebViewerOptions = { width: "100%", height: "100%", hide_welcome_screen: true };

const element = (id: string) => document.getElementById(id) as HTMLElement;

/** Away from loopback and without TLS a page has no `crypto.randomUUID`, which the viewer calls. */
function provideRandomUuid(): void {
  crypto.randomUUID ??= () => {
    const bytes = crypto.getRandomValues(new Uint8Array(16));
    bytes[6] = (bytes[6]! & 0x0f) | 0x40;
    bytes[8] = (bytes[8]! & 0x3f) | 0x80;
    const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
    return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
  };
}

/** Where a daemon serves this: `rerund view FILE` does so, too, and has no other page. */
async function offerOurPage(name: RecordingName): Promise<void> {
  const link = element("ours") as HTMLAnchorElement;
  link.href = `/recordings/${toPath(name)}`;
  link.hidden = !(await fetch("/api/status", { method: "HEAD" })).ok;
}

function countMessages(stream: Uint8Array): number {
  const view = new DataView(stream.buffer, stream.byteOffset, stream.byteLength);
  let messages = 0;
  for (let at = STREAM_HEADER; at < stream.length; messages++) {
    at += MESSAGE_HEADER + Number(view.getBigUint64(at + 8, true));
  }
  return messages;
}

async function main(): Promise<void> {
  const name = nameFromLocation();
  document.title = `${name.recording} · ${name.application} · rerund`;
  element("name").textContent = `${name.application} / ${name.recording}`;

  void offerOurPage(name);
  provideRandomUuid();
  const viewer = new WebViewer();
  await viewer.start(null, element("viewer"), OPTIONS);
  const channel = viewer.open_channel(name.recording);

  const received = { messages: 0, bytes: 0 };
  streamRecording(name, {
    messages: (stream) => {
      channel.send_rrd(stream);
      received.messages += countMessages(stream);
      received.bytes += stream.length - STREAM_HEADER;
      element("received").textContent = `${count(received.messages, "message")}, ${bytes(received.bytes)}`;
      element("received").dataset["messages"] = `${received.messages}`;
    },
    state: (state, reason) => {
      element("state").textContent = stateText(state, reason);
      element("state").dataset["state"] = state;
    },
  });
}

main().catch((error: unknown) => {
  element("state").dataset["state"] = "failed";
  element("state").textContent = `The Rerun viewer cannot run here: ${error instanceof Error ? error.message : error}`;
});
