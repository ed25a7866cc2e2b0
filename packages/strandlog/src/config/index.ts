// What `strandlog serve` is told, by a file in the syntax of Kafka's server.properties, by the environment and by its own
// options, the last of which counts most. Called by the command; knows the options of log and broker, opens neither.
export { type Configuration, configurationOf, type Effective } from "./configuration.js";
export { type Given, givenByOverride, givenInEnvironment, givenInFile } from "./sources.js";
