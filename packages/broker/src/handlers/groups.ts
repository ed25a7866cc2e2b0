// Membership of consumer groups: join, sync, heartbeat, leave.
import { apis, ErrorCode, type RequestOf, type ResponseOf } from "@strandlog/protocol";
import {
  type Answer,
  type BrokerContext,
  type Handler,
  handler,
  type Session,
  underway,
} from "../context.js";
import type { Identity } from "../coordinator/consumer-group.js";
import { type Joining, type JoinResult, noAssignment, protocolBytes } from "../coordinator/member.js";
import {
  isGroupId,
  memberBytesMax,
  memberProtocolsMax,
  sessionTimeoutMsMax,
  sessionTimeoutMsMin,
} from "../limits.js";

type JoinBody = RequestOf<typeof apis.joinGroup>;
type JoinResponse = ResponseOf<typeof apis.joinGroup>;
type SyncResponse = ResponseOf<typeof apis.syncGroup>;

export const joinGroupHandler: Handler = handler(
  apis.joinGroup,
  ({ apiVersion, clientId, body }, session, broker): Answer<JoinResponse> => {
    const refusal = joinRefusal(body, broker);
    if (refusal !== undefined)
      return joinResponse({ errorCode: refusal, memberId: body.memberId }, apiVersion);
    const about = joiningOf(body, clientId ?? "", session, apiVersion);
    const joined = join(body, about, apiVersion >= 4, broker);
    return underway(joined.then((result) => joinResponse(result, apiVersion)));
  },
);

async function join(
  { groupId, memberId }: JoinBody,
  about: Joining,
  mustKnowId: boolean,
  { groups }: BrokerContext,
): Promise<JoinResult> {
  if (groups.isClosed) return { errorCode: ErrorCode.NOT_COORDINATOR, memberId };
  // Who brings an id that nobody has given out would be a ghost of another broker.
  const group = memberId === "" ? groups.open(groupId) : groups.find(groupId);
  if (group === undefined) {
    const isExcess = memberId === "";
    return { errorCode: isExcess ? ErrorCode.GROUP_MAX_SIZE_REACHED : ErrorCode.UNKNOWN_MEMBER_ID, memberId };
  }
  const result = group.join(memberId, about, mustKnowId);
  groups.dropIdle(group);
  return result;
}

function joinRefusal(
  { groupId, sessionTimeoutMs, protocols }: JoinBody,
  { groups }: BrokerContext,
): number | undefined {
  if (!isGroupId(groupId)) return ErrorCode.INVALID_GROUP_ID;
  const isFit = sessionTimeoutMs >= sessionTimeoutMsMin && sessionTimeoutMs <= sessionTimeoutMsMax;
  if (!isFit) return ErrorCode.INVALID_SESSION_TIMEOUT;
  const bytes = protocolBytes(protocols);
  if (protocols.length > memberProtocolsMax || bytes > memberBytesMax) return ErrorCode.INVALID_REQUEST;
  return groups.hasRoom(bytes) ? undefined : ErrorCode.GROUP_MAX_SIZE_REACHED;
}

function joiningOf(body: JoinBody, clientId: string, { clientHost }: Session, apiVersion: number): Joining {
  const { groupInstanceId, sessionTimeoutMs, rebalanceTimeoutMs, protocolType, protocols } = body;
  return {
    instanceId: groupInstanceId,
    clientId,
    clientHost: `/${clientHost}`,
    sessionTimeoutMs,
    rebalanceTimeoutMs: apiVersion === 0 || rebalanceTimeoutMs < 0 ? sessionTimeoutMs : rebalanceTimeoutMs,
    protocolType,
    // They outlive the frame that they are views of.
    protocols: protocols.map(({ name, metadata }) => ({ name, metadata: Buffer.from(metadata) })),
  };
}

/** Before version 7 a missing name is written as an empty one. */
function joinResponse(result: JoinResult, apiVersion: number): JoinResponse {
  const { protocolName, leader, members } = result;
  return {
    ...result,
    protocolName: protocolName ?? (apiVersion >= 7 ? null : ""),
    leader: leader ?? "",
    members: members ?? [],
  };
}

export const syncGroupHandler: Handler = handler(
  apis.syncGroup,
  ({ body }, _session, { groups }): Answer<SyncResponse> => {
    const group = groups.find(body.groupId);
    if (group === undefined) return { errorCode: ErrorCode.UNKNOWN_MEMBER_ID, assignment: noAssignment };
    const { generationId, protocolType, protocolName } = body;
    const bytes = body.assignments.reduce((sum, { assignment }) => sum + assignment.length, 0);
    if (!groups.hasRoom(bytes))
      return { errorCode: ErrorCode.GROUP_MAX_SIZE_REACHED, assignment: noAssignment };
    const assignments = new Map(
      body.assignments.map(({ memberId, assignment }) => [memberId, Buffer.from(assignment)]),
    );
    const synced = group.sync(
      identityOf(body),
      generationId,
      { type: protocolType, name: protocolName },
      assignments,
    );
    return underway(synced.then((result) => ({ ...result })));
  },
);

export const heartbeatHandler: Handler = handler(apis.heartbeat, ({ body }, _session, { groups }) => {
  const errorCode = groups.find(body.groupId)?.heartbeat(identityOf(body), body.generationId);
  return { errorCode: errorCode ?? ErrorCode.UNKNOWN_MEMBER_ID };
});

export const leaveGroupHandler: Handler = handler(
  apis.leaveGroup,
  ({ apiVersion, body }, _session, { groups }) => {
    const group = groups.find(body.groupId);
    const leave = (identity: Identity): number => group?.leave(identity) ?? ErrorCode.UNKNOWN_MEMBER_ID;
    if (apiVersion < 3)
      return { errorCode: leave({ memberId: body.memberId, instanceId: null }), members: [] };
    const members = body.members.map(({ memberId, groupInstanceId }) => ({
      memberId,
      groupInstanceId,
      errorCode: leave({ memberId, instanceId: groupInstanceId }),
    }));
    return { errorCode: ErrorCode.NONE, members };
  },
);

function identityOf(body: { readonly memberId: string; readonly groupInstanceId: string | null }): Identity {
  return { memberId: body.memberId, instanceId: body.groupInstanceId };
}
