// The browser's history, with a memory for each entry, so that the back button restores a page as it was.
//
// An address has everything in its query: `?id=…` is a user's page, anything else is a list. Therefore the built
// application is a single file to any server, which needs no rules for paths.

import { createContext, useContext, useSyncExternalStore } from "react";

/** The state in which an entry of the history was left. */
export interface Memory {
  /** How far it was scrolled, in pixels. */
  scroll: number;
  /** How many rows its list had loaded. */
  rows: number;
  /** How many of these are in front of the place in the list at which the address begins. */
  ahead: number;
  /** The row that was opened, from 0. */
  opened: number | null;
}

export interface Place {
  /** Identifies an entry of the history. */
  readonly key: string;
  readonly search: string;
  /** Whether a link led here. Otherwise the person came back, and expects the page as it was, or from another site. */
  readonly isFresh: boolean;
}

const stored = "rollcall:memories";
const unvisited: Memory = { scroll: 0, rows: 0, ahead: 0, opened: null };

export class Navigation {
  #memories: Map<string, Memory>;
  #listeners = new Set<() => void>();
  #place: Place;

  constructor() {
    history.scrollRestoration = "manual"; // the browser restores before there are rows to scroll to
    this.#memories = new Map(readMemories());
    this.#place = this.#arrive(false);
    addEventListener("popstate", () => {
      this.#move(this.#arrive(false));
      scrollTo(0, 0); // a list then restores its own position
    });
    addEventListener("pagehide", () => {
      sessionStorage.setItem(stored, JSON.stringify([...this.#memories].slice(-50)));
    });
  }

  get place() {
    return this.#place;
  }

  /** Goes to a query, such as "?sort=sentiment". */
  go(search: string) {
    history.pushState({ key: newKey(), depth: this.#depth + 1 }, "", search || location.pathname);
    this.#move(this.#arrive(true));
    scrollTo(0, 0);
  }

  /** Goes to a query instead of the current entry of the history. */
  replace(search: string) {
    history.replaceState({ key: newKey(), depth: this.#depth }, "", search || location.pathname);
    this.#move(this.#arrive(true));
    scrollTo(0, 0);
  }

  /** Goes back to the previous page of the application, or to a query if there is none. */
  back(search: string) {
    if (this.#depth > 0) history.back();
    else this.go(search);
  }

  get memory(): Memory {
    return this.#memories.get(this.#place.key) ?? unvisited;
  }

  remember(what: Partial<Memory>) {
    this.#memories.set(this.#place.key, { ...this.memory, ...what });
  }

  subscribe = (listener: () => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  get #depth(): number {
    return (history.state as { depth?: number } | null)?.depth ?? 0;
  }

  #arrive(isFresh: boolean): Place {
    let key = (history.state as { key?: string } | null)?.key;
    if (!key) {
      key = newKey();
      history.replaceState({ key, depth: 0 }, "");
    }
    return { key, search: location.search, isFresh };
  }

  #move(place: Place) {
    this.#place = place;
    for (const listener of this.#listeners) listener();
  }
}

const newKey = () => Math.random().toString(36).slice(2);

function readMemories(): [string, Memory][] {
  try {
    return JSON.parse(sessionStorage.getItem(stored) ?? "[]") as [string, Memory][];
  } catch {
    return []; // the browser stores nothing, or another program's text
  }
}

export const NavigationContext = createContext<Navigation | null>(null);

export function useNavigation(): Navigation {
  const navigation = useContext(NavigationContext);
  if (!navigation) throw new Error("There is no NavigationContext around this component.");
  return navigation;
}

export function usePlace(): Place {
  const navigation = useNavigation();
  return useSyncExternalStore(navigation.subscribe, () => navigation.place);
}
