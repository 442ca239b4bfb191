// SPDX-License-Identifier: Apache-2.0
import type { ComponentChildren } from "preact";
import { useEffect } from "preact/hooks";
import { t } from "../i18n";

/** The window's title: the page, then the product. */
export function useTitle(title: string): void {
  const product = t("product");
  useEffect(() => {
    document.title = title === product ? product : `${title} · ${product}`;
  }, [title, product]);
}

/** A page with its heading, the one thing to do next on the right, and its body. */
export function Page(props: {
  title: string;
  lead?: ComponentChildren;
  actions?: ComponentChildren;
  children: ComponentChildren;
  narrow?: boolean;
}) {
  useTitle(props.title);
  return (
    <main class={`page${props.narrow ? " page-narrow" : ""}`} id="content" tabIndex={-1}>
      <div class="page-head">
        <div>
          <h1>{props.title}</h1>
          {props.lead && <div class="page-lead">{props.lead}</div>}
        </div>
        {props.actions && <div class="page-actions">{props.actions}</div>}
      </div>
      {props.children}
    </main>
  );
}
