// Clients say under which leader epoch they believe the broker to be. It rises with each start of it.
import { ErrorCode } from "@strandlog/protocol";

/** Why a client of that epoch is not to be served, if so; a negative epoch means that it does not know. */
export function epochRefusal(clients: number, current: number): number {
  if (clients < 0 || clients === current) return ErrorCode.NONE;
  return clients < current ? ErrorCode.FENCED_LEADER_EPOCH : ErrorCode.UNKNOWN_LEADER_EPOCH;
}
