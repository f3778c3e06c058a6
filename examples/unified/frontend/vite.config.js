import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

const hosts = process.env.ALLOWED_HOSTS ?? "";

export default defineConfig({
  plugins: [react()],
  server: {
    host: true,
    port: 5173,
    strictPort: true,
    // localhost and addresses are always allowed; these are its names on the stack's network.
    allowedHosts: hosts.split(",").filter(Boolean),
    // A path of its own, so that the proxy can route it. Host and port are those of the page:
    // it works through the proxy on any port, and directly.
    ws: { path: "ws" },
  },
});
