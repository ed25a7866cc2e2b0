// What hostile clients do. Each attack answers how many bad inputs it has tried, and throws when one of them was neither
// refused nor answered with an error.
import { setTimeout as sleep } from "node:timers/promises";
import { type Api, apis, ErrorCode } from "@strandlog/protocol";
import { Random } from "strandlog/testing";
import { FrameForger } from "../fuzz/frame-forger.js";
import { Attacker } from "./attacker.js";
import { badBatches, bomb, bombTime, goodBatch } from "./bad-batches.js";
import { badFrames, requestBytesMax } from "./bad-frames.js";
import { openTransactions } from "./many-transactions.js";

interface Target {
  readonly port: number;
  /** Where clients have to say who they are. */
  readonly askingPort: number;
  readonly seed: number;
  readonly isQuick: boolean;
}

interface Attack {
  readonly name: string;
  run(target: Target): Promise<number>;
}

const noId = "AAAAAAAAAAAAAAAAAAAAAA";
const topic = "attacked";
const mebibyte = 1024 * 1024;

export const attacks: readonly Attack[] = [
  { name: "bytes that are no request", run: sendBadFrames },
  { name: "requests that are wrong somewhere", run: sendForgedFrames },
  { name: "batches that must not be stored", run: sendBadBatches },
  { name: "names that lead elsewhere", run: askForBadNames },
  { name: "requests before authentication", run: askUnauthenticated },
  { name: "parts of requests", run: sendParts },
  { name: "requests as long as they may be", run: sendLongRequests },
  { name: "answers that nobody reads", run: readNothing },
  { name: "batches that unpack to very much", run: sendBombs },
  { name: "very many commits", run: flood },
  { name: "members that come and go", run: storm },
  { name: "transactional ids without end", run: beginTransactions },
];

function expect(isSo: boolean, message: string): asserts isSo {
  if (!isSo) throw new Error(message);
}

async function sendBadFrames({ port }: Target): Promise<number> {
  for (const { name, bytes } of badFrames) {
    const attacker = await Attacker.at(port);
    attacker.socket.write(bytes);
    await attacker.refused().catch((error: Error) => Promise.reject(new Error(`${name}: ${error.message}`)));
    attacker.end();
  }
  return badFrames.length;
}

/** What they get is not looked at: some are right by chance, and some wait for long. */
async function sendForgedFrames({ port, seed, isQuick }: Target): Promise<number> {
  const random = new Random(seed);
  const all: readonly Api[] = Object.values(apis);
  const count = isQuick ? 300 : 5000;
  for (let n = 0; n < count; n++) {
    const api = random.pick(all);
    const forger = new FrameForger(random, random.pick([0.01, 0.05, 0.2]));
    const attacker = await Attacker.at(port);
    attacker.socket.write(forger.frame(api, "request", random.between(api.versionMin, api.versionMax)));
    await Promise.race([attacker.refused(), sleep(20)]);
    attacker.end();
  }
  return count;
}

async function sendBadBatches({ port }: Target): Promise<number> {
  const attacker = await Attacker.at(port);
  await makeTopic(attacker);
  for (const { name, batches } of badBatches) {
    const errorCode = await produce(attacker, ...batches);
    expect(errorCode !== ErrorCode.NONE, `${name}: was stored`);
  }
  for (const acks of [2, -2]) {
    const errorCode = await produceWith(attacker, acks, goodBatch());
    expect(errorCode === ErrorCode.INVALID_REQUIRED_ACKS, `acks ${acks}: error ${errorCode}`);
  }
  attacker.end();
  return badBatches.length + 2;
}

async function askForBadNames({ port }: Target): Promise<number> {
  const names = [
    "",
    ".",
    "..",
    "../evil",
    "/tmp/evil",
    "a/b",
    "a\\b",
    "a\0b",
    "ä",
    "a b",
    "__x",
    "a".repeat(250),
  ];
  const attacker = await Attacker.at(port);
  for (const name of names) {
    const described = await attacker.ask(apis.metadata, 9, {
      topics: [{ name, topicId: noId }],
      allowAutoTopicCreation: true,
      includeClusterAuthorizedOperations: false,
      includeTopicAuthorizedOperations: false,
    });
    const created = await attacker.ask(apis.createTopics, 7, {
      topics: [{ name, numPartitions: 1, replicationFactor: 1, assignments: [], configs: [] }],
    });
    for (const errorCode of [described.topics[0]?.errorCode, created.topics[0]?.errorCode])
      expect(errorCode === ErrorCode.INVALID_TOPIC_EXCEPTION, `${JSON.stringify(name)}: error ${errorCode}`);
  }
  attacker.end();
  return names.length * 2;
}

