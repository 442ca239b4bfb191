// SPDX-License-Identifier: Apache-2.0
// Address of a door, to be copied into the device; of a new door also the token, which is shown this once.
import { useRef, useState } from "preact/hooks";
import type { Detail, Participant } from "../api";
import { endpointName } from "../call/People";
import { doorAddress, type DoorRight } from "../doors";
import { t } from "../i18n";
import { Button, Dialog, Notice, Select } from "../ui";

export interface DoorKeyProps {
  sessionId: string;
  /** null: the door is not new. */
  token: string | null;
  right: DoorRight;
  detail: Detail | null;
  onClose: () => void;
}

export function DoorKey({ sessionId, token, right, detail, onClose }: DoorKeyProps) {
  const seen = right === "watch" ? watchable(detail) : [];
  const [chosen, choose] = useState("");
  const watched = seen.some((one) => one.peer_id === chosen) ? chosen : (seen[0]?.peer_id ?? "");
  const address = doorAddress(sessionId, right === "publish" ? null : watched);
  const nobody = right === "watch" && watched === "";
  return (
    <Dialog
      title={t(token === null ? "door-address" : "door-key-title")}
      onClose={onClose}
      wide
      test="door-key"
      actions={
        <Button kind="primary" onClick={onClose} test="door-key-close">
          {t(token === null ? "close" : "door-key-done")}
        </Button>
      }
    >
      {token !== null && <Notice tone="warn">{t("door-key-once")}</Notice>}
      {right === "watch" && seen.length > 0 && (
        <Select
          label={t("door-watch-whom")}
          value={watched}
          onChange={choose}
          options={seen.map((one) => ({ value: one.peer_id, label: endpointName(one) }))}
          test="door-watch-whom"
        />
      )}
      {nobody ? (
        <Notice tone="info" test="door-nobody">
          {t("door-watch-nobody")}
        </Notice>
      ) : (
        <CopyLine label={t("door-address")} value={address} test="door-address" />
      )}
      {token === null ? (
        <p class="secondary">{t("door-key-gone")}</p>
      ) : (
        <CopyLine label={t("door-token")} value={token} test="door-token" />
      )}
      <p class="secondary">{t(`door-how-${right}`)}</p>
    </Dialog>
  );
}

/** Whose picture can be asked for: everybody but those who only watch. */
function watchable(detail: Detail | null): Participant[] {
  return detail?.participants.filter((one) => one.kind !== "watcher") ?? [];
}

function CopyLine({ label, value, test }: { label: string; value: string; test: string }) {
  const input = useRef<HTMLTextAreaElement>(null);
  const [copied, setCopied] = useState("");
  const copy = async (): Promise<void> => {
    try {
      await navigator.clipboard.writeText(value);
    } catch {
      // Refused, or no HTTPS: the old way still works there.
      input.current?.select();
      document.execCommand("copy");
    }
    setCopied(value);
  };
  return (
    <div class="field">
      <label for={test}>{label}</label>
      <div class="copy-line">
        <textarea
          class="input link-text"
          id={test}
          readOnly
          rows={2}
          ref={input}
          value={value}
          data-test={test}
          onFocus={(event) => event.currentTarget.select()}
        />
        <Button
          icon={copied === value ? "check" : "copy"}
          onClick={() => void copy()}
          title={t("door-copy", { what: label })}
          test={`${test}-copy`}
        >
          {t(copied === value ? "copied" : "copy")}
        </Button>
      </div>
    </div>
  );
}
