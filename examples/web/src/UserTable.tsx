import { Fragment, useEffect, useLayoutEffect, useRef, useState, type KeyboardEvent } from "react";
import { graphql, usePaginationFragment } from "react-relay";
import type { UserTable_users$key } from "./__generated__/UserTable_users.graphql";
import type { UserTablePageQuery } from "./__generated__/UserTablePageQuery.graphql";
import { toFault, type Fault } from "./fault";
import { FaultView } from "./FaultView";
import { plural } from "./format";
import { Link } from "./Link";
import { formatList, isFiltered, isReversed, type List, type Position } from "./list";
import { useNavigation } from "./navigation";
import type { Pages } from "./Pager";
import { Skeleton, Spanning } from "./table";
import { UserRow } from "./UserRow";
import { useVisibleRows } from "./useVisibleRows";

export const pageSize = 50;
/** The largest page of the service. Rows that were loaded before a reload return in steps of this size. */
const largestPage = 500;
/** The next page is requested when the last rendered row is at most so many rows before the end. */
const lookahead = 8;

/** The part of a list that is on the screen. */
export interface Shown {
  rows: number;
  hasPrevious: boolean;
  hasNext: boolean;
  pages: Pages;
}

export interface UserTableProps {
  query: UserTable_users$key;
  list: List;
  /** The place at which the list's address begins. */
  position: Position;
  /** Whether the list started over from the top because a cursor was refused. */
  hasStartedOver: boolean;
  onStartOver: () => void;
  onShown: (shown: Shown) => void;
}

