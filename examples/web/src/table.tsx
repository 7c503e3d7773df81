// The parts of the table of users that need no data. All rows are grids of the same height, on wide and on narrow
// screens, so that the position of each of ten thousand is known. The roles are explicit because some browsers drop
// those of a table whose parts have another display type.

import type { ReactNode } from "react";
import type { List } from "./list";

const columns: { name: string; className: string; sort?: List["sort"] }[] = [
  { name: "User", className: "user" },
  { name: "Conversations", className: "conversations", sort: "conversations" },
  { name: "Sentiment", className: "mood", sort: "sentiment" },
  { name: "Last agent", className: "agent" },
  { name: "Last contact", className: "contact", sort: "contact" },
];

export function TableHead({ list, onSort }: { list: List; onSort: (change: Partial<List>) => void }) {
  return (
    <thead role="rowgroup">
      <tr role="row" aria-rowindex={1}>
        {columns.map(({ name, className, sort }) => {
          if (!sort) {
            return (
              <th key={name} role="columnheader" className={className}>
                {name}
              </th>
            );
          }
          const isSorted = list.sort === sort;
          const reversed = isSorted && list.order === "desc" ? "asc" : "desc";
          return (
            <th key={name} role="columnheader" className={className} aria-sort={isSorted ? (list.order === "asc" ? "ascending" : "descending") : "none"}>
              <button onClick={() => onSort({ sort, order: reversed })}>
                {name}
                <svg viewBox="0 0 12 12" aria-hidden="true">
                  <path d={!isSorted ? "M3.5 4.5 6 2 8.5 4.5M3.5 7.5 6 10 8.5 7.5" : list.order === "asc" ? "M3 7.5 6 4.5 9 7.5" : "M3 4.5 6 7.5 9 4.5"} />
                </svg>
              </button>
            </th>
          );
        })}
      </tr>
    </thead>
  );
}

/** Rows that are being loaded. */
export function Skeleton({ rows }: { rows: number }) {
  return (
    <tbody role="rowgroup" className="skeleton" aria-hidden="true">
      {Array.from({ length: rows }, (_, i) => (
        <tr key={i} role="row">
          {columns.map(({ name, className }) => (
            <td key={name} role="cell" className={className}>
              <i />
            </td>
          ))}
        </tr>
      ))}
    </tbody>
  );
}

/** A row across all columns. */
export function Spanning({ children }: { children: ReactNode }) {
  return (
    <tbody role="rowgroup" className="spanning">
      <tr role="row">
        <td role="cell" colSpan={columns.length}>
          {children}
        </td>
      </tr>
    </tbody>
  );
}
