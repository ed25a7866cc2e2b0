// Keys of Kafka's that set nothing here. What cannot mean anything on one machine is accepted, so that a file that was
// written for Kafka does, and told; what somebody may rely on is refused.

const oneBroker = "there is one broker, and one copy of the data";
const noController = "there is no controller";
const noThreads = "there are no pools of threads to size";
const fixed = "it is fixed here, see the limits in docs/guides/broker.md";
const synced = "see strandlog.durability";
const noTransactionLog = "there is no topic for it";
const system = "the system's own is used";

/** Why each sets nothing. A name that ends with "." stands for all that begin so. */
const withoutEffect: Readonly<Record<string, string>> = {
  "auto.leader.rebalance.enable": oneBroker,
  "background.threads": noThreads,
  "broker.rack": oneBroker,
  "connections.max.idle.ms": fixed,
  "control.plane.listener.name": noController,
  "controlled.shutdown.": oneBroker,
  "controller.quorum.": noController,
  "controller.socket.timeout.ms": noController,
  "default.replication.factor": oneBroker,
  "fetch.max.bytes": fixed,
  "group.initial.rebalance.delay.ms": "a group's first generation does not wait for others",
  "group.max.session.timeout.ms": fixed,
  "group.max.size": fixed,
  "group.min.session.timeout.ms": fixed,
  "inter.broker.": oneBroker,
  "leader.imbalance.": oneBroker,
  "log.cleaner.": "compaction has no threads and buffers of its own to size, and no lag",
  "log.flush.": synced,
  "log.index.": "indexes are made as Kafka makes them by default",
  "log.preallocate": "the journal is, segments are not",
  "max.connections": fixed,
  "metadata.log.": noController,
  "metadata.max.": noController,
  "metric.reporters": "see docs/guides/running.md for what is told",
  "metrics.": "see docs/guides/running.md for what is told",
  "min.insync.replicas": oneBroker,
  "num.io.threads": noThreads,
  "num.network.threads": noThreads,
  "num.recovery.threads.per.data.dir": noThreads,
  "num.replica.fetchers": noThreads,
  "offsets.retention.check.interval.ms": "they are looked at often enough",
  "offsets.topic.": "offsets are in the log's metadata",
  "process.roles": noController,
  "queued.max.requests": fixed,
  "replica.": oneBroker,
  "sasl.mechanism.inter.broker.protocol": oneBroker,
  "security.inter.broker.protocol": oneBroker,
  "share.coordinator.": noTransactionLog,
  "socket.listen.backlog.size": system,
  "socket.receive.buffer.bytes": system,
  "socket.request.max.bytes": fixed,
  "socket.send.buffer.bytes": system,
  "ssl.cipher.suites": "Node.js chooses",
  "ssl.enabled.protocols": "TLS 1.2 and 1.3 are",
  "ssl.protocol": "TLS 1.2 and 1.3 are",
  "transaction.max.timeout.ms": fixed,
  "transaction.state.log.": noTransactionLog,
  "transactional.id.expiration.ms": fixed,
  "unclean.leader.election.enable": oneBroker,
  "zookeeper.": noController,
};

const noAcls = "there are no ACLs: who may connect may do everything";
const noJaas = "users are kept in the log: strandlog users adds them";
const onlyPem = "for PEM it is ssl.key.password";

/** Why each is refused: somebody may rely on it. */
const refused: Readonly<Record<string, string>> = {
  "allow.everyone.if.no.acl.found": noAcls,
  "authorizer.class.name": noAcls,
  "client.quota.": "there are no quotas",
  "quota.": "there are no quotas",
  "sasl.jaas.config": noJaas,
  "sasl.server.callback.handler.class": noJaas,
  "security.providers": "Node.js has its own",
  "ssl.keystore.password": onlyPem,
  "ssl.principal.mapping.rules": noAcls,
  "ssl.truststore.password": "certificates in PEM have no password",
  "super.users": noAcls,
};

/** What is always so: another value is refused. */
const always: Readonly<Record<string, string>> = {
  "delete.topic.enable": "true",
};

export type KafkaKey =
  | { readonly isRefused: false; readonly why: string }
  | { readonly isRefused: true; readonly why: string };

/** Undefined: no key of Kafka's that is known to set nothing here. */
export function kafkaKey(name: string, text: string): KafkaKey | undefined {
  const own = name.replace(/^listener\.name\.[^.]+\.(?:[a-z0-9-]+\.(?=sasl\.))?/, "");
  const only = always[own];
  if (only !== undefined) {
    const why = `it is always ${only} here`;
    return { isRefused: text.toLowerCase() !== only.toLowerCase(), why };
  }
  const refusal = find(refused, own);
  if (refusal !== undefined) return { isRefused: true, why: refusal };
  const why = find(withoutEffect, own);
  return why === undefined ? undefined : { isRefused: false, why };
}

/** Names in full, for whoever looks for one that is like another. */
export const kafkaKeyNames: readonly string[] = [withoutEffect, refused, always]
  .flatMap((table) => Object.keys(table))
  .filter((name) => !name.endsWith("."));

function find(table: Readonly<Record<string, string>>, name: string): string | undefined {
  if (Object.hasOwn(table, name)) return table[name];
  return Object.entries(table).find(([start]) => start.endsWith(".") && name.startsWith(start))?.[1];
}
