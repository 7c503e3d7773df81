import { transformAsync } from "@babel/core";
import react from "@vitejs/plugin-react";
import { defineConfig, loadEnv, type Plugin } from "vite";

/** Puts what Relay's compiler made where the sources have graphql`…`. */
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

/** Where the service is in development, if not where `go run .` puts it. */
const { ROLLCALL = "http://127.0.0.1:8080" } = loadEnv("", ".", "ROLLCALL");

export default defineConfig({
  base: "./", // runs from any folder of any server of files
  plugins: [relay, react()],
  build: {
    // What others wrote changes less often than the application: browsers keep it across releases.
    rolldownOptions: { output: { codeSplitting: { groups: [{ name: "vendor", test: /node_modules/ }] } } },
  },
  server: {
    // In development the application and the service share an origin.
    proxy: { "/graphql": { target: ROLLCALL, changeOrigin: true } },
  },
});
