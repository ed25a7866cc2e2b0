// NATS JetStream: a server with a log in files. A partition is a subject of one stream.
//
// "disk": sync_interval: always, with which it syncs each message before it acknowledges it. "os": as it comes, it
// writes before it acknowledges, and syncs every two minutes.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { start, versionLine } from "./server.mjs";
import { kept, Skipped } from "./shared.mjs";

const stream = "records";
const patienceMs = 60_000;
const aheadRecords = 10_000;

export async function open({ directory, durability }) {
  const version = /v(\d+\.\d+\.\d+\S*)/.exec(versionLine("nats-server"))?.[1] ?? "";
  const [major, minor] = version.split(".").map(Number);
  if (durability === "disk" && (major < 2 || (major === 2 && minor < 10))) {
    throw new Skipped(`nats-server ${version} cannot sync before it acknowledges; 2.10 can`);
  }
  mkdirSync(directory, { recursive: true });
  const server = await start("nats-server", (port) => {
    const config = join(directory, "nats.conf");
    writeFileSync(config, configOf(port, directory, durability));
    return ["--config", config];
  });
  // A stack trace for every request, in case it fails, would cost more than the request.
  const servers = `${server.host}:${server.port}`;
  const connection = await connect({ servers, reconnect: false, noAsyncTraces: true });
  const options = { timeout: patienceMs };
  const manager = await jetstreamManager(connection, options);
  await manager.streams.add({ name: stream, subjects: ["p.*"], storage: "file" });
  const client = jetstream(connection, options);

  return {
    version,
    append(partition, values) {
      const subject = `p.${partition}`;
      return values.length === 1
        ? client.publish(subject, values[0])
        : Promise.all(values.map((value) => client.publish(subject, value)));
    },
    trim: (partition) => manager.streams.purge(stream, { filter: `p.${partition}`, keep: kept }),
    async read(visit) {
      let left = (await manager.streams.info(stream)).state.messages;
      const consumer = await client.consumers.get(stream);
      const messages = await consumer.consume({ max_messages: aheadRecords });
      for await (const { data } of messages) if (!visit(data) || --left === 0) break;
      await messages.close();
      await consumer.delete();
    },
    async close() {
      await connection.close();
      await server.kill();
    },
    kill: server.kill,
  };
}

function configOf(port, directory, durability) {
  const lines = [
    `listen: "127.0.0.1:${port}"`,
    'log_file: "/dev/null"',
    "max_payload: 8MB",
    "jetstream {",
    `  store_dir: ${JSON.stringify(directory)}`,
    ...(durability === "disk" ? ["  sync_interval: always"] : []),
    "}",
  ];
  return `${lines.join("\n")}\n`;
}
