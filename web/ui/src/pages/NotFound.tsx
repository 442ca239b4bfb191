// SPDX-License-Identifier: Apache-2.0
import { t } from "../i18n";
import { Button, Empty, Page } from "../ui";

export default function NotFound() {
  return (
    <Page title={t("not-found")} narrow>
      <Empty
        title={t("not-found-lead")}
        action={
          <Button kind="primary" href="/">
            {t("nav-home")}
          </Button>
        }
      />
    </Page>
  );
}
