// SPDX-License-Identifier: Apache-2.0
// The administrator's first page: what is missing before the first call, then whether all is well.
import { api, type Person, type Place, type RoomSet } from "../api";
import { t } from "../i18n";
import { useLoaded } from "../load";
import { Button, ErrorNotice, Icon, Loading, Notice, Page } from "../ui";
import { statusSentence, worst } from "./statusWords";

interface Step {
  done: boolean;
  text: string;
  lead: string;
  href: string;
}

interface Have {
  places: Place[];
  people: Person[];
  sets: RoomSet[];
}

function setupSteps({ places, people, sets }: Have): Step[] {
  return [
    {
      done: places.some((place) => place.kind === "station"),
      text: "setup-places",
      lead: "setup-places-lead",
      href: "/admin/places",
    },
    {
      done: people.some((person) => person.role !== "administrator"),
      text: "setup-people",
      lead: "setup-people-lead",
      href: "/admin/people",
    },
    { done: sets.length > 0, text: "setup-sets", lead: "setup-sets-lead", href: "/admin/sets" },
  ];
}

export function AdministratorHome() {
  const places = useLoaded(api.places);
  const people = useLoaded(api.people);
  const sets = useLoaded(api.sets);
  const status = useLoaded(api.status);
  const error = places.error ?? people.error ?? sets.error;
  const ready =
    places.data && people.data && sets.data ? { places: places.data, people: people.data, sets: sets.data } : null;
  const steps = ready ? setupSteps(ready) : [];
  const next = steps.find((step) => !step.done);
  return (
    <Page title={t("administrator-title")} lead={next ? t("administrator-lead") : undefined}>
      <div class="stack">
        <ErrorNotice error={error} />
        {!ready && !error && <Loading label={t("loading")} />}
        {next && (
          <ol class="steps">
            {steps.map((step, n) => (
              <li key={step.text} class={`card step${step.done ? " step-done" : ""}`}>
                <span class="step-number" aria-hidden="true">
                  {step.done ? <Icon name="check" size={20} /> : n + 1}
                </span>
                <div>
                  <h2>{t(step.text)}</h2>
                  <p class="secondary">{t(step.lead)}</p>
                </div>
                <Button kind={step === next ? "primary" : "secondary"} href={step.href} test={step.text}>
                  {step.done ? t("setup-look") : t("setup-do")}
                </Button>
              </li>
            ))}
          </ol>
        )}
        {status.data && <StatusLine items={status.data.items} />}
        {ready && (
          <div class="tiles">
            <Tile href="/admin/people" count={ready.people.filter((person) => person.active).length} text="nav-people" />
            <Tile href="/admin/places" count={ready.places.filter((place) => place.active).length} text="nav-places" />
            <Tile href="/admin/sets" count={ready.sets.filter((set) => set.active).length} text="nav-sets" />
          </div>
        )}
        {ready && (
          <p>
            <a href="/admin/keeping" data-test="to-keeping">
              {t("keeping-overview")}
            </a>
          </p>
        )}
      </div>
    </Page>
  );
}

function StatusLine({ items }: { items: Parameters<typeof worst>[0] }) {
  const bad = worst(items);
  if (!bad)
    return (
      <Notice tone="ok" action={<a href="/status">{t("nav-status")}</a>}>
        {t("status-all-well")}
      </Notice>
    );
  return (
    <Notice tone={bad.state === "fail" ? "fail" : "warn"} action={<a href="/status">{t("nav-status")}</a>}>
      {statusSentence(bad)}
    </Notice>
  );
}

function Tile({ href, count, text }: { href: string; count: number; text: string }) {
  return (
    <a class="card tile" href={href}>
      <span class="tile-count figures">{count}</span>
      <span>{t(text)}</span>
    </a>
  );
}
