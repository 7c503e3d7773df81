import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { RelayEnvironmentProvider } from "react-relay";
import { App } from "./App";
import { createEnvironment } from "./environment";
import { Navigation, NavigationContext } from "./navigation";
import "./style.css";

const endpoint = document.querySelector<HTMLMetaElement>("meta[name=graphql-url]")!.content;

// What a boundary catches is shown to whoever looks at the page, and is no news to the console.
createRoot(document.getElementById("root")!, { onCaughtError: () => {} }).render(
  <StrictMode>
    <RelayEnvironmentProvider environment={createEnvironment(endpoint)}>
      <NavigationContext value={new Navigation()}>
        <App />
      </NavigationContext>
    </RelayEnvironmentProvider>
  </StrictMode>,
);
