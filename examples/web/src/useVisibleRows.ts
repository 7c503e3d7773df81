import { useLayoutEffect, useState, type RefObject } from "react";

/** How many rows beyond the edges of the screen are rendered, and the step in which that changes. */
const margin = 12;
const step = 6;

interface Range {
  /** The rendered rows are those from first up to but without last. */
  first: number;
  last: number;
  /** The page at the top of the screen, from 0. */
  page: number;
}

/** The rows of a body that are on the screen or near it, and the page of so many rows at the top of the screen. */
export function useVisibleRows(body: RefObject<HTMLElement | null>, count: number, pageSize: number, isReady: boolean): Range {
  const [range, setRange] = useState<Range>({ first: 0, last: 2 * margin, page: 0 });
  useLayoutEffect(() => {
    const update = () => {
      if (!body.current) return;
      const { top } = body.current.getBoundingClientRect();
      const height = parseFloat(getComputedStyle(body.current).getPropertyValue("--row"));
      const first = Math.max(0, Math.floor((-top / height - margin) / step) * step);
      const last = Math.max(first, Math.ceil(((innerHeight - top) / height + margin) / step) * step);
      // The row in the middle of the screen's upper half: the page that a person would say is shown.
      const page = Math.floor(Math.max(0, (innerHeight / 4 - top) / height) / pageSize);
      setRange((was) => (was.first === first && was.last === last && was.page === page ? was : { first, last, page }));
    };
    update();
    addEventListener("scroll", update, { passive: true });
    addEventListener("resize", update);
    return () => {
      removeEventListener("scroll", update);
      removeEventListener("resize", update);
    };
  }, [body, count, pageSize, isReady]);
  const lastPage = Math.max(0, Math.ceil(count / pageSize) - 1);
  return { first: Math.min(range.first, count), last: Math.min(range.last, count), page: Math.min(range.page, lastPage) };
}
