// The parts of the table of users that need no data. Rows are grids of one height, on wide and on narrow screens, so
// that it is known where each of ten thousand is. The roles stand here because some browsers forget those of a table
// whose parts are laid out in another way.

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
          const turned = isSorted && list.order === "desc" ? "asc" : "desc";
          return (
            <th key={name} role="columnheader" className={className} aria-sort={isSorted ? (list.order === "asc" ? "ascending" : "descending") : "none"}>
              <button onClick={() => onSort({ sort, order: turned })}>
                {name}
                <svg viewBox="0 0 12 12" aria-hidden="true">
                  <path d={isSorted && list.order === "asc" ? "M3 7.5 6 4.5 9 7.5" : "M3 4.5 6 7.5 9 4.5"} />
                </svg>
              </button>
            </th>
          );
        })}
      </tr>
    </thead>
  );
}

/** Rows that are on their way. */
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

/** What is said across all columns. */
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