/** The rows of the list, as far as it has been scrolled. */
export function UserTable({ query, list, position, hasStartedOver, onStartOver, onShown }: UserTableProps) {
  const navigation = useNavigation();
  const { data, hasNext, isLoadingNext, loadNext, hasPrevious, isLoadingPrevious, loadPrevious } = usePaginationFragment<UserTablePageQuery, UserTable_users$key>(
    graphql`
      fragment UserTable_users on Query
      @refetchable(queryName: "UserTablePageQuery")
      @argumentDefinitions(
        first: { type: "Int" }
        after: { type: "String" }
        last: { type: "Int" }
        before: { type: "String" }
        filter: { type: "ConversationUserFilter" }
        sortBy: { type: "ConversationUserSort" }
        sortDirection: { type: "SortDirection" }
        place: { type: "String!" }
      ) {
        users(first: $first, after: $after, last: $last, before: $before, filter: $filter, sortBy: $sortBy, sortDirection: $sortDirection)
          @connection(key: "UserTable_users", dynamicKey_UNSTABLE: $place) {
          edges {
            cursor
            ...UserRow_edge
          }
        }
      }
    `,
    query,
  );
  const edges = data.users?.edges ?? [];
  const count = edges.length;
  const body = useRef<HTMLTableSectionElement>(null);
  const [faultAfter, setFaultAfter] = useState<Fault | null>(null);
  const [faultBefore, setFaultBefore] = useState<Fault | null>(null);
  const hasContinued = useRef(false); // whether a page was added to the first

  // The first row of the address's position. Rows that are added ahead of it move the others down.
  const [left] = useState(() => navigation.memory);
  const [anchor] = useState(edges[count >= left.rows ? left.ahead : 0]?.cursor);
  const ahead = Math.max(0, edges.findIndex((edge) => edge.cursor === anchor));

  // After a reload the rows that were there before are loaded again: first those from the position on, then those ahead of it.
  const lacksNext = count - ahead < left.rows - left.ahead && hasNext && !faultAfter;
  const lacksPrevious = !lacksNext && ahead < left.ahead && hasPrevious && !faultBefore;
  const isRestoring = lacksNext || lacksPrevious;

  // Counted from the anchor, so that they stay the same when rows are added ahead of it.
  const [focused, setFocused] = useState(left.opened === null ? null : left.opened - left.ahead);
  const toFocus = useRef(focused);

  // The rows on the screen stay where they are when rows are added ahead of them.
  const wasAhead = useRef(ahead);
  const hasPressedPrevious = useRef(false);
  useLayoutEffect(() => {
    const added = ahead - wasAhead.current;
    wasAhead.current = ahead;
    if (added <= 0 || isRestoring || !body.current) return;
    scrollBy(0, added * parseFloat(getComputedStyle(body.current).getPropertyValue("--row")));
    // The focus was on the button above them.
    if (hasPressedPrevious.current) toFocus.current = added - 1 - ahead;
    hasPressedPrevious.current = false;
  }, [ahead, isRestoring]);

  // The back button and a reload restore the scroll position before the browser paints…
  useLayoutEffect(() => {
    if (!isRestoring && left.scroll > 0) scrollTo(0, left.scroll);
  }, [isRestoring, left.scroll]);

  const { first, last, page } = useVisibleRows(body, count, pageSize, !isRestoring);
  const visible = rowsToRender(first, last, focused === null ? null : focused + ahead, count);

  useEffect(() => {
    const remember = () => navigation.remember({ scroll: scrollY, rows: count, ahead });
    if (isRestoring) return;
    remember();
    addEventListener("scroll", remember, { passive: true });
    return () => removeEventListener("scroll", remember);
  }, [navigation, count, ahead, isRestoring]);

  // …and the focus of the row that was opened.
  useEffect(() => {
    if (toFocus.current === null || isRestoring) return;
    const link = linkOf(body.current, toFocus.current + ahead);
    if (!link) return;
    link.focus({ preventScroll: true });
    toFocus.current = null;
  });

  const pages = pagesOf(list, position, edges, page, hasPrevious, hasNext);
  const key = JSON.stringify([count, hasPrevious, hasNext, pages]);
  useEffect(() => onShown({ rows: count, hasPrevious, hasNext, pages }), [key]); // eslint-disable-line react-hooks/exhaustive-deps

  /** Reports the failure of a page, unless the list starts over. */
  const handle = (error: Error | null, setFault: (fault: Fault) => void) => {
    if (!error) {
      hasContinued.current = true;
      return;
    }
    const fault = toFault(error);
    // A list that has started over and is refused again does not start over once more: that might never end.
    if (fault.isStaleCursor && (hasContinued.current || !hasStartedOver)) onStartOver();
    else setFault(fault);
  };
  const showNext = () => {
    setFaultAfter(null);
    const missing = left.rows - left.ahead - (count - ahead);
    loadNext(Math.max(pageSize, Math.min(missing, largestPage)), { onComplete: (error) => handle(error, setFaultAfter) });
  };
  const showPrevious = () => {
    setFaultBefore(null);
    loadPrevious(Math.max(pageSize, Math.min(left.ahead - ahead, largestPage)), { onComplete: (error) => handle(error, setFaultBefore) });
  };
  const wantsNext = hasNext && !isLoadingNext && !faultAfter && (isRestoring ? lacksNext : last >= count - lookahead);
  useEffect(() => {
    if (wantsNext) showNext();
  }, [wantsNext]); // eslint-disable-line react-hooks/exhaustive-deps
  const wantsPrevious = lacksPrevious && !isLoadingPrevious;
  useEffect(() => {
    if (wantsPrevious) showPrevious();
  }, [wantsPrevious]); // eslint-disable-line react-hooks/exhaustive-deps

  const moveFocus = (event: KeyboardEvent) => {
    const row = rowOf(event.target);
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (row === null || !step) return;
    const link = linkOf(body.current, row + step);
    if (!link) return;
    event.preventDefault();
    link.focus();
  };

  if (count === 0) {
    return (
      <Spanning>
        <Empty list={list} position={position} />
      </Spanning>
    );
  }
  return (
    <>
      {faultBefore ? (
        <Spanning>
          <FaultView fault={faultBefore} onRetry={showPrevious} />
        </Spanning>
      ) : hasPrevious && !isRestoring ? (
        <Spanning>
          <button
            className="quiet earlier"
            aria-disabled={isLoadingPrevious}
            onClick={() => {
              if (isLoadingPrevious) return;
              hasPressedPrevious.current = true;
              showPrevious();
            }}
          >
            {isLoadingPrevious ? "Loading…" : `Show ${pageSize} users before these`}
          </button>
        </Spanning>
      ) : null}
      <tbody
        role="rowgroup"
        ref={body}
        onKeyDown={moveFocus}
        onFocus={(event) => {
          const row = rowOf(event.target);
          if (row !== null) setFocused(row - ahead);
        }}
      >
        {visible.map((row, i) => {
          const omitted = row - (visible[i - 1] ?? -1) - 1;
          const edge = edges[row]!;
          return (
            <Fragment key={edge.cursor}>
              {omitted > 0 && <Gap rows={omitted} />}
              <UserRow edge={edge} index={row} onOpen={() => navigation.remember({ opened: row })} />
            </Fragment>
          );
        })}
        <Gap rows={count - 1 - (visible.at(-1) ?? -1)} />
      </tbody>
      {faultAfter ? (
        <Spanning>
          <FaultView fault={faultAfter} onRetry={showNext} />
        </Spanning>
      ) : hasNext ? (
        <Skeleton rows={isRestoring ? Math.max(0, left.rows - count) : 3} />
      ) : (
        <Spanning>
          <p className="end">{hasPrevious ? "This is the end of the list." : count === 1 ? "This is the only user." : `These are all ${plural(count, "user")}.`}</p>
        </Spanning>
      )}
    </>
  );
}

