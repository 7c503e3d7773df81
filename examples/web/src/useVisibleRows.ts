import { useLayoutEffect, useState, type RefObject } from "react";

/** How many rows beyond the edges of the screen are rendered, and the step in which that changes. */
const margin = 12;
const step = 6;

/** Which rows of a body, from the first up to but without the last, are on the screen or near it. */
export function useVisibleRows(body: RefObject<HTMLElement | null>, count: number, isReady: boolean): [first: number, last: number] {
  const [range, setRange] = useState<[number, number]>([0, 2 * margin]);
  useLayoutEffect(() => {
    const update = () => {
      if (!body.current) return;
      const { top } = body.current.getBoundingClientRect();
      const height = parseFloat(getComputedStyle(body.current).getPropertyValue("--row"));
      const first = Math.max(0, Math.floor((-top / height - margin) / step) * step);
      const last = Math.max(first, Math.ceil(((innerHeight - top) / height + margin) / step) * step);
      setRange((was) => (was[0] === first && was[1] === last ? was : [first, last]));
    };
    update();
    addEventListener("scroll", update, { passive: true });
    addEventListener("resize", update);
    return () => {
      removeEventListener("scroll", update);
      removeEventListener("resize", update);
    };
  }, [body, count, isReady]);
  return [Math.min(range[0], count), Math.min(range[1], count)];
}