async function askUnauthenticated({ askingPort }: Target): Promise<number> {
  const open: readonly Api[] = [apis.apiVersions, apis.saslHandshake, apis.saslAuthenticate];
  const closed = (Object.values(apis) as Api[]).filter((api) => !open.includes(api));
  for (const { key, name, versionMax } of closed) {
    const attacker = await Attacker.at(askingPort);
    const head = Buffer.from("0000000a00000000000000010000", "hex");
    head.writeInt16BE(key, 4);
    head.writeInt16BE(versionMax, 6);
    attacker.socket.write(head);
    await attacker
      .closed()
      .catch(() => Promise.reject(new Error(`${name} before authentication: left open`)));
  }
  const long = await Attacker.at(askingPort);
  long.socket.write(Buffer.from("00010001", "hex"));
  await long.closed();
  const guessing = await Attacker.at(askingPort);
  const { errorCode } = await guessing.ask(apis.saslHandshake, 1, { mechanism: "NONSENSE" });
  expect(errorCode === ErrorCode.UNSUPPORTED_SASL_MECHANISM, `an unknown mechanism: error ${errorCode}`);
  guessing.end();
  const guesses = 20;
  for (let n = 0; n < guesses; n++) {
    const guesser = await Attacker.at(askingPort);
    await guesser.ask(apis.saslHandshake, 1, { mechanism: "PLAIN" });
    const authBytes = Buffer.from(`\0${n % 2 === 0 ? "admin" : "nobody"}\0guess ${n}`);
    const { errorCode: refusal } = await guesser.ask(apis.saslAuthenticate, 2, { authBytes });
    expect(refusal === ErrorCode.SASL_AUTHENTICATION_FAILED, `a guess: error ${refusal}`);
    await guesser.closed();
  }
  return closed.length + 2 + guesses;
}

/** Half-open, silent in the middle of a request, and slow. */
async function sendParts({ port, isQuick }: Target): Promise<number> {
  const attackers = await Promise.all(Array.from({ length: 100 }, () => Attacker.at(port)));
  const head = Buffer.alloc(4);
  for (const [n, { socket }] of attackers.entries()) {
    head.writeInt32BE(n % 2 === 0 ? requestBytesMax : requestBytesMax - 1);
    if (n % 4 > 0) socket.write(Buffer.concat([head, Buffer.alloc(n % 4 === 3 ? 200_000 : 0)]));
  }
  const slow = await Promise.all(Array.from({ length: 20 }, () => Attacker.at(port)));
  const request = Buffer.from("0000000a00120000000000010000", "hex");
  for (const byte of request.subarray(0, -1)) {
    for (const { socket } of slow) socket.write(Buffer.from([byte]));
    await sleep(isQuick ? 20 : 200);
  }
  if (!isQuick) {
    // So long a part of a request may be there.
    await sleep(33_000);
    const open = [...attackers.filter((_, n) => n % 4 > 0), ...slow].filter(({ isClosed }) => !isClosed);
    expect(open.length === 0, `${open.length} connections with parts of requests are open after 30 s`);
  }
  for (const attacker of [...attackers, ...slow]) attacker.end();
  return attackers.length + slow.length;
}

/** Each sends what is nearly a whole request, if it is let: together much more than the broker may hold. */
async function sendLongRequests({ port }: Target): Promise<number> {
  const head = Buffer.alloc(4);
  head.writeInt32BE(requestBytesMax);
  const part = Buffer.concat([head, Buffer.alloc(90 * mebibyte)]);
  const attackers = await Promise.all(Array.from({ length: 8 }, () => Attacker.at(port)));
  await Promise.all(attackers.map((attacker) => attacker.push(part, 2000)));
  for (const attacker of attackers) attacker.end();
  return attackers.length;
}

async function readNothing({ port, isQuick }: Target): Promise<number> {
  const maker = await Attacker.at(port);
  await makeTopic(maker);
  for (let n = 0; n < 4; n++) await produce(maker, goodBatch("x".repeat(1_000_000)));
  maker.end();
  const attackers = await Promise.all(Array.from({ length: 20 }, () => Attacker.at(port)));
  const requests = isQuick ? 500 : 5000;
  const partitions = [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 50 * mebibyte }];
  for (const attacker of attackers) {
    attacker.socket.pause();
    for (let n = 0; n < requests; n++) {
      attacker.send(apis.fetch, 12, {
        maxWaitMs: 0,
        minBytes: 1,
        topics: [{ topic, topicId: noId, partitions }],
        forgottenTopicsData: [],
      });
    }
  }
  await sleep(isQuick ? 1500 : 10_000);
  for (const attacker of attackers) attacker.end();
  return attackers.length * requests;
}

