// SPDX-License-Identifier: Apache-2.0
// The screen stays on during a call (Screen Wake Lock); where the browser cannot, the system's own rule stands.

export class ScreenAwake {
  private lock: WakeLockSentinel | null = null;
  private wanted = false;
  private readonly again = () => void this.take();

  start(): void {
    this.wanted = true;
    document.addEventListener("visibilitychange", this.again); // the browser lets go of it when the page is hidden
    void this.take();
  }

  stop(): void {
    this.wanted = false;
    document.removeEventListener("visibilitychange", this.again);
    void this.lock?.release().catch(() => undefined);
    this.lock = null;
  }

  private async take(): Promise<void> {
    if (!this.wanted || document.visibilityState !== "visible" || !("wakeLock" in navigator)) return;
    const lock = await navigator.wakeLock.request("screen").catch(() => null);
    if (this.wanted) this.lock = lock;
    else await lock?.release();
  }
}
