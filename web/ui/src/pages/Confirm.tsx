// SPDX-License-Identifier: Apache-2.0
import { t } from "../i18n";
import { useAction } from "../load";
import { Button, Dialog, ErrorNotice } from "../ui";

/** Asks before something that touches others, and says what will happen. */
export function Confirm(props: {
  title: string;
  says: string;
  button: string;
  onClose: () => void;
  work: () => Promise<unknown>;
}) {
  const action = useAction();
  return (
    <Dialog
      title={props.title}
      onClose={props.onClose}
      onSubmit={() => void action.run(props.work)}
      test="confirm-dialog"
      actions={
        <>
          <Button onClick={props.onClose}>{t("cancel")}</Button>
          <Button kind="danger" type="submit" busy={action.busy} test="confirm">
            {props.button}
          </Button>
        </>
      }
    >
      <ErrorNotice error={action.error} />
      <p>{props.says}</p>
    </Dialog>
  );
}
