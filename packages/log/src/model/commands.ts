// All commands, each as often as it shall come.
import type fc from "fast-check";
import { append, appendAt, appendTooLarge } from "./append-commands.js";
import type { Command } from "./command.js";
import { consume, transact } from "./group-commands.js";
import { awaitAppends, deleteRecords, reopen, sync } from "./log-commands.js";
import { describeTopic, offsetOf, stats } from "./look-commands.js";
import { get, readBatches, readPartition, readTopic } from "./read-commands.js";
import { alterTopic, createTopic, deleteTopic, listTopics, openTopic } from "./topic-commands.js";

const weights: readonly (readonly [weight: number, command: fc.Arbitrary<Command>])[] = [
  [8, append],
  [3, appendAt],
  [1, appendTooLarge],
  [3, transact],
  [3, consume],
  [3, deleteRecords],
  [4, readPartition],
  [1, readBatches],
  [2, readTopic],
  [3, get],
  [3, offsetOf],
  [1, describeTopic],
  [1, stats],
  [2, createTopic],
  [1, openTopic],
  [2, alterTopic],
  [1, deleteTopic],
  [1, listTopics],
  [1, awaitAppends],
  [1, sync],
  [2, reopen],
];

export const commands: fc.Arbitrary<Command>[] = weights.flatMap(([weight, command]) =>
  Array.from({ length: weight }, () => command),
);
