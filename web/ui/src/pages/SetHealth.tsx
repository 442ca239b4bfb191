// SPDX-License-Identifier: Apache-2.0
// Whether this computer can take part in a call at all, said before anybody waits in front of it.
import { useEffect, useState } from "preact/hooks";
import { canCapture, watchDevices } from "../call/devices.ts";
import { t } from "../i18n";
import { Button, Notice, StateWord } from "../ui";

interface Found {
  camera: boolean;
  microphone: boolean;
}

/** Asks for no permission: browsers tell whether there is a camera without it, only not which. */
async function look(): Promise<Found> {
  const devices = await navigator.mediaDevices.enumerateDevices();
  return {
    camera: devices.some((device) => device.kind === "videoinput"),
    microphone: devices.some((device) => device.kind === "audioinput"),
  };
}

/** Browsers give cameras to trusted pages only: says so where this is none. */
export function InsecureNotice() {
  if (canCapture()) return null;
  return (
    <Notice tone="warn" action={<Button href="/ca">{t("insecure-action")}</Button>} test="insecure">
      {t("insecure")}
    </Notice>
  );
}

/** Camera and microphone in words, as they are plugged in and out. */
export function SetHealth() {
  const [found, setFound] = useState<Found | null>(null);
  useEffect(() => {
    if (!canCapture()) return undefined;
    const again = (): void => void look().then(setFound, () => setFound(null));
    again();
    return watchDevices(again);
  }, []);
  if (!found) return null;
  return (
    <p class="row" data-test="set-health">
      <StateWord tone={found.camera ? "ok" : "fail"}>{t(found.camera ? "camera-there" : "camera-missing")}</StateWord>
      <StateWord tone={found.microphone ? "ok" : "fail"}>
        {t(found.microphone ? "microphone-there" : "microphone-missing")}
      </StateWord>
    </p>
  );
}
