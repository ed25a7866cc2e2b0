// All APIs that are answered. Each handler has a file of its own, or shares one with its kin.
import { ErrorCode } from "@strandlog/protocol";
import type { AnyBody, Handler } from "../context.js";
import { aclHandlers } from "./acls.js";
import { apiVersionsHandler, versionsOf } from "./api-versions.js";
import { describeClusterHandler, describeLogDirsHandler } from "./cluster.js";
import { alterConfigsHandler, describeConfigsHandler, incrementalAlterConfigsHandler } from "./configs.js";
import { fetchHandler } from "./fetch.js";
import { findCoordinatorHandler } from "./find-coordinator.js";
import {
  deleteGroupsHandler,
  describeGroupsHandler,
  listGroupsHandler,
  offsetDeleteHandler,
} from "./group-admin.js";
import { heartbeatHandler, joinGroupHandler, leaveGroupHandler, syncGroupHandler } from "./groups.js";
import { initProducerIdHandler } from "./init-producer-id.js";
import { listOffsetsHandler } from "./list-offsets.js";
import { metadataHandler } from "./metadata.js";
import { offsetForLeaderEpochHandler } from "./offset-for-leader-epoch.js";
import { offsetCommitHandler, offsetFetchHandler } from "./offsets.js";
import { produceHandler } from "./produce.js";
import { saslAuthenticateHandler, saslHandshakeHandler } from "./sasl.js";
import {
  createPartitionsHandler,
  createTopicsHandler,
  deleteRecordsHandler,
  deleteTopicsHandler,
} from "./topics.js";
import {
  addOffsetsToTxnHandler,
  addPartitionsToTxnHandler,
  endTxnHandler,
  txnOffsetCommitHandler,
} from "./transactions.js";
import { alterUserScramCredentialsHandler, describeUserScramCredentialsHandler } from "./users.js";

const answered: readonly Handler[] = [
  produceHandler,
  fetchHandler,
  listOffsetsHandler,
  offsetForLeaderEpochHandler,
  metadataHandler,
  createTopicsHandler,
  deleteTopicsHandler,
  findCoordinatorHandler,
  joinGroupHandler,
  syncGroupHandler,
  heartbeatHandler,
  leaveGroupHandler,
  offsetCommitHandler,
  offsetFetchHandler,
  listGroupsHandler,
  describeGroupsHandler,
  deleteGroupsHandler,
  offsetDeleteHandler,
  initProducerIdHandler,
  addPartitionsToTxnHandler,
  addOffsetsToTxnHandler,
  txnOffsetCommitHandler,
  endTxnHandler,
  createPartitionsHandler,
  deleteRecordsHandler,
  describeConfigsHandler,
  alterConfigsHandler,
  incrementalAlterConfigsHandler,
  describeClusterHandler,
  describeLogDirsHandler,
  ...aclHandlers,
  describeUserScramCredentialsHandler,
  alterUserScramCredentialsHandler,
  saslHandshakeHandler,
  saslAuthenticateHandler,
];

const handlers: ReadonlyMap<number, Handler> = new Map(
  [...answered, apiVersionsHandler(answered)].map((each) => [each.api.key, each]),
);

/** For a client that asks in a version that is yet to come: it learns which there are. */
export function versionsForNewer(): AnyBody {
  return { ...versionsOf(handlers.values(), ErrorCode.UNSUPPORTED_VERSION) };
}

export function handlerOf(apiKey: number): Handler | undefined {
  return handlers.get(apiKey);
}
