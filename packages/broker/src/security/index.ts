// Who clients are: users and their passwords, and how a connection says whose it is.
export { Authentication } from "./authentication.js";
export { Authenticator } from "./authenticator.js";
export {
  credentialOfSalted,
  iterationsMax,
  iterationsMin,
  keyBytesOf,
  type ScramMechanism,
} from "./scram.js";
export { saltBytesMax, saltBytesMin, type UserCredentials } from "./user-entry.js";
export {
  changeUser,
  credentialsOf,
  deleteUser,
  isUserName,
  type SetUserOptions,
  setUser,
  users,
} from "./users.js";
