import type { ReactNode } from "react";
import { Link } from "./Link";

/** The addresses of other pages; null for a page that does not exist, or is not known yet. */
export interface Pages {
  first: string | null;
  previous: string | null;
  next: string | null;
  last: string | null;
}

export const noPages: Pages = { first: null, previous: null, next: null, last: null };

/** Links to the pages of a list. Each has an address of its own, which can be opened in another tab, shared and reloaded. */
export function Pager({ pages }: { pages: Pages }) {
  return (
    <nav className="pager" aria-label="Pages">
      <Step to={pages.first} name="First page" path="M8.5 3 5.5 6 8.5 9M3.5 3v6" />
      <Step to={pages.previous} name="Previous page" path="M7.5 3 4.5 6 7.5 9">
        Previous
      </Step>
      <Step to={pages.next} name="Next page" path="M4.5 3 7.5 6 4.5 9" isAfter>
        Next
      </Step>
      <Step to={pages.last} name="Last page" path="M3.5 3 6.5 6 3.5 9M8.5 3v6" />
    </nav>
  );
}

interface StepProps {
  to: string | null;
  name: string;
  path: string;
  isAfter?: boolean;
  children?: ReactNode;
}

function Step({ to, name, path, isAfter = false, children }: StepProps) {
  const arrow = (
    <svg viewBox="0 0 12 12" aria-hidden="true">
      <path d={path} />
    </svg>
  );
  return (
    <Link to={to} aria-label={name} title={name}>
      {!isAfter && arrow}
      {children && <span aria-hidden="true">{children}</span>}
      {isAfter && arrow}
    </Link>
  );
}