/** They are stored as they are; whoever looks for a time has to look into them. */
async function sendBombs({ port }: Target): Promise<number> {
  const attacker = await Attacker.at(port);
  await makeTopic(attacker);
  const sizes = [900, 200, 50, 30];
  for (const size of sizes) {
    // What came before would be found first.
    const topics = [{ name: topic, partitions: [{ partitionIndex: 0, offset: -1 }] }];
    await attacker.ask(apis.deleteRecords, 2, { topics, timeoutMs: 1000 });
    await produce(attacker, bomb(size * mebibyte));
    const found = await attacker.ask(apis.listOffsets, 8, {
      replicaId: -1,
      isolationLevel: 0,
      topics: [{ name: topic, partitions: [{ partitionIndex: 0, timestamp: Number(bombTime) }] }],
    });
    expect(found.topics.length === 1, "a time was not looked for");
  }
  attacker.end();
  return sizes.length;
}

async function flood({ port, isQuick }: Target): Promise<number> {
  const attackers = await Promise.all(Array.from({ length: 5 }, () => Attacker.at(port)));
  await makeTopic(attackers[0] as Attacker);
  const requests = isQuick ? 200 : 3000;
  const commit = (attacker: Attacker, group: string, bytes: number) =>
    attacker.ask(apis.offsetCommit, 8, {
      groupId: group,
      memberId: "",
      topics: [
        {
          name: topic,
          partitions: [{ partitionIndex: 0, committedOffset: 0, committedMetadata: "m".repeat(bytes) }],
        },
      ],
    });
  const floods = attackers.map(async (attacker, n) => {
    for (let each = 0; each < requests; each++) await commit(attacker, `flood-${n}-${each % 100}`, 4096);
    const { topics } = await commit(attacker, `flood-${n}`, 4097);
    const code = topics[0]?.partitions[0]?.errorCode;
    expect(code === ErrorCode.OFFSET_METADATA_TOO_LARGE, `4,097 bytes of metadata: error ${code}`);
  });
  await Promise.all(floods);
  for (const attacker of attackers) attacker.end();
  return attackers.length * (requests + 1);
}

async function storm({ port, isQuick }: Target): Promise<number> {
  const attackers = await Promise.all(Array.from({ length: 5 }, () => Attacker.at(port)));
  const rounds = isQuick ? 300 : 3000;
  const joining = (groupId: string, memberId: string, bytes: number) => ({
    groupId,
    sessionTimeoutMs: 1_800_000,
    rebalanceTimeoutMs: 1_800_000,
    memberId,
    protocolType: "consumer",
    protocols: [{ name: "range", metadata: Buffer.alloc(bytes, 1) }],
  });
  const storms = attackers.map(async (attacker, n) => {
    for (let round = 0; round < rounds; round++) {
      // One that never comes back with the id that it gets, and one that joins and leaves.
      await attacker.ask(apis.joinGroup, 9, joining(`ghosts-${n}-${round}`, "", 100));
      const groupId = `storm-${n}`;
      const joined = await attacker.ask(apis.joinGroup, 3, joining(groupId, "", 10_000));
      await attacker.ask(apis.leaveGroup, 2, { groupId, memberId: joined.memberId, members: [] });
    }
    const large = await attacker.ask(apis.joinGroup, 3, joining(`large-${n}`, "", 8 * mebibyte));
    expect(large.errorCode !== ErrorCode.NONE, "8 MiB about a member were taken in");
  });
  await Promise.all(storms);
  for (const attacker of attackers) attacker.end();
  return attackers.length * (2 * rounds + 1);
}

function beginTransactions({ port, isQuick }: Target): Promise<number> {
  return openTransactions(port, isQuick ? 2500 : 20_000);
}

async function makeTopic(attacker: Attacker): Promise<void> {
  await attacker.ask(apis.createTopics, 7, {
    topics: [{ name: topic, numPartitions: 1, replicationFactor: 1, assignments: [], configs: [] }],
  });
}

function produce(attacker: Attacker, ...batches: Buffer[]): Promise<number | undefined> {
  return produceWith(attacker, -1, ...batches);
}

async function produceWith(
  attacker: Attacker,
  acks: number,
  ...batches: Buffer[]
): Promise<number | undefined> {
  const partitionData = [{ index: 0, records: batches }];
  const asked = { acks, timeoutMs: 1000, topicData: [{ name: topic, partitionData }] };
  const { responses } = await attacker.ask(apis.produce, 9, asked);
  return responses[0]?.partitionResponses[0]?.errorCode;
}
