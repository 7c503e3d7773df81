import { Suspense, useEffect, useLayoutEffect, useRef, useState } from "react";
import { graphql, usePreloadedQuery, type PreloadedQuery } from "react-relay";
import type { UsersPageQuery } from "./__generated__/UsersPageQuery.graphql";
import type { Fault } from "./fault";
import { FaultBoundary, FaultView } from "./FaultView";
import { plural } from "./format";
import { everybody, formatList, isFiltered, parseList, variablesOf, type List } from "./list";
import { useNavigation, type Place } from "./navigation";
import { Skeleton, Spanning, TableHead } from "./table";
import { Toolbar } from "./Toolbar";
import { useLoaded } from "./useLoaded";
import { pageSize, UserTable, type UserTableProps } from "./UserTable";

const query = graphql`
  query UsersPageQuery($count: Int!, $filter: ConversationUserFilter, $sortBy: ConversationUserSort, $sortDirection: SortDirection) {
    ...UserTable_users @arguments(count: $count, filter: $filter, sortBy: $sortBy, sortDirection: $sortDirection)
  }
`;

/** What of the list is on the screen. */
export interface Shown {
  rows: number;
  isComplete: boolean;
}

/** The list of users, as its address says. */
export function UsersPage({ place }: { place: Place }) {
  const navigation = useNavigation();
  const list = parseList(place.search);
  const { reference, attempt, again } = useLoaded<UsersPageQuery>(query, variablesOf(list, pageSize), place);
  const [shown, setShown] = useState<{ attempt: string; what: Shown | "fault" } | null>(null);
  const [startedOver, setStartedOver] = useState(""); // the key of the place whose list was

  const narrowed = isFiltered(list);
  useEffect(() => {
    document.title = narrowed ? "Some users – Rollcall" : "Users – Rollcall";
  }, [narrowed]);

  const change = (what: Partial<List>) => navigation.go(formatList({ ...list, ...what }));
  const table = useRef<HTMLTableElement>(null);
  const heading = useRef<HTMLHeadingElement>(null);
  const widen = narrowed
    ? () => {
        heading.current?.focus(); // the button that was pressed goes away
        change({ ...everybody, sort: list.sort, order: list.order });
      }
    : undefined;
  useEffect(() => {
    if (place.isFresh) heading.current?.focus(); // it came in the place of a user's page
  }, []); // eslint-disable-line react-hooks/exhaustive-deps
  const startOver = () => {
    setStartedOver(place.key);
    navigation.remember({ rows: 0, scroll: 0, opened: null });
    scrollTo(0, 0);
    again();
  };
  const now = shown?.attempt === attempt ? shown.what : "loading";

  return (
    <main>
      <h1 className="visually-hidden" ref={heading} tabIndex={-1}>
        Users
      </h1>
      <a
        className="skip"
        href="#users"
        onClick={(event) => {
          event.preventDefault(); // the history is of lists and users
          table.current?.querySelector<HTMLElement>("tbody a")?.focus();
        }}
      >
        Skip to the users
      </a>
      <Toolbar list={list} onChange={change} />
      <div className="count">
        <p role="status">{now === "loading" ? "Loading users…" : now === "fault" ? "" : countOf(now)}</p>
        {widen && (
          <button className="quiet" onClick={widen}>
            Clear filters
          </button>
        )}
      </div>
      {startedOver === place.key && (
        <div className="notice">
          <p role="status">The service no longer takes the place that this list had come to, perhaps because its key has changed. The list starts over from the top.</p>
          <button className="quiet" onClick={() => setStartedOver("")}>
            Dismiss
          </button>
        </div>
      )}
      <table ref={table} id="users" role="table" aria-label="Users" aria-busy={now === "loading"} aria-rowcount={typeof now === "object" && now.isComplete ? now.rows + 1 : -1}>
        <TableHead list={list} onSort={change} />
        <FaultBoundary
          key={attempt}
          fallback={(fault) => <Failed fault={fault} onRetry={again} onWiden={widen} onShown={() => setShown({ attempt, what: "fault" })} />}
        >
          <Suspense fallback={<Skeleton rows={12} />}>
            {reference ? (
              <Loaded
                key={attempt}
                reference={reference}
                wasStartedOver={startedOver === place.key}
                onStartOver={startOver}
                onShown={(what) => setShown({ attempt, what })}
                onWiden={widen}
              />
            ) : (
              <Skeleton rows={12} />
            )}
          </Suspense>
        </FaultBoundary>
      </table>
    </main>
  );
}

function countOf({ rows, isComplete }: Shown): string {
  if (rows === 0) return "No users";
  return isComplete ? plural(rows, "user") : `The first ${plural(rows, "user")}`;
}

function Loaded({ reference, ...rest }: Omit<UserTableProps, "query"> & { reference: PreloadedQuery<UsersPageQuery> }) {
  return <UserTable query={usePreloadedQuery<UsersPageQuery>(query, reference)} {...rest} />;
}

function Failed({ onShown, ...rest }: { fault: Fault; onRetry: () => void; onWiden: (() => void) | undefined; onShown: () => void }) {
  useLayoutEffect(onShown, []); // eslint-disable-line react-hooks/exhaustive-deps
  return (
    <Spanning>
      <FaultView {...rest} />
    </Spanning>
  );
}
