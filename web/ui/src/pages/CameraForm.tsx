// SPDX-License-Identifier: Apache-2.0
// One camera: what it is called, how it is reached, and a test picture before anything is saved.
import { useState } from "preact/hooks";
import { api, type Camera, type CameraFields, type CameraPicture, type Place } from "../api";
import { t } from "../i18n";
import { useAction } from "../load";
import { Button, Dialog, ErrorNotice, Field, Select } from "../ui";

const SOUND_NAMES: Record<string, string> = {
  pcm_alaw: "G.711 A",
  pcm_mulaw: "G.711 µ",
  aac: "AAC",
  aac_latm: "AAC",
  opus: "Opus",
  adpcm_g722: "G.722",
  adpcm_g726: "G.726",
};

export function CameraForm(props: {
  places: Place[];
  camera?: Camera;
  onClose: () => void;
  onDone: (text: string) => void;
}) {
  const old = props.camera;
  const [fields, setFields] = useState<CameraFields>({
    name: old?.name ?? "",
    place_id: old?.place?.id ?? "",
    address: old?.address ?? "",
    username: old?.username ?? "",
    password: "",
    transport: old?.transport ?? "tcp",
    sound: old?.sound ?? false,
  });
  const set = (change: Partial<CameraFields>): void => setFields({ ...fields, ...change });
  const action = useAction();
  // A kept password is never shown; an empty field leaves it as it is.
  const secret = old && fields.password === "" ? {} : { password: fields.password };
  const { password: _, ...open } = fields;
  const submit = (): void =>
    void action.run(async () => {
      const wanted = { ...open, ...secret, name: fields.name.trim(), address: fields.address.trim() };
      if (old) await api.changeCamera(old.id, wanted);
      else await api.addCamera(wanted);
      props.onDone(t(old ? "saved" : "camera-added", { name: wanted.name }));
    });
  return (
    <Dialog
      title={old ? t("camera-edit") : t("camera-add")}
      onClose={props.onClose}
      onSubmit={submit}
      wide
      test="camera-dialog"
      actions={
        <>
          <Button onClick={props.onClose}>{t("cancel")}</Button>
          <Button kind="primary" type="submit" busy={action.busy} test="save">
            {t("save")}
          </Button>
        </>
      }
    >
      <ErrorNotice error={action.error} />
      <div class="camera-form">
        <div class="camera-fields">
          <Identity fields={fields} set={set} places={props.places} />
          <SignInFields fields={fields} set={set} kept={old?.has_password ?? false} />
        </div>
        <TestPicture
          wanted={{ ...(old ? { camera_id: old.id } : {}), ...reach(fields), ...secret }}
          changed={old === undefined || secret.password !== undefined || !sameReach(fields, old)}
        />
      </div>
    </Dialog>
  );
}

interface Part {
  fields: CameraFields;
  set: (change: Partial<CameraFields>) => void;
}

function Identity({ fields, set, places }: Part & { places: Place[] }) {
  const choices = places.filter((place) => place.active || place.id === fields.place_id);
  return (
    <>
      <div class="field-pair">
        <Field
          label={t("column-name")}
          value={fields.name}
          onInput={(name) => set({ name })}
          placeholder={t("camera-name-example")}
          required
          maxLength={80}
          test="camera-name"
        />
        <Select
          label={t("column-place")}
          value={fields.place_id}
          onChange={(place_id) => set({ place_id })}
          required
          options={[
            { value: "", label: t("choose") },
            ...choices.map((place) => ({ value: place.id, label: place.name })),
          ]}
          test="camera-place"
        />
      </div>
      <Field
        label={t("camera-address")}
        value={fields.address}
        onInput={(address) => set({ address })}
        placeholder="rtsp://192.168.1.64:554/Streaming/Channels/102"
        hint={t("camera-address-hint")}
        required
        maxLength={400}
        test="camera-address"
      />
    </>
  );
}

function SignInFields({ fields, set, kept }: Part & { kept: boolean }) {
  return (
    <>
      <div class="field-pair">
        <Field
          label={t("camera-username")}
          value={fields.username}
          onInput={(username) => set({ username })}
          autocomplete="off"
          maxLength={64}
          test="camera-username"
        />
        <Field
          label={t("camera-password")}
          value={fields.password}
          onInput={(password) => set({ password })}
          type="password"
          autocomplete="new-password"
          placeholder={kept ? t("camera-password-kept") : ""}
          maxLength={64}
          test="camera-password"
        />
      </div>
      <Select
        label={t("camera-transport")}
        value={fields.transport}
        onChange={(transport) => set({ transport: transport as "tcp" | "udp" })}
        options={[
          { value: "tcp", label: t("camera-transport-tcp") },
          { value: "udp", label: t("camera-transport-udp") },
        ]}
        test="camera-transport"
      />
      <label class="check">
        <input
          type="checkbox"
          checked={fields.sound}
          data-test="camera-sound"
          onChange={(event) => set({ sound: event.currentTarget.checked })}
        />
        <span>
          {t("camera-sound")}
          <br />
          <span class="secondary">{t("camera-sound-hint")}</span>
        </span>
      </label>
    </>
  );
}

const reach = ({ address, username, transport }: CameraFields) => ({ address: address.trim(), username, transport });
const sameReach = (fields: CameraFields, old: Camera): boolean =>
  fields.address.trim() === old.address && fields.username === old.username && fields.transport === old.transport;

/** A picture within ten seconds, or why there is none. As it is saved, the test also says how the camera is. */
function TestPicture(props: { wanted: Partial<CameraFields> & { camera_id?: string }; changed: boolean }) {
  const [picture, setPicture] = useState<CameraPicture | null>(null);
  const action = useAction();
  const { camera_id } = props.wanted;
  const take = (): void => {
    setPicture(null);
    const wanted = props.changed || !camera_id ? props.wanted : { camera_id };
    void action.run(async () => setPicture(await api.cameraPicture(wanted)));
  };
  return (
    <section class="camera-test" aria-label={t("camera-picture")}>
      <div class="camera-picture" data-test="camera-picture" data-state={picture ? "shown" : action.busy ? "busy" : "none"}>
        {picture ? (
          <img src={`data:image/jpeg;base64,${picture.jpeg}`} alt={t("camera-picture")} />
        ) : (
          <p class="secondary">{t(action.busy ? "camera-picture-waiting" : "camera-picture-none")}</p>
        )}
      </div>
      {picture && (
        <p class="secondary" data-test="camera-facts">
          {t("camera-picture-facts", {
            width: picture.width,
            height: picture.height,
            profile: picture.profile,
            sound: SOUND_NAMES[picture.sound_codec] ?? (picture.sound_codec || t("camera-no-sound")),
          })}
        </p>
      )}
      <ErrorNotice error={action.error} test="camera-test-error" />
      <Button busy={action.busy} disabled={!props.wanted.address} onClick={take} icon="video" test="take-picture">
        {t("camera-take-picture")}
      </Button>
    </section>
  );
}
