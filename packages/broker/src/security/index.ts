// Who clients are: users and their passwords, and how a connection says whose it is.
export { Authentication } from "./authentication.js";
export { Authenticator } from "./authenticator.js";
export { deleteUser, type SetUserOptions, setUser, users } from "./users.js";
