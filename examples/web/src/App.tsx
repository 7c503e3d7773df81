import { usePlace } from "./navigation";
import { Link } from "./Link";
import { UserPage } from "./UserPage";
import { UsersPage } from "./UsersPage";

export function App() {
  const place = usePlace();
  const id = new URLSearchParams(place.search).get("id");
  return (
    <>
      <header className="top">
        <Link to="" className="brand">
          <svg viewBox="0 0 32 32" aria-hidden="true">
            <rect width="32" height="32" rx="8" />
            <path d="M8 10h16M8 16h11M8 22h6" />
          </svg>
          Rollcall
        </Link>
        <p>The users of your voice agents</p>
      </header>
      {id === null ? <UsersPage place={place} /> : <UserPage key={place.key} id={id} place={place} />}
    </>
  );
}
