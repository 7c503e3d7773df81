import { transformAsync } from "@babel/core";
import react from "@vitejs/plugin-react";
import { defineConfig, loadEnv, type Plugin } from "vite";

/** Replaces graphql`…` in the sources with the artifacts of Relay's compiler. */
const relay: Plugin = {
  name: "relay",
  enforce: "pre",
  transform: {
    filter: { id: /\/src\/[^?]*\.tsx?$/, code: /\bgraphql`/ },
    handler: async (code, filename) => {
      const done = await transformAsync(code, {
        filename,
        babelrc: false,
        configFile: false,
        sourceMaps: true,
        parserOpts: { plugins: ["typescript", "jsx"] },
        plugins: [["relay", { eagerEsModules: true }]],
      });
      return { code: done?.code ?? code, map: done?.map };
    },
  },
};

/** The address of the service in development; the default is that of `go run .`. */
const { ROLLCALL = "http://127.0.0.1:8080" } = loadEnv("", ".", "ROLLCALL");

export default defineConfig({
  base: "./", // runs from any folder of any file server
  plugins: [relay, react()],
  build: {
    // Dependencies change less often than the application: browsers keep their file across releases.
    rolldownOptions: { output: { codeSplitting: { groups: [{ name: "vendor", test: /node_modules/ }] } } },
  },
  server: {
    // In development the application and the service have the same origin.
    proxy: { "/graphql": { target: ROLLCALL, changeOrigin: true } },
  },
});
