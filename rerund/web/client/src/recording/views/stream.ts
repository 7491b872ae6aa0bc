/** Decodes a video stream, the browser's own way: as much of it as the picture at the shown time needs. */

import { Following } from "../following";
import { recording, shownTime, timeline } from "../model";
import { Disconnected } from "../window";

interface Sent {
  time: string;
  row_id: string;
  size: number;
  key: boolean;
}

// of rerun.components.VideoCodec
const AVC = 0x61766331;
const CODECS: Record<number, string> = { 0x68657631: "hev1.1.6.L120.90", 0x61763031: "av01.0.08M.08", 0x76703038: "vp8", 0x76703039: "vp09.00.41.08" };

export class StreamDecoder extends Following {
  private decoder: VideoDecoder | null = null;
  private isFlushed = false;
  private fed: Sent | null = null;
  private number = 0;
  private readonly wanted = new Set<number>(); // frames to draw; others are on the way to them

  /** draw: takes the frame and closes it. tell: what is wrong; "" if nothing is. */
  constructor(
    private readonly path: string,
    private readonly codec: number,
    private readonly draw: (frame: VideoFrame) => void,
    private readonly tell: (trouble: string) => void,
  ) {
    super([path]);
  }

  override stop(): void {
    super.stop();
    this.reset();
  }

  protected failed(error: unknown): void {
    this.reset();
    if (!(error instanceof Disconnected)) this.tell(error instanceof Error ? error.message : String(error));
  }

  protected async askOnce(): Promise<void> {
    const line = timeline.peek();
    if (!line) return;
    const at = shownTime.peek();
    if (this.isFlushed || (this.fed && at !== null && BigInt(this.fed.time) > at)) this.reset();
    const before = this.fed;
    const answer = await recording.ask("samples", {
      entity: this.path,
      timeline: line.name,
      at: at?.toString() ?? null,
      codec: this.codec,
      ...(before && { after: before.time, after_row: before.row_id }),
    });
    if (this.stopped || this.fed !== before) return;
    let offset = answer.offset;
    for (const sent of answer.head["samples"] as Sent[]) {
      this.feed(sent, new Uint8Array(answer.buffer, offset, sent.size));
      offset += sent.size;
    }
    if (!this.decoder) return;
    this.wanted.add(this.number - 1);
    if (at === null) return;
    this.isFlushed = true; // a decoder may keep frames back until more come; after this it begins with a keyframe
    await this.decoder.flush();
  }

  private feed(sent: Sent, data: Uint8Array<ArrayBuffer>): void {
    if (!this.decoder) this.decoder = this.opened(data);
    this.fed = sent;
    this.decoder.decode(new EncodedVideoChunk({ type: sent.key ? "key" : "delta", timestamp: this.number++, data }));
  }

  private opened(first: Uint8Array): VideoDecoder {
    const decoder = new VideoDecoder({
      output: (frame) => {
        if (this.stopped || !this.wanted.delete(frame.timestamp)) frame.close();
        else this.draw(frame);
        this.tell("");
      },
      error: (error) => this.failed(error),
    });
    decoder.configure({ codec: this.codec === AVC ? avcCodec(first) : CODECS[this.codec] ?? "unknown", optimizeForLatency: true });
    return decoder;
  }

  private reset(): void {
    if (this.decoder && this.decoder.state !== "closed") this.decoder.close();
    this.decoder = null;
    this.fed = null;
    this.isFlushed = false;
    this.wanted.clear();
  }
}

/** As the sequence parameters in the first sample say: profile, constraints, level. */
function avcCodec(data: Uint8Array): string {
  for (let at = 0; at + 6 < data.length; at++) {
    if (data[at] === 0 && data[at + 1] === 0 && data[at + 2] === 1 && (data[at + 3]! & 31) === 7) {
      return `avc1.${[4, 5, 6].map((n) => data[at + n]!.toString(16).padStart(2, "0")).join("")}`;
    }
  }
  return "avc1.42e01f";
}
