// SPDX-License-Identifier: Apache-2.0
// The overview of a recording, as soon as there is one. Nothing waits for it.
import { useEffect, useState } from "preact/hooks";
import { ApiError, request } from "../api";
import { type Overview, type OverviewAnswer, readOverview } from "./overview.ts";

const RETRY_MS = 20_000;

/** Null until it is made and loaded. `sessionId` null: not yet to be asked for. */
export function useOverview(sessionId: string | null): Overview | null {
  const [overview, setOverview] = useState<Overview | null>(null);
  useEffect(() => {
    setOverview(null);
    if (sessionId === null) return;
    let open = true;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const ask = (): void => {
      request<OverviewAnswer>("GET", `/api/sessions/${encodeURIComponent(sessionId)}/overview`).then(
        (answer) => open && setOverview(readOverview(answer)),
        (fault: unknown) => {
          const passes = fault instanceof ApiError && (fault.status === 0 || fault.status === 409 || fault.status >= 500);
          if (open && passes) timer = setTimeout(ask, RETRY_MS);
        },
      );
    };
    ask();
    return () => {
      open = false;
      clearTimeout(timer);
    };
  }, [sessionId]);
  return overview;
}

export const sheetAddress = (sessionId: string, sheet: number): string =>
  `/api/sessions/${encodeURIComponent(sessionId)}/overview/${sheet}.jpg`;
