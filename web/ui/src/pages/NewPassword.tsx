// SPDX-License-Identifier: Apache-2.0
// Choosing a password: twice, with its length and how hard it is to guess said while typing.
import { t } from "../i18n";
import { Field } from "../ui";

/** The server's rule (password_too_short). */
export const SHORTEST = 10;

export interface NewPassword {
  first: string;
  second: string;
}

/** A fault that this page can see by itself, as a text id; null when the password may be sent. */
export function passwordFault({ first, second }: NewPassword): string | null {
  if ([...first].length < SHORTEST) return "new-password-short";
  return first === second ? null : "new-password-differs";
}

type Strength = "short" | "weak" | "fair" | "good";

/** How hard to guess: length counts most, few different characters count against it. */
export function strength(password: string): Strength {
  const characters = [...password];
  if (characters.length < SHORTEST) return "short";
  const different = new Set(characters).size;
  const kinds = [/\p{Ll}/u, /\p{Lu}/u, /\p{N}/u, /[^\p{L}\p{N}]/u, /\p{Lo}/u].filter((k) => k.test(password)).length;
  if (different < 6 || (kinds < 2 && characters.length < 16)) return "weak";
  return characters.length >= 14 || kinds >= 3 ? "good" : "fair";
}

/** `fault` is what passwordFault said when the person pressed the button: a word that came up on the way there would
 *  move the button away from under the mouse. */
export function NewPasswordFields(props: {
  value: NewPassword;
  fault: string | null;
  autofocus?: boolean;
  onInput: (value: NewPassword) => void;
}) {
  const { value, fault, onInput } = props;
  const missing = SHORTEST - [...value.first].length;
  const how = strength(value.first);
  const hint =
    missing > 0 ? (
      t("new-password-hint", { min: SHORTEST, missing: value.first ? missing : 0 })
    ) : (
      <span class={`strength strength-${how}`} data-test="strength">
        <span class="strength-bar" aria-hidden="true" />
        {t(`strength-${how}`)}
      </span>
    );
  return (
    <>
      <Field
        label={t("new-password")}
        value={value.first}
        onInput={(first) => onInput({ ...value, first })}
        type="password"
        autocomplete="new-password"
        required
        autofocus={props.autofocus ?? false}
        hint={hint}
        error={fault === "new-password-short" ? t(fault, { min: SHORTEST }) : null}
        test="new-password"
      />
      <Field
        label={t("new-password-again")}
        value={value.second}
        onInput={(second) => onInput({ ...value, second })}
        type="password"
        autocomplete="new-password"
        required
        error={fault === "new-password-differs" ? t(fault) : null}
        test="new-password-again"
      />
    </>
  );
}
