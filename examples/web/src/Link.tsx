import type { AnchorHTMLAttributes, MouseEvent } from "react";
import { useNavigation } from "./navigation";

type Props = Omit<AnchorHTMLAttributes<HTMLAnchorElement>, "href"> & {
  /** A query, such as "?sort=sentiment"; empty for everybody. */
  to: string;
};

/** A link that stays inside the application, unless it is opened elsewhere. */
export function Link({ to, onClick, ...rest }: Props) {
  const navigation = useNavigation();
  const follow = (event: MouseEvent<HTMLAnchorElement>) => {
    if (event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    onClick?.(event);
    navigation.go(to);
  };
  return <a {...rest} href={to || location.pathname} onClick={follow} />;
}
