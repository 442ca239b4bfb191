// SPDX-License-Identifier: Apache-2.0
// The station's own IP cameras: each one that is ticked is in the session as a picture of its own.
import { useEffect } from "preact/hooks";
import { api } from "../api";
import { t } from "../i18n";
import { useAction, useLoaded } from "../load";
import { cameraTone, cameraWord } from "../pages/Cameras";
import { ErrorNotice, StateWord } from "../ui";
import type { CallModel } from "./model";

/** Nothing where the place has no cameras. */
export function RoomCameras({ model }: { model: CallModel }) {
  const cameras = useLoaded(() => api.sessionCameras(model.id));
  const action = useAction();
  const detail = model.detail.value;
  useEffect(() => cameras.reload(), [detail]);
  const all = cameras.data ?? [];
  if (all.length === 0) return null;
  const tick = (id: string, on: boolean): void =>
    void action.run(async () => {
      const chosen = all.filter((camera) => (camera.id === id ? on : camera.on)).map((camera) => camera.id);
      const next = await api.chooseCameras(model.id, chosen);
      cameras.set(() => next);
    });
  return (
    <section class="people" aria-label={t("room-cameras")} data-test="room-cameras">
      <h2>{t("room-cameras")}</h2>
      <p class="secondary">{t("room-cameras-lead")}</p>
      <ErrorNotice error={action.error} />
      <ul class="people-list">
        {all.map((camera) => (
          <li key={camera.id} class="person">
            <label class="check">
              <input
                type="checkbox"
                checked={camera.on}
                disabled={action.busy}
                data-test="room-camera"
                data-id={camera.id}
                onChange={(event) => tick(camera.id, event.currentTarget.checked)}
              />
              <strong>{camera.name}</strong>
            </label>
            {camera.on && (
              <StateWord tone={cameraTone(camera.state)} test="room-camera-state">
                {cameraWord(camera.state, camera.detail)}
              </StateWord>
            )}
          </li>
        ))}
      </ul>
    </section>
  );
}
