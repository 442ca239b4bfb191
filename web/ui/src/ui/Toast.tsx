// SPDX-License-Identifier: Apache-2.0
import { signal } from "@preact/signals";
import { Notice, type Tone } from "./Notice";

interface Message {
  n: number;
  tone: Tone;
  text: string;
}
const SHOWN_MS = 5000;
/** More than this at once is noise: the oldest goes. */
const AT_MOST = 3;
const messages = signal<Message[]>([]);
let count = 0;

/** Say something that needs no answer, for five seconds. */
export function toast(text: string, tone: Tone = "ok"): void {
  const n = ++count;
  messages.value = [...messages.value, { n, tone, text }].slice(-AT_MOST);
  setTimeout(() => {
    messages.value = messages.value.filter((message) => message.n !== n);
  }, SHOWN_MS);
}

export function Toasts() {
  return (
    <div class="toasts" aria-live="polite">
      {messages.value.map((message) => (
        <Notice key={message.n} tone={message.tone} test="toast">
          {message.text}
        </Notice>
      ))}
    </div>
  );
}
