// SPDX-License-Identifier: Apache-2.0
import type { ComponentChildren, InputHTMLAttributes, RefObject } from "preact";
import { useEffect, useId, useRef } from "preact/hooks";

interface Common {
  label: string;
  hint?: ComponentChildren;
  error?: string | null | undefined;
  test?: string;
}

export interface FieldProps extends Common {
  value: string;
  onInput: (value: string) => void;
  type?: string;
  autocomplete?: string;
  required?: boolean;
  autofocus?: boolean;
  maxLength?: number;
  placeholder?: string;
  inputRef?: RefObject<HTMLInputElement | null>;
}

/** One labelled input with its hint and its fault below. */
export function Field(props: FieldProps) {
  const fieldId = useId();
  const own = useRef<HTMLInputElement>(null);
  const ref = props.inputRef ?? own;
  useEffect(() => {
    // The browser's own autofocus works once in the life of a document, and these pages change without loading anew.
    if (props.autofocus) ref.current?.focus();
  }, []);
  const input: InputHTMLAttributes<HTMLInputElement> = {
    id: fieldId,
    value: props.value,
    type: (props.type ?? "text") as "text",
    required: props.required ?? false,
    "aria-invalid": Boolean(props.error),
    "aria-describedby": `${fieldId}-more`,
    spellcheck: false,
    onInput: (event) => props.onInput(event.currentTarget.value),
  };
  if (props.autocomplete) input.autoComplete = props.autocomplete as "on";
  if (props.maxLength) input.maxLength = props.maxLength;
  if (props.placeholder) input.placeholder = props.placeholder;
  return (
    <Labelled {...props} fieldId={fieldId}>
      <input {...input} class="input" data-test={props.test} ref={ref} />
    </Labelled>
  );
}

export interface SelectProps extends Common {
  value: string;
  onChange: (value: string) => void;
  options: { value: string; label: string }[];
  required?: boolean;
}

/** One labelled choice. */
export function Select(props: SelectProps) {
  const fieldId = useId();
  return (
    <Labelled {...props} fieldId={fieldId}>
      <select
        id={fieldId}
        class="input"
        value={props.value}
        required={props.required ?? false}
        aria-describedby={`${fieldId}-more`}
        data-test={props.test}
        onChange={(event) => props.onChange(event.currentTarget.value)}
      >
        {props.options.map((option) => (
          <option key={option.value} value={option.value}>
            {option.label}
          </option>
        ))}
      </select>
    </Labelled>
  );
}

function Labelled({ label, hint, error, fieldId, children }: Common & { fieldId: string; children: ComponentChildren }) {
  return (
    <div class="field">
      <label for={fieldId}>{label}</label>
      {children}
      <div id={`${fieldId}-more`} class="field-more">
        {error ? <span class="field-error" role="alert" data-test="error">{error}</span> : hint && <span class="field-hint">{hint}</span>}
      </div>
    </div>
  );
}
