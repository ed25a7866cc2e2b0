// Two questions over HTTP, for whoever runs the broker: does the process live, and can it serve clients.
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { LogError } from "@strandlog/log";
import type { Readiness } from "./readiness.js";

export interface Health {
  /** Where it listens, as "HOST:PORT". */
  readonly address: string;
  close(): Promise<void>;
}

const connectionsMax = 32;
const requestMsMax = 5000;
const headerBytesMax = 8 * 1024;

/**
 * @param address "HOST:PORT"
 * @throws LogError IO if it cannot be listened on
 */
export async function openHealth(address: string, readiness: Readiness): Promise<Health> {
  const server = createServer(
    { maxHeaderSize: headerBytesMax, requestTimeout: requestMsMax, connectionsCheckingInterval: 1000 },
    (request, response) => answer(request, response, readiness),
  );
  server.maxConnections = connectionsMax;
  await listenOn(server, address);
  server.on("error", () => undefined); // a connection that could not be accepted
  const { address: host, port } = server.address() as AddressInfo;
  return {
    address: host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`,
    close: async () => {
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

function answer(
  { method = "", url = "" }: IncomingMessage,
  response: ServerResponse,
  readiness: Readiness,
): void {
  const path = url.split("?", 1)[0];
  // Answers are asked for seldom: a connection need not be kept.
  response.setHeader("connection", "close");
  if (path !== "/healthz" && path !== "/readyz") {
    send(response, 404, { error: "there are /healthz and /readyz" });
  } else if (method !== "GET" && method !== "HEAD") {
    response.setHeader("allow", "GET, HEAD");
    send(response, 405, { error: "GET is what is answered" });
  } else if (path === "/healthz") {
    send(response, 200, { status: "alive" });
  } else {
    const { reasonAgainst: reason, trouble } = readiness;
    if (reason === undefined) send(response, 200, { status: "ready", trouble });
    else send(response, 503, { status: "not ready", reason });
  }
}

function send(response: ServerResponse, status: number, body: object): void {
  const text = `${JSON.stringify(body)}\n`;
  response.writeHead(status, {
    "content-type": "application/json",
    "content-length": Buffer.byteLength(text),
    "cache-control": "no-store",
  });
  response.end(text);
}

async function listenOn(server: Server, address: string): Promise<void> {
  const separator = address.lastIndexOf(":");
  const host = address.slice(0, separator).replace(/^\[(.*)\]$/, "$1");
  try {
    server.listen(Number(address.slice(separator + 1)), host);
    await once(server, "listening");
  } catch (cause) {
    const message = `cannot listen on ${address} for health checks: ${(cause as Error).message}`;
    throw new LogError("IO", message, { cause });
  }
}
