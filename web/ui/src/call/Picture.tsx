// SPDX-License-Identifier: Apache-2.0
import { useEffect, useRef } from "preact/hooks";

export interface PictureProps {
  track: MediaStreamTrack | null;
  test?: string;
  /** Own picture: as in a mirror. */
  mirrored?: boolean;
  label: string;
}

/** One picture, without sound. The element stays while the track changes: no flicker. */
export function Picture({ track, test, mirrored = false, label }: PictureProps) {
  const element = useRef<HTMLVideoElement>(null);
  useEffect(() => {
    const video = element.current;
    if (!video) return;
    video.srcObject = track === null ? null : new MediaStream([track]);
    if (track !== null) void video.play().catch(() => undefined); // muted pictures are always allowed
  }, [track]);
  return (
    <video
      ref={element}
      class={mirrored ? "picture mirrored" : "picture"}
      data-test={test}
      data-me={mirrored ? "" : undefined}
      aria-label={label}
      autoplay
      muted
      playsInline
      disablePictureInPicture
    />
  );
}
