// SPDX-License-Identifier: Apache-2.0
// A fresh one-time link: shown this once, to be copied or printed and handed over.
import { useRef, useState } from "preact/hooks";
import type { FreshLink } from "../api";
import { t } from "../i18n";
import { dateTime } from "../time";
import { Button, Dialog, Notice } from "../ui";

export interface LinkDialogProps {
  link: FreshLink;
  /** Whom or what it is for. */
  name: string;
  username?: string;
  kind: "account" | "set";
  onClose: () => void;
}

/** Address to open; the token stands behind #, which browsers send to no server and write to no log. */
export function linkAddress(link: FreshLink): string {
  return `${location.origin}/join#${link.token}`;
}

export function LinkDialog({ link, name, username, kind, onClose }: LinkDialogProps) {
  const [copied, setCopied] = useState(false);
  const text = useRef<HTMLTextAreaElement>(null);
  const url = linkAddress(link);
  const copy = async (): Promise<void> => {
    try {
      await navigator.clipboard.writeText(url);
    } catch {
      // No clipboard without HTTPS: the old way still works there.
      text.current?.select();
      document.execCommand("copy");
    }
    setCopied(true);
  };
  return (
    <Dialog
      title={t("link-title", { name })}
      onClose={onClose}
      test="link-dialog"
      actions={
        <>
          <Button icon="printer" onClick={() => print()}>
            {t("print")}
          </Button>
          <Button kind="primary" icon={copied ? "check" : "copy"} onClick={() => void copy()} test="copy-link">
            {copied ? t("copied") : t("copy")}
          </Button>
        </>
      }
    >
      <Notice tone="info">{t("link-once", { when: dateTime(link.expires_utc_ms) })}</Notice>
      <textarea
        class="input link-text"
        readOnly
        rows={3}
        ref={text}
        value={url}
        aria-label={t("link-label")}
        data-test="link"
        onFocus={(event) => event.currentTarget.select()}
      />
      <p class="secondary">{t(kind === "account" ? "link-how-account" : "link-how-set")}</p>
      <div class="print-only slip">
        <h1>{t("product")}</h1>
        <p>
          {t("slip-for")} <strong>{name}</strong>
        </p>
        {username && (
          <p>
            {t("username")}: <strong>{username}</strong>
          </p>
        )}
        <p>{t(kind === "account" ? "slip-how-account" : "slip-how-set")}</p>
        <p class="slip-link">{url}</p>
        <p>{t("join-expires", { when: dateTime(link.expires_utc_ms) })}</p>
        <p>{t("slip-certificate", { address: `${location.origin}/ca` })}</p>
      </div>
    </Dialog>
  );
}
