// SPDX-License-Identifier: Apache-2.0
import type { ComponentChildren } from "preact";

export interface Column<T> {
  head: string;
  cell: (row: T) => ComponentChildren;
  /** Numbers and times stand right, in figures of equal width. */
  numeric?: boolean;
  /** Takes the room that is left. */
  wide?: boolean;
  /** Stays on one line. */
  tight?: boolean;
  /** Goes first when the window is narrow. */
  minor?: boolean;
}

export interface TableProps<T> {
  columns: Column<T>[];
  rows: T[];
  rowKey: (row: T) => string;
  label: string;
  /** Enter or a click anywhere in the row. */
  onOpen?: (row: T) => void;
  rowTest?: string;
}

/** A table with a head that stays, and rows that open. */
export function Table<T>({ columns, rows, rowKey, label, onOpen, rowTest }: TableProps<T>) {
  return (
    <div class="table-frame">
      <table class="table" aria-label={label}>
        <thead>
          <tr>
            {columns.map((column) => (
              <th key={column.head} class={classes(column)} scope="col">
                {column.head}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr
              key={rowKey(row)}
              data-test={rowTest}
              data-id={rowKey(row)}
              class={onOpen ? "opens" : undefined}
              tabIndex={onOpen ? 0 : undefined}
              onClick={(event) => {
                if (onOpen && !(event.target as Element).closest("a,button,input,select")) onOpen(row);
              }}
              onKeyDown={(event) => {
                if (onOpen && event.key === "Enter" && event.target === event.currentTarget) onOpen(row);
              }}
            >
              {columns.map((column) => (
                <td key={column.head} class={classes(column)} data-label={column.head}>
                  {column.cell(row)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function classes<T>(column: Column<T>): string | undefined {
  return [column.numeric && "numeric", column.minor && "minor", column.wide && "wide", column.tight && "tight"].filter(Boolean).join(" ") || undefined;
}
