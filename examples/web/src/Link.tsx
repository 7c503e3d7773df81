import type { AnchorHTMLAttributes, MouseEvent } from "react";
import { useNavigation } from "./navigation";

type Props = Omit<AnchorHTMLAttributes<HTMLAnchorElement>, "href"> & {
  /** A query, such as "?sort=sentiment"; empty for the list of all users. A link to null is disabled. */
  to: string | null;
};

/** A link that stays inside the application, unless it is opened in another tab. */
export function Link({ to, onClick, ...rest }: Props) {
  const navigation = useNavigation();
  // Without an address it can still have the focus: otherwise the focus would be lost when a link becomes disabled.
  if (to === null) return <a {...rest} role="link" aria-disabled="true" tabIndex={0} />;
  const follow = (event: MouseEvent<HTMLAnchorElement>) => {
    if (event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    onClick?.(event);
    navigation.go(to);
  };
  return <a {...rest} href={to || location.pathname} onClick={follow} />;
}