/** The reason why there are no rows. */
function Empty({ list, position }: Pick<UserTableProps, "list" | "position">) {
  const navigation = useNavigation();
  if ("cursor" in position) {
    return (
      <div className="empty">
        <h2>No users on this page</h2>
        <p>{position.kind === "after" ? "The list has ended before this page." : "This page would be ahead of the first one."}</p>
        <p>
          <Link to={formatList(list)}>First page</Link>
        </p>
      </div>
    );
  }
  if (isReversed(list)) {
    return (
      <div className="empty">
        <h2>No users</h2>
        <p>The first day is after the last one, so no conversation can match.</p>
        <button onClick={() => navigation.go(formatList({ ...list, from: list.to, to: list.from }))}>Swap the days</button>
      </div>
    );
  }
  return (
    <div className="empty">
      <h2>No users</h2>
      <p>{isFiltered(list) ? "No conversation matches these filters." : "No users have talked to your agents yet."}</p>
    </div>
  );
}

/**
 * The pages around the one at the top of the screen. A page can begin after any row, so the next one follows the page
 * that is being looked at, however many rows have been loaded after that.
 */
function pagesOf(list: List, position: Position, edges: readonly { cursor: string }[], page: number, hasPrevious: boolean, hasNext: boolean): Pages {
  const address = (kind: "after" | "before", row: number) => formatList(list, { kind, cursor: edges[row]!.cursor });
  const first = page * pageSize;
  const next = first + pageSize;
  const hasRowsAhead = edges.length > 0 && (first > 0 || hasPrevious);
  const hasRowsAfter = edges.length > 0 && (next < edges.length || hasNext);
  return {
    first: hasRowsAhead || (edges.length === 0 && position.kind !== "start") ? formatList(list) : null,
    previous: !hasRowsAhead ? null : first === pageSize && !hasPrevious ? formatList(list) : address("before", first),
    next: hasRowsAfter ? address("after", Math.min(next, edges.length) - 1) : null,
    last: hasRowsAfter ? formatList(list, { kind: "end" }) : null,
  };
}

/** The rows on the screen, and the row with the focus with those that the arrow keys lead to. */
function rowsToRender(first: number, last: number, focused: number | null, count: number): number[] {
  const rows = new Set(Array.from({ length: Math.max(0, last - first) }, (_, i) => first + i));
  if (focused !== null) for (let row = Math.max(0, focused - 1); row <= Math.min(focused + 1, count - 1); row++) rows.add(row);
  return [...rows].sort((a, b) => a - b);
}

/** The index of the row that contains an element. */
function rowOf(element: EventTarget): number | null {
  const index = (element as HTMLElement).closest("tr")?.ariaRowIndex;
  return index ? Number(index) - 2 : null;
}

const linkOf = (body: HTMLElement | null, row: number) => body?.querySelector<HTMLElement>(`tr[aria-rowindex="${row + 2}"] a`) ?? null;

/** The space of rows that are not rendered. It has no background: Chromium may stop painting a page with a gradient on an element of this height. */
function Gap({ rows }: { rows: number }) {
  return rows > 0 ? <tr role="presentation" className="gap" style={{ height: `calc(${rows} * var(--row))` }} /> : null;
}
