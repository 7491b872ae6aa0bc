/** A video file that was logged, at the frame that was logged for the time; without one it is played as it is. */

import { useSignal } from "@preact/signals";
import { useEffect, useMemo, useRef } from "preact/hooks";
import { useLatest } from "../latest";

export function VideoView({ paths }: { paths: string[] }) {
  const path = paths[0]!;
  const own = useLatest([path]).latest.value.get(path);
  const named = own?.get("VideoFrameReference:video_reference")?.first<string>();
  const source = named ? (named.startsWith("/") ? named : `/${named}`) : path;
  const components = useLatest([source]).latest.value.get(source);
  const blob = components?.get("AssetVideo:blob");
  const type = components?.get("AssetVideo:media_type")?.first<string>() ?? "video/mp4";
  const trouble = useSignal("");
  const element = useRef<HTMLVideoElement>(null);

  const address = useMemo(() => {
    const bytes = blob?.length ? (blob.lists()[0] as Uint8Array<ArrayBuffer>) : null;
    return bytes ? URL.createObjectURL(new Blob([bytes], { type })) : "";
  }, [blob?.rowId]);
  useEffect(() => {
    trouble.value = "";
    return () => URL.revokeObjectURL(address);
  }, [address]);

  const nanos = own?.get("VideoFrameReference:timestamp")?.first<bigint | number>();
  useEffect(() => {
    const video = element.current;
    if (!video || nanos === undefined) return;
    video.pause();
    // a frame begins at its time, which a double hardly ever hits
    video.currentTime = Number(nanos) / 1e9 + 1e-4;
  }, [nanos, address]);

  const isStream = own?.has("VideoStream:sample");
  const said = isStream
    ? "A stream of video samples is shown by the Rerun viewer only."
    : trouble.value || (own && !address ? `There is no video at ${source}.` : "");
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
          onError={() => (trouble.value = `This browser cannot play a video of type ${type}: open the recording in the Rerun viewer.`)}
        />
      )}
      {said && <span class="note">{said}</span>}
    </>
  );
}
