import { Fragment, useEffect, useLayoutEffect, useRef, useState, type KeyboardEvent } from "react";
import { graphql, usePaginationFragment } from "react-relay";
import type { UserTable_users$key } from "./__generated__/UserTable_users.graphql";
import type { UserTablePageQuery } from "./__generated__/UserTablePageQuery.graphql";
import { toFault, type Fault } from "./fault";
import { FaultView } from "./FaultView";
import { plural } from "./format";
import { useNavigation } from "./navigation";
import { Skeleton, Spanning } from "./table";
import { UserRow } from "./UserRow";
import type { Shown } from "./UsersPage";
import { useVisibleRows } from "./useVisibleRows";

export const pageSize = 50;
/** The most that the service gives at once; whoever comes back from elsewhere gets their rows in such steps. */
const largestPage = 500;
/** How many rows before the end of what is loaded the last rendered one is, when the next page is asked for. */
const ahead = 8;

export interface UserTableProps {
  query: UserTable_users$key;
  /** Whether this list is what came of a start from the top, after a refused cursor. */
  wasStartedOver: boolean;
  onStartOver: () => void;
  onShown: (shown: Shown) => void;
  onWiden: (() => void) | undefined;
}

/** The rows of the list, as far as it has been scrolled. */
export function UserTable({ query, wasStartedOver, onStartOver, onShown, onWiden }: UserTableProps) {
  const navigation = useNavigation();
  const { data, hasNext, isLoadingNext, loadNext } = usePaginationFragment<UserTablePageQuery, UserTable_users$key>(
    graphql`
      fragment UserTable_users on Query
      @refetchable(queryName: "UserTablePageQuery")
      @argumentDefinitions(
        count: { type: "Int!" }
        cursor: { type: "String" }
        filter: { type: "ConversationUserFilter" }
        sortBy: { type: "ConversationUserSort" }
        sortDirection: { type: "SortDirection" }
      ) {
        users(first: $count, after: $cursor, filter: $filter, sortBy: $sortBy, sortDirection: $sortDirection) @connection(key: "UserTable_users") {
          edges {
            cursor
            node {
              ...UserRow_user
            }
          }
        }
      }
    `,
    query,
  );
  const edges = data.users?.edges ?? [];
  const count = edges.length;
  const body = useRef<HTMLTableSectionElement>(null);
  const [fault, setFault] = useState<Fault | null>(null);
  const hasGoneOn = useRef(false); // whether a page has followed the first
  const [before] = useState(() => navigation.memory);
  const isRestoring = before.rows > count && hasNext && !fault;

  // Somebody who came back finds the place where they were, before anything is painted.
  useLayoutEffect(() => {
    if (!isRestoring && before.scroll > 0) scrollTo(0, before.scroll);
  }, [isRestoring, before.scroll]);

  const [focused, setFocused] = useState(before.opened);
  const [first, last] = useVisibleRows(body, count, !isRestoring);
  const visible = rowsToRender(first, last, focused, count);

  useEffect(() => {
    const remember = () => navigation.remember({ scroll: scrollY, rows: count });
    if (isRestoring) return;
    remember();
    addEventListener("scroll", remember, { passive: true });
    return () => removeEventListener("scroll", remember);
  }, [navigation, count, isRestoring]);

  // …and what they had opened has the focus again.
  const toFocus = useRef(before.opened);
  useEffect(() => {
    if (toFocus.current === null || isRestoring) return;
    const link = linkOf(body.current, toFocus.current);
    if (!link) return;
    link.focus({ preventScroll: true });
    toFocus.current = null;
  });

  useEffect(() => onShown({ rows: count, isComplete: !hasNext }), [count, hasNext]); // eslint-disable-line react-hooks/exhaustive-deps

  const goOn = () => {
    setFault(null);
    loadNext(Math.max(pageSize, Math.min(before.rows - count, largestPage)), {
      onComplete: (error) => {
        if (!error) {
          hasGoneOn.current = true;
          return;
        }
        const fault = toFault(error);
        // A list that was started over and is refused once more is not started over again: that might never end.
        if (fault.isStaleCursor && (hasGoneOn.current || !wasStartedOver)) onStartOver();
        else setFault(fault);
      },
    });
  };
  const wantsMore = hasNext && !isLoadingNext && !fault && (isRestoring || last >= count - ahead);
  useEffect(() => {
    if (wantsMore) goOn();
  }, [wantsMore]); // eslint-disable-line react-hooks/exhaustive-deps

  const moveFocus = (event: KeyboardEvent) => {
    const row = (event.target as HTMLElement).closest("tr")?.ariaRowIndex;
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!row || !step) return;
    const link = linkOf(body.current, Number(row) - 2 + step);
    if (!link) return;
    event.preventDefault();
    link.focus();
  };

  if (count === 0) {
    return (
      <Spanning>
        <div className="empty">
          <h2>Nobody here</h2>
          <p>{onWiden ? "No conversation matches these filters." : "Nobody has talked to your agents yet."}</p>
          {onWiden && <button onClick={onWiden}>Clear the filters</button>}
        </div>
      </Spanning>
    );
  }
  return (
    <>
      <tbody
        role="rowgroup"
        ref={body}
        onKeyDown={moveFocus}
        onFocus={(event) => {
          const row = (event.target as HTMLElement).closest("tr")?.ariaRowIndex;
          if (row) setFocused(Number(row) - 2);
        }}
      >
        {visible.map((row, i) => {
          const passedOver = row - (visible[i - 1] ?? -1) - 1;
          const edge = edges[row]!;
          return (
            <Fragment key={edge.cursor}>
              {passedOver > 0 && <Gap rows={passedOver} />}
              {edge.node && <UserRow user={edge.node} index={row} onOpen={() => navigation.remember({ opened: row })} />}
            </Fragment>
          );
        })}
        <Gap rows={count - 1 - (visible.at(-1) ?? -1)} />
      </tbody>
      {fault ? (
        <Spanning>
          <FaultView fault={fault} onRetry={goOn} onWiden={undefined} />
        </Spanning>
      ) : hasNext ? (
        <Skeleton rows={isRestoring ? before.rows - count : 3} />
      ) : (
        <Spanning>
          <p className="end">{count === 1 ? "That is the only one." : `These are all ${plural(count, "user")}.`}</p>
        </Spanning>
      )}
    </>
  );
}

/** The rows on the screen and, wherever it is, the one with the focus with those that the arrow keys lead to. */
function rowsToRender(first: number, last: number, focused: number | null, count: number): number[] {
  const rows = new Set(Array.from({ length: Math.max(0, last - first) }, (_, i) => first + i));
  if (focused !== null) for (let row = Math.max(0, focused - 1); row <= Math.min(focused + 1, count - 1); row++) rows.add(row);
  return [...rows].sort((a, b) => a - b);
}

const linkOf = (body: HTMLElement | null, row: number) => body?.querySelector<HTMLElement>(`tr[aria-rowindex="${row + 2}"] a`) ?? null;

/** The room of rows that are not rendered. It is bare: with a gradient on something so high, Chromium may stop painting the page. */
function Gap({ rows }: { rows: number }) {
  return rows > 0 ? <tr role="presentation" className="gap" style={{ height: `calc(${rows} * var(--row))` }} /> : null;
}
