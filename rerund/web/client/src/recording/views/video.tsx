/** Videos: a file that was logged, at the frame that was logged for the time, or played as it is; or a stream of samples. */

import { useSignal } from "@preact/signals";
import { useEffect, useMemo, useRef } from "preact/hooks";
import { useLatest } from "../latest";
import { entities } from "../model";
import { StreamDecoder } from "./stream";

export function VideoView({ paths }: { paths: string[] }) {
  const path = paths[0]!;
  const isStream = entities.value.find((each) => each.path === path)?.components.some((each) => each.name === "VideoStream:sample");
  return isStream ? <StreamView path={path} /> : <FileView path={path} />;
}

function StreamView({ path }: { path: string }) {
  const { latest } = useLatest([path], ["VideoStream:codec"]);
  const codec = latest.value.get(path)?.get("VideoStream:codec")?.numbers()[0];
  const canvas = useRef<HTMLCanvasElement>(null);
  const trouble = useSignal("");
  useEffect(() => {
    if (codec === undefined) return;
    if (!("VideoDecoder" in window)) {
      trouble.value = "This browser decodes videos only on pages of localhost or https: open the recording in the Rerun viewer.";
      return;
    }
    const draw = (frame: VideoFrame) => {
      const element = canvas.current!;
      [element.width, element.height] = [frame.displayWidth, frame.displayHeight];
      element.getContext("2d")!.drawImage(frame, 0, 0);
      element.dataset["frames"] = String(Number(element.dataset["frames"] ?? 0) + 1);
      frame.close();
    };
    const decoder = new StreamDecoder(path, Number(codec), draw, (text) => (trouble.value = text)).start();
    return () => decoder.stop();
  }, [path, codec]);
  return (
    <>
      <canvas class="video" ref={canvas} role="img" aria-label={`Video ${path}`} />
      {trouble.value && <span class="note">{trouble.value}</span>}
    </>
  );
}

function FileView({ path }: { path: string }) {
  const own = useLatest([path]).latest.value.get(path);
  const named = own?.get("VideoFrameReference:video_reference")?.first<string>();
  const source = named ? (named.startsWith("/") ? named : `/${named}`) : path;
  const components = useLatest([source]).latest.value.get(source);
  const blob = components?.get("AssetVideo:blob");
  const type = components?.get("AssetVideo:media_type")?.first<string>() ?? "video/mp4";
  const unplayable = useSignal(""); // an address
  const element = useRef<HTMLVideoElement>(null);

  const address = useMemo(() => {
    const bytes = blob?.length ? (blob.lists()[0] as Uint8Array<ArrayBuffer>) : null;
    return bytes ? URL.createObjectURL(new Blob([bytes], { type })) : "";
  }, [blob?.rowId]);
  useEffect(() => () => URL.revokeObjectURL(address), [address]);

  const nanos = own?.get("VideoFrameReference:timestamp")?.first<bigint | number>();
  useEffect(() => {
    const video = element.current;
    if (!video || nanos === undefined) return;
    video.pause();
    // a frame begins at its time, which a double hardly ever hits
    video.currentTime = Number(nanos) / 1e9 + 1e-4;
  }, [nanos, address]);

  let said = own && !address ? `There is no video at ${source}.` : "";
  if (address && unplayable.value === address) {
    said = `This browser cannot play a video of type ${type}: open the recording in the Rerun viewer.`;
  }
  return (
    <>
      {address && (
        <video
          class="video"
          ref={element}
          src={address}
          muted
          playsInline
          controls={nanos === undefined}
          preload="auto"
          aria-label={`Video ${path}`}
          onSeeked={(event) => (event.currentTarget.dataset["time"] = event.currentTarget.currentTime.toFixed(3))}
          onError={() => (unplayable.value = address)}
        />
      )}
      {said && <span class="note">{said}</span>}
    </>
  );
}
