// SPDX-License-Identifier: Apache-2.0
import { useEffect, useState } from "preact/hooks";
import { After, NoCall } from "../call/After";
import { Lobby } from "../call/Lobby";
import { CallModel } from "../call/model";
import { Room } from "../call/Room";
import { WaitingRoom } from "../call/WaitingRoom";
import { t } from "../i18n";
import type { PageProps } from "../router";
import { Loading, useTitle } from "../ui";
import "../styles/call.css";
import "../styles/tiles.css";

export default function Call({ params }: PageProps) {
  const id = params["id"] ?? "";
  const [model] = useState(() => new CallModel(id));
  useEffect(() => {
    void model.start();
    return () => model.close();
  }, [model]);
  useTitle(model.detail.value?.title ?? t("call-title"));
  return (
    <div class="call" data-theme="dark" data-phase={model.phase.value}>
      <Phase model={model} />
    </div>
  );
}

function Phase({ model }: { model: CallModel }) {
  switch (model.phase.value) {
    case "loading":
      return model.fault.value === null ? <Loading label={t("loading")} /> : <NoCall model={model} />;
    case "lobby":
      return <Lobby model={model} />;
    case "call":
      return model.view.value?.link.name === "waiting" ? <WaitingRoom model={model} /> : <Room model={model} />;
    case "after":
      return <After model={model} />;
  }
}
