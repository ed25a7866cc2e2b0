// Configurations of topics, and of the broker, by Kafka's names.
import { type Topic, topicConfig } from "@strandlog/log";
import { apis, ErrorCode, type RequestOf, type ResponseOf } from "@strandlog/protocol";
import { type BrokerContext, type Handler, handler } from "../context.js";
import { configRefusalOf, type Refusal } from "../error-codes.js";
import {
  allDefaults,
  type ConfigChanges,
  type ConfigEntry,
  configEntries,
  configSources,
  parseChanges,
} from "../topic-configs.js";

type Described = ResponseOf<typeof apis.describeConfigs>["results"][number];
type DescribedEntry = Described["configs"][number];
type Incremental = RequestOf<typeof apis.incrementalAlterConfigs>["resources"][number]["configs"];

/** Kafka's numbers. */
const resourceTypes = { topic: 2, broker: 4 } as const;
const operations = { set: 0, delete: 1 } as const;

interface Resource {
  readonly resourceType: number;
  readonly resourceName: string;
}

export const describeConfigsHandler: Handler = handler(
  apis.describeConfigs,
  async ({ body }, _session, broker) => {
    const results = body.resources.map(async ({ configurationKeys, resourceType, resourceName }) => {
      const resource = { resourceType, resourceName };
      try {
        const entries = await entriesOf(resource, broker);
        if (!Array.isArray(entries)) return { ...resource, ...(entries as Refusal), configs: [] };
        const asked = entries.filter(({ name }) => configurationKeys?.includes(name) ?? true);
        const configs = body.includeDocumentation
          ? asked
          : asked.map((entry): DescribedEntry => ({ ...entry, documentation: null }));
        return { ...resource, errorCode: ErrorCode.NONE, configs };
      } catch (error) {
        return { ...resource, ...configRefusalOf(error), configs: [] };
      }
    });
    return { results: await Promise.all(results) };
  },
);

async function entriesOf(resource: Resource, broker: BrokerContext): Promise<DescribedEntry[] | Refusal> {
  if (resource.resourceType === resourceTypes.broker) return brokerEntries(resource.resourceName, broker);
  const topic = await topicOf(resource, broker);
  return isRefusal(topic) ? topic : configEntries(topic.config, broker.settings.topicDefaults).map(described);
}

function described(entry: ConfigEntry): DescribedEntry {
  const { name, value, isReadOnly, setBy, type, documentation } = entry;
  return {
    name,
    value,
    readOnly: isReadOnly,
    configSource: configSources[setBy],
    isSensitive: false,
    synonyms: [],
    configType: type,
    documentation,
  };
}

/** What the broker was started with. */
function brokerEntries(name: string, { settings }: BrokerContext): DescribedEntry[] | Refusal {
  const { nodeId, autoCreateTopics, numPartitions } = settings;
  if (name !== "" && name !== String(nodeId)) {
    return { errorCode: ErrorCode.INVALID_REQUEST, errorMessage: `there is no broker ${name}` };
  }
  const entry = (key: string, value: unknown, type: number): DescribedEntry =>
    described({
      name: key,
      value: String(value),
      isReadOnly: true,
      setBy: "broker",
      type,
      documentation: "",
    });
  return [
    entry("auto.create.topics.enable", autoCreateTopics, 1),
    entry("broker.id", nodeId, 3),
    entry("default.replication.factor", 1, 3),
    entry("num.partitions", numPartitions, 3),
  ];
}

/** What is not named goes back to its default. */
export const alterConfigsHandler: Handler = handler(apis.alterConfigs, async ({ body }, _session, broker) => {
  const responses = body.resources.map((resource) => {
    const changes = allDefaults();
    for (const { name, value } of resource.configs) changes.set(name, value);
    return alter(resource, changes, body.validateOnly, broker);
  });
  return { responses: await Promise.all(responses) };
});

export const incrementalAlterConfigsHandler: Handler = handler(
  apis.incrementalAlterConfigs,
  async ({ body }, _session, broker) => {
    const responses = body.resources.map((resource) => {
      const changes = changesOf(resource.configs);
      if (changes !== undefined) return alter(resource, changes, body.validateOnly, broker);
      const errorMessage = "configs can be set and deleted; there are no lists to append to or subtract from";
      return { ...nameOf(resource), errorCode: ErrorCode.INVALID_REQUEST, errorMessage };
    });
    return { responses: await Promise.all(responses) };
  },
);

function changesOf(configs: Incremental): ConfigChanges | undefined {
  const changes = new Map<string, string | null>();
  for (const { name, configOperation, value } of configs) {
    if (configOperation === operations.set) changes.set(name, value);
    else if (configOperation === operations.delete) changes.set(name, null);
    else return undefined;
  }
  return changes;
}

async function alter(
  resource: Resource,
  changes: ConfigChanges,
  validateOnly: boolean,
  broker: BrokerContext,
) {
  try {
    const topic = await topicOf(resource, broker);
    if (isRefusal(topic)) return { ...nameOf(resource), ...topic };
    const parsed = parseChanges(changes, broker.settings.topicDefaults);
    if (validateOnly) topicConfig(parsed, topic.config);
    else await topic.alter(parsed);
    return { ...nameOf(resource), errorCode: ErrorCode.NONE };
  } catch (error) {
    return { ...nameOf(resource), ...configRefusalOf(error) };
  }
}

function nameOf({ resourceType, resourceName }: Resource): Resource {
  return { resourceType, resourceName };
}

async function topicOf(
  { resourceType, resourceName }: Resource,
  { topics }: BrokerContext,
): Promise<Topic | Refusal> {
  if (resourceType !== resourceTypes.topic) {
    const errorMessage = "only topics have configs that can be changed";
    return { errorCode: ErrorCode.INVALID_REQUEST, errorMessage };
  }
  const topic = await topics.find(resourceName);
  if (topic !== undefined) return topic;
  return {
    errorCode: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
    errorMessage: `there is no topic "${resourceName}"`,
  };
}

function isRefusal(value: Topic | Refusal): value is Refusal {
  return "errorCode" in value;
}
