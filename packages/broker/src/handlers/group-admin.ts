// Groups as administrators see them: those with members, and those that have only committed.
import { LogError } from "@strandlog/log";
import { apis, ErrorCode, type ResponseOf } from "@strandlog/protocol";
import { type BrokerContext, type Handler, handler } from "../context.js";
import type { ConsumerGroup } from "../coordinator/consumer-group.js";
import { subscribedTopics } from "../coordinator/subscription.js";
import { refusalOf } from "../error-codes.js";

/** Of groups of which only their offsets are left: nothing else commits any. */
const consumerType = "consumer";

type Described = ResponseOf<typeof apis.describeGroups>["groups"][number];

export const listGroupsHandler: Handler = handler(
  apis.listGroups,
  async ({ body }, _session, { log, groups }) => {
    const { statesFilter, typesFilter } = body;
    const names = new Set([...groups.all.map(({ id }) => id), ...(await log.groups())]);
    const listed = [...names].map((groupId) => {
      const group = groups.find(groupId);
      return {
        groupId,
        protocolType: group?.protocolType ?? consumerType,
        groupState: stateOf(group),
        groupType: "classic",
      };
    });
    const isAsked = (asked: readonly string[], value: string): boolean =>
      asked.length === 0 || asked.some((each) => each.toLowerCase() === value.toLowerCase());
    const found = listed.filter(
      ({ groupState, groupType }) => isAsked(statesFilter, groupState) && isAsked(typesFilter, groupType),
    );
    return { errorCode: ErrorCode.NONE, groups: found };
  },
);

export const describeGroupsHandler: Handler = handler(
  apis.describeGroups,
  async ({ body }, _session, broker) => {
    const committed = new Set(await broker.log.groups());
    return { groups: body.groups.map((groupId) => describe(groupId, broker, committed.has(groupId))) };
  },
);

function describe(groupId: string, { groups }: BrokerContext, hasCommitted: boolean): Described {
  const group = groups.find(groupId);
  if (groupId === "") return unknown(groupId, ErrorCode.INVALID_GROUP_ID, "");
  if (group === undefined) return unknown(groupId, ErrorCode.NONE, hasCommitted ? "Empty" : "Dead");
  return {
    errorCode: ErrorCode.NONE,
    groupId,
    groupState: group.state,
    protocolType: group.protocolType,
    protocolData: group.state === "Stable" ? group.protocol : "",
    members: group.members.map(({ id, about, assignment }) => ({
      memberId: id,
      groupInstanceId: about.instanceId,
      clientId: about.clientId,
      clientHost: about.clientHost,
      memberMetadata: group.subscriptionOf(id),
      memberAssignment: assignment,
    })),
  };
}

function unknown(groupId: string, errorCode: number, groupState: string): Described {
  const protocolType = groupState === "Empty" ? consumerType : "";
  return { errorCode, groupId, groupState, protocolType, protocolData: "", members: [] };
}

function stateOf(group: ConsumerGroup | undefined): string {
  return group?.state ?? "Empty";
}

/** The library's own consumers are members, too. */
function isInUse(error: unknown): boolean {
  return error instanceof LogError && error.code === "INVALID_ARGUMENT";
}

export const deleteGroupsHandler: Handler = handler(apis.deleteGroups, async ({ body }, _session, broker) => {
  const committed = new Set(await broker.log.groups());
  const results = body.groupsNames.map(async (groupId) => ({
    groupId,
    errorCode: await remove(groupId, broker, committed),
  }));
  return { results: await Promise.all(results) };
});

async function remove(
  groupId: string,
  { groups, topics }: BrokerContext,
  committed: ReadonlySet<string>,
): Promise<number> {
  if (stateOf(groups.find(groupId)) !== "Empty") return ErrorCode.NON_EMPTY_GROUP;
  if (!committed.has(groupId)) return ErrorCode.GROUP_ID_NOT_FOUND;
  try {
    for (const topic of await topics.all()) await topic.deleteGroup(groupId);
    return ErrorCode.NONE;
  } catch (error) {
    return isInUse(error) ? ErrorCode.NON_EMPTY_GROUP : refusalOf(error).errorCode;
  }
}

export const offsetDeleteHandler: Handler = handler(apis.offsetDelete, async ({ body }, _session, broker) => {
  const { groupId } = body;
  const group = broker.groups.find(groupId);
  const hasMembers = group !== undefined && stateOf(group) !== "Empty";
  if (!hasMembers && !(await broker.log.groups()).includes(groupId)) {
    return { errorCode: ErrorCode.GROUP_ID_NOT_FOUND, topics: [] };
  }
  // Of members of other kinds nobody knows what they are about.
  if (hasMembers && group.protocolType !== consumerType) {
    return { errorCode: ErrorCode.NON_EMPTY_GROUP, topics: [] };
  }
  const wanted = hasMembers ? wantedBy(group) : new Set<string>();
  const topics = body.topics.map(async ({ name, partitions }) => {
    const answered = partitions.map(async ({ partitionIndex }) => {
      const errorCode =
        wanted?.has(name) !== false
          ? ErrorCode.GROUP_SUBSCRIBED_TO_TOPIC
          : await forget(groupId, name, partitionIndex, broker);
      return { partitionIndex, errorCode };
    });
    return { name, partitions: await Promise.all(answered) };
  });
  return { errorCode: ErrorCode.NONE, topics: await Promise.all(topics) };
});

/** The topics that members subscribe to; undefined if that cannot be told of one of them. */
function wantedBy({ members }: ConsumerGroup): ReadonlySet<string> | undefined {
  const wanted = new Set<string>();
  for (const { about } of members) {
    for (const { metadata } of about.protocols) {
      const topics = subscribedTopics(metadata);
      if (topics === undefined) return undefined;
      for (const topic of topics) wanted.add(topic);
    }
  }
  return wanted;
}

async function forget(
  groupId: string,
  name: string,
  partition: number,
  { topics }: BrokerContext,
): Promise<number> {
  const topic = await topics.find(name);
  if (topic === undefined) return ErrorCode.UNKNOWN_TOPIC_OR_PARTITION;
  try {
    await topic.commit(groupId, new Map([[partition, undefined]]));
    return ErrorCode.NONE;
  } catch (error) {
    return refusalOf(error).errorCode;
  }
}
