import { Suspense, useEffect, useLayoutEffect, useRef, useState } from "react";
import { graphql, usePreloadedQuery, type PreloadedQuery } from "react-relay";
import type { UsersPageQuery } from "./__generated__/UsersPageQuery.graphql";
import type { Fault } from "./fault";
import { FaultBoundary, FaultView } from "./FaultView";
import { formatNumber, plural } from "./format";
import { allUsers, formatList, isFiltered, parseList, parsePosition, start, variablesOf, type List } from "./list";
import { useNavigation, type Place } from "./navigation";
import { noPages, Pager } from "./Pager";
import { Legend } from "./Sentiment";
import { Skeleton, Spanning, TableHead } from "./table";
import { Toolbar } from "./Toolbar";
import { useLoaded } from "./useLoaded";
import { useScoredStart } from "./useScoredStart";
import { pageSize, UserTable, type Shown, type UserTableProps } from "./UserTable";
import { countLimit, useTotal, type Total } from "./useTotal";

// Relay keeps one connection for each place: a list that begins at a cursor does not continue another one.
const query = graphql`
  query UsersPageQuery(
    $first: Int
    $after: String
    $last: Int
    $before: String
    $filter: ConversationUserFilter
    $sortBy: ConversationUserSort
    $sortDirection: SortDirection
    $place: String!
  ) {
    ...UserTable_users
      @arguments(first: $first, after: $after, last: $last, before: $before, filter: $filter, sortBy: $sortBy, sortDirection: $sortDirection, place: $place)
  }
`;

/** The list of users that the address describes. */
export function UsersPage({ place }: { place: Place }) {
  const navigation = useNavigation();
  const list = parseList(place.search);
  const position = parsePosition(place.search);
  const isReady = useScoredStart(list, position, place);
  const { reference, attempt, again } = useLoaded<UsersPageQuery>(query, { ...variablesOf(list, position, pageSize), place: place.key }, place, isReady);
  const total = useTotal(list, place, attempt);
  const [shown, setShown] = useState<{ attempt: string; what: Shown | "fault" } | null>(null);
  const [startedOver, setStartedOver] = useState(""); // the key of the place at which the list started over

  const narrowed = isFiltered(list);
  useEffect(() => {
    document.title = narrowed ? "Some users – Rollcall" : "Users – Rollcall";
  }, [narrowed]);

  const change = (what: Partial<List>) => navigation.go(formatList({ ...list, ...what }));
  const table = useRef<HTMLTableElement>(null);
  const heading = useRef<HTMLHeadingElement>(null);
  const widen = narrowed
    ? () => {
        heading.current?.focus(); // the button that was pressed disappears
        change({ ...allUsers, sort: list.sort, order: list.order });
      }
    : undefined;
  useEffect(() => {
    if (place.isFresh) heading.current?.focus(); // this page replaces a user's page
  }, []); // eslint-disable-line react-hooks/exhaustive-deps
  const startOver = () => {
    navigation.replace(formatList(list));
    setStartedOver(navigation.place.key);
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
          event.preventDefault(); // the history has only lists and users
          table.current?.querySelector<HTMLElement>("tbody td.user a")?.focus();
        }}
      >
        Skip to the users
      </a>
      <Toolbar list={list} onChange={change} />
      <div className="count">
        <p role="status">{now === "loading" ? "Loading users…" : now === "fault" ? "" : countOf(now, total)}</p>
        {widen && (
          <button className="quiet" onClick={widen}>
            Clear filters
          </button>
        )}
        {typeof now === "object" && now.rows > 0 && <Legend />}
      </div>
      {startedOver === place.key && (
        <div className="notice">
          <p role="status">The service no longer accepts the position of this list. Its key may have changed. The list has started over from the top.</p>
          <button className="quiet" onClick={() => setStartedOver("")}>
            Dismiss
          </button>
        </div>
      )}
      <table
        ref={table}
        id="users"
        role="table"
        aria-label="Users"
        aria-busy={now === "loading"}
        aria-rowcount={typeof now === "object" && !now.hasPrevious && !now.hasNext ? now.rows + 1 : -1}
      >
        <TableHead list={list} onSort={change} />
        <FaultBoundary
          key={attempt}
          fallback={(fault) => (
            <Failed
              fault={fault}
              onRetry={again}
              onFirstPage={position.kind === "start" ? undefined : () => navigation.go(formatList(list))}
              onStartOver={startOver}
              onShown={() => setShown({ attempt, what: "fault" })}
            />
          )}
        >
          <Suspense fallback={<Skeleton rows={12} />}>
            {reference ? (
              <Loaded
                key={attempt}
                reference={reference}
                list={list}
                position={position}
                hasStartedOver={startedOver === place.key}
                onStartOver={startOver}
                onShown={(what) => setShown({ attempt, what })}
                />
            ) : (
              <Skeleton rows={12} />
            )}
          </Suspense>
        </FaultBoundary>
      </table>
      <Pager pages={typeof now === "object" ? now.pages : { ...noPages, first: position.kind === "start" ? null : formatList(list, start) }} />
    </main>
  );
}

/** How many users are on the page, and of how many if that is known. */
function countOf({ rows, hasPrevious, hasNext }: Shown, total: Total): string {
  if (!hasPrevious && !hasNext) return rows === 0 ? "No users" : plural(rows, "user");
  // A count that was made before new users called may be smaller than the list.
  const isKnown = total === "more" || (total !== null && total > rows);
  const users = isKnown ? `${formatNumber(rows)} of ${total === "more" ? `${formatNumber(countLimit)}+` : formatNumber(total)} users` : plural(rows, "user");
  return hasPrevious && hasNext ? users : `The ${hasNext ? "first" : "last"} ${users}`;
}

function Loaded({ reference, ...rest }: Omit<UserTableProps, "query"> & { reference: PreloadedQuery<UsersPageQuery> }) {
  return <UserTable query={usePreloadedQuery<UsersPageQuery>(query, reference)} {...rest} />;
}

interface FailedProps {
  fault: Fault;
  onRetry: () => void;
  onFirstPage: (() => void) | undefined;
  onStartOver: () => void;
  onShown: () => void;
}

function Failed({ onShown, onStartOver, ...rest }: FailedProps) {
  const startsOver = rest.fault.isStaleCursor && rest.onFirstPage !== undefined;
  useLayoutEffect(() => {
    if (startsOver) onStartOver();
    else onShown();
  }, []); // eslint-disable-line react-hooks/exhaustive-deps
  if (startsOver) return null;
  return (
    <Spanning>
      <FaultView {...rest} />
    </Spanning>
  );
}
