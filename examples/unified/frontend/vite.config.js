import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

const { ALLOWED_HOSTS = "", BACKEND_URL = "http://localhost:8000" } = process.env;

export default defineConfig({
  plugins: [react()],
  server: {
    host: true,
    port: 5173,
    strictPort: true,
    // localhost and addresses are always allowed; these are its names on the stack's network.
    allowedHosts: ALLOWED_HOSTS.split(",").filter(Boolean),
    // A path of its own, so that the proxy can route it. Host and port are those of the page:
    // it works through the proxy on any port, and directly.
    ws: { path: "ws" },
    // Only for who comes here directly (port 5173): through the proxy these never arrive.
    proxy: { "^/(api|admin|static|media)/": { target: BACKEND_URL } },
  },
});
