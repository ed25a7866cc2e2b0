// Topics by name and by id, without asking the metadata store each time. A topic that was deleted, by whomever, is
// noticed and looked up anew.
import { type Log, LogError, type Topic, type TopicConfig } from "@strandlog/log";

export class TopicDirectory {
  readonly #log: Log;
  readonly #byName = new Map<string, Topic>();
  readonly #byId = new Map<string, Topic>();
  #search: Promise<unknown> | undefined;

  constructor(log: Log) {
    this.#log = log;
  }

  /** Undefined if there is no such topic, or there cannot be one of that name. */
  async find(name: string): Promise<Topic | undefined> {
    return this.known(name) ?? this.#lookUp(name);
  }

  /** The topic, if it has been found before. */
  known(name: string): Topic | undefined {
    return this.#unlessDeleted(this.#byName.get(name));
  }

  async findById(topicId: string): Promise<Topic | undefined> {
    const known = this.#unlessDeleted(this.#byId.get(topicId));
    if (known !== undefined) return known;
    // One search for all that are asked for at once: a request may hold very many ids that nobody knows.
    this.#search ??= Promise.resolve().then(() => {
      this.#search = undefined;
      return this.all();
    });
    await this.#search;
    return this.#unlessDeleted(this.#byId.get(topicId));
  }

  async all(): Promise<Topic[]> {
    const found = await Promise.all((await this.#log.topics()).map((name) => this.find(name)));
    return found.filter((topic) => topic !== undefined);
  }

  /** @throws LogError TOPIC_EXISTS, INVALID_TOPIC, INVALID_ARGUMENT */
  async create(name: string, config: Partial<TopicConfig>): Promise<Topic> {
    return this.#remember(await this.#log.createTopic(name, config));
  }

  async #lookUp(name: string): Promise<Topic | undefined> {
    try {
      return this.#remember(await this.#log.existingTopic(name));
    } catch (error) {
      if (error instanceof LogError && ["TOPIC_NOT_FOUND", "INVALID_TOPIC"].includes(error.code))
        return undefined;
      throw error;
    }
  }

  #remember(topic: Topic): Topic {
    this.#byName.set(topic.name, topic);
    this.#byId.set(topic.topicId, topic);
    return topic;
  }

  #unlessDeleted(topic: Topic | undefined): Topic | undefined {
    if (topic?.isDeleted !== true) return topic;
    this.#byId.delete(topic.topicId);
    if (this.#byName.get(topic.name) === topic) this.#byName.delete(topic.name);
    return undefined;
  }
}
