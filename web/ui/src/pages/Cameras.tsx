// SPDX-License-Identifier: Apache-2.0
// IP cameras of the places: how each is, and a test picture of it.
import { useEffect, useState } from "preact/hooks";
import { api, type Camera } from "../api";
import { t } from "../i18n";
import { useAction, useLoaded } from "../load";
import { Button, Empty, ErrorNotice, Loading, Page, StateWord, Table, type Tone, toast, When } from "../ui";
import { CameraForm } from "./CameraForm";
import { Confirm } from "./Confirm";

const EVERY_MS = 15_000;
type Open = { what: "add" } | { what: "edit" | "remove"; camera: Camera } | null;
const WELL = new Set(["running", "works"]);
const IN_BETWEEN = new Set(["", "connecting"]);

export default function Cameras() {
  const cameras = useLoaded(api.cameras);
  const places = useLoaded(api.places);
  const [open, setOpen] = useState<Open>(null);
  useEffect(() => {
    const timer = setInterval(cameras.reload, EVERY_MS);
    return () => clearInterval(timer);
  }, []);
  const close = (): void => {
    setOpen(null);
    cameras.reload();
  };
  const done = (text: string): void => {
    toast(text);
    close();
  };
  const add = (
    <Button kind="primary" icon="plus" onClick={() => setOpen({ what: "add" })} test="add-camera">
      {t("camera-add")}
    </Button>
  );
  return (
    <Page title={t("nav-cameras")} lead={t("cameras-lead")} actions={cameras.data?.length ? add : undefined}>
      <div class="stack">
        <ErrorNotice error={cameras.error} />
        {!cameras.data && !cameras.error && <Loading label={t("loading")} />}
        {cameras.data?.length === 0 && (
          <Empty title={t("cameras-none")} action={add}>
            {t("cameras-none-lead")}
          </Empty>
        )}
        {cameras.data && cameras.data.length > 0 && (
          <CameraTable
            cameras={cameras.data}
            onOpen={(what, camera) => setOpen({ what, camera })}
            onTested={cameras.reload}
          />
        )}
      </div>
      {open?.what === "add" && <CameraForm places={places.data ?? []} onClose={close} onDone={done} />}
      {open?.what === "edit" && (
        <CameraForm places={places.data ?? []} camera={open.camera} onClose={close} onDone={done} />
      )}
      {open?.what === "remove" && (
        <Confirm
          title={t("camera-remove", { name: open.camera.name })}
          says={t("camera-remove-lead")}
          button={t("camera-remove-button")}
          onClose={close}
          work={async () => {
            await api.removeCamera(open.camera.id);
            done(t("camera-removed", { name: open.camera.name }));
          }}
        />
      )}
    </Page>
  );
}

function CameraTable(props: {
  cameras: Camera[];
  onOpen: (what: "edit" | "remove", camera: Camera) => void;
  onTested: () => void;
}) {
  return (
    <Table
      label={t("nav-cameras")}
      rows={props.cameras}
      rowKey={(camera) => camera.id}
      rowTest="camera-row"
      columns={[
        { head: t("column-name"), cell: (camera) => <span class="cell-title">{camera.name}</span> },
        { head: t("column-place"), cell: (camera) => camera.place?.name ?? "—" },
        { head: t("column-address"), wide: true, minor: true, cell: (camera) => <Address camera={camera} /> },
        { head: t("column-state"), cell: (camera) => <CameraState camera={camera} /> },
        { head: t("column-seen"), minor: true, cell: (camera) => <When utc_ms={camera.state_utc_ms} /> },
        {
          head: t("column-actions"),
          numeric: true,
          cell: (camera) => (
            <div class="actions">
              <TestButton camera={camera} onTested={props.onTested} />
              <Button size="small" onClick={() => props.onOpen("edit", camera)} test="edit-camera">
                {t("edit")}
              </Button>
              <Button size="small" onClick={() => props.onOpen("remove", camera)} test="remove-camera">
                {t("camera-remove-button")}
              </Button>
            </div>
          ),
        },
      ]}
    />
  );
}

function Address({ camera }: { camera: Camera }) {
  return (
    <span class="camera-address" title={camera.address}>
      {camera.address} <span class="secondary">{camera.transport.toUpperCase()}</span>
    </span>
  );
}

/** How a camera was when it was used or tested last, in words. */
export function cameraWord(state: string, detail: string): string {
  if (state === "") return t("camera-state-untested");
  return t(`camera-state-${state.replaceAll("_", "-")}`, { codec: detail });
}

export function cameraTone(state: string): Tone {
  if (WELL.has(state)) return "ok";
  return IN_BETWEEN.has(state) ? "off" : "fail";
}

function CameraState({ camera }: { camera: Camera }) {
  const size = camera.width && WELL.has(camera.state) ? ` · ${camera.width}×${camera.height}` : "";
  return (
    <StateWord tone={cameraTone(camera.state)} test="camera-state">
      {cameraWord(camera.state, camera.state_detail)}
      {size}
    </StateWord>
  );
}

/** Asks the camera for a picture; the picture itself is shown where it is set up. */
function TestButton({ camera, onTested }: { camera: Camera; onTested: () => void }) {
  const action = useAction();
  const test = (): void =>
    void action
      .run(() => api.cameraPicture({ camera_id: camera.id }))
      .then((well) => {
        if (well) toast(t("camera-works", { name: camera.name }));
        onTested();
      });
  return (
    <Button size="small" busy={action.busy} onClick={test} test="test-camera">
      {t("camera-test")}
    </Button>
  );
}
