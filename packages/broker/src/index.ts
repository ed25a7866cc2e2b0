// The broker's door: a log that is open in this process, served to Kafka's clients.
export { type Broker, listen } from "./broker.js";
export type { Address } from "./checked.js";
export type { BrokerListener } from "./listener.js";
export type { ListenerOptions, SaslMechanism, TlsOptions } from "./listener-options.js";
export { type BrokerOptions, brokerDefaults, checkBrokerOptions } from "./options.js";
export { deleteUser, type SetUserOptions, setUser, users } from "./security/index.js";
export { type ConfigChanges, type ConfigEntry, configEntries, parseChanges } from "./topic-configs.js";
