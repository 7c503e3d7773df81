import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { RelayEnvironmentProvider } from "react-relay";
import { App } from "./App";
import { createEnvironment } from "./environment";
import { Navigation, NavigationContext } from "./navigation";
import "./style.css";

const endpoint = document.querySelector<HTMLMetaElement>("meta[name=graphql-url]")!.content;

// A fault that a boundary catches appears on the page, and not in the console too.
createRoot(document.getElementById("root")!, { onCaughtError: () => {} }).render(
  <StrictMode>
    <RelayEnvironmentProvider environment={createEnvironment(endpoint)}>
      <NavigationContext value={new Navigation()}>
        <App />
      </NavigationContext>
    </RelayEnvironmentProvider>
  </StrictMode>,
);
