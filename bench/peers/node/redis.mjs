// Redis: a server in memory, with an append-only file. A partition is a stream; what is sent in one turn of the event
// loop goes to the server together, and the server writes and syncs once for all that it got at once.
//
// "disk": appendfsync always, with which it syncs before it answers. "os": appendfsync no, with which it writes before
// it answers. With everysec, what most use, it answers before it writes whenever a sync is under way, so that a killed
// server loses what it has acknowledged.
import { mkdirSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { createClient, RESP_TYPES } from "redis";
import { start, versionLine } from "./server.mjs";
import { kept } from "./shared.mjs";

const pageRecords = 1000;

export async function open({ directory, durability, partitions }) {
  const version = /v=(\S+)/.exec(versionLine("redis-server"))?.[1];
  mkdirSync(directory, { recursive: true });
  const fsync = durability === "disk" ? "always" : "no";
  const server = await start("redis-server", (port) => [
    ...["--bind", "127.0.0.1", "--port", `${port}`, "--dir", directory, "--save", ""],
    ...["--appendonly", "yes", "--appendfsync", fsync, "--loglevel", "warning"],
  ]);
  // A timer for every command, the client's default, would cost more than the command.
  const commandOptions = { timeout: undefined };
  const client = createClient({ socket: { host: server.host, port: server.port }, commandOptions });
  client.on("error", () => undefined);
  await client.connect();
  while (await isLoading(client)) await sleep(1);
  const reader = client.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer });

  const add = (stream, value) => client.xAdd(stream, "*", { v: value });
  return {
    version,
    append(partition, values) {
      const stream = `p${partition}`;
      return values.length === 1
        ? add(stream, values[0])
        : Promise.all(values.map((value) => add(stream, value)));
    },
    trim: (partition) => client.xTrim(`p${partition}`, "MAXLEN", kept, { strategyModifier: "=" }),
    async read(visit) {
      for (let partition = 0; partition < partitions; partition++) {
        let start = "-";
        for (;;) {
          const page = await reader.xRange(`p${partition}`, start, "+", { COUNT: pageRecords });
          for (const { message } of page) if (!visit(message.v)) return;
          if (page.length < pageRecords) break;
          start = `(${page.at(-1).id}`;
        }
      }
    },
    async close() {
      client.destroy();
      await server.kill();
    },
    kill: server.kill,
  };
}

/** It listens before it has read what it holds. */
async function isLoading(client) {
  try {
    await client.ping();
    return false;
  } catch (error) {
    if (!error.message.startsWith("LOADING")) throw error;
    return true;
  }
}
