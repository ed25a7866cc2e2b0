// What one client asks for very many times is done in turns, so that others get theirs.
export { setImmediate as othersTurn } from "node:timers/promises";
