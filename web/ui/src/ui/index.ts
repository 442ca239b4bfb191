// SPDX-License-Identifier: Apache-2.0
export { Button } from "./Button";
export { Connection } from "./Connection";
export { Dialog } from "./Dialog";
export { Field, Select } from "./Field";
export { Icon } from "./Icon";
export type { IconName } from "./icons";
export { ErrorNotice, Notice, type Tone } from "./Notice";
export { Page, useTitle } from "./Page";
export { type Column, Table } from "./Table";
export { toast, Toasts } from "./Toast";
export { Empty, Loading, Progress, StateWord, When } from "./Words";
