// Which topics a request is about, whatever it asks for.
import type { Api } from "@strandlog/protocol";
import type { AnyBody } from "../context.js";
import type { TopicDirectory } from "../topic-directory.js";

type Shape = Api["request"]["shape"];

/** Lists of topics, by name, by id, or with more about each. */
const topicLists: ReadonlySet<string> = new Set(["topics", "topicData", "topicNames"]);
/** Of what has configs, topics have this number. */
const topicResource = 2;

/** Whether requests of this kind can name topics. */
export function namesTopics({ request }: Api): boolean {
  const isIn = ({ fields = [] }: Shape): boolean =>
    fields.some(
      ({ name, shape: { element } }) =>
        element !== undefined && (topicLists.has(name) || name === "resources" || isIn(element)),
    );
  return isIn(request.shape);
}

export async function isAbout(topic: string, body: AnyBody, topics: TopicDirectory): Promise<boolean> {
  const named = topicsNamedIn(body);
  if (named.has(topic)) return true;
  const found = await topics.find(topic);
  return found !== undefined && named.has(found.topicId);
}

/** Names and ids alike: no topic is called as another's id. */
function topicsNamedIn(body: AnyBody): Set<unknown> {
  const named = new Set<unknown>();
  for (const [field, value] of Object.entries(body)) {
    if (!Array.isArray(value)) continue;
    for (const each of value as readonly (AnyBody | string | number)[]) {
      if (typeof each !== "object") {
        if (topicLists.has(field)) named.add(each);
      } else if (topicLists.has(field)) {
        for (const name of [each["name"], each["topic"], each["topicId"]]) named.add(name);
      } else if (field === "resources") {
        if (each["resourceType"] === topicResource) named.add(each["resourceName"]);
      } else for (const name of topicsNamedIn(each)) named.add(name);
    }
  }
  return named;
}
