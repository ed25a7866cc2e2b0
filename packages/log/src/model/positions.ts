import type { Position } from "../face/reading.js";
import type { ModelPartition, ModelPosition } from "./model.js";

/** Offsets come as any number; what is used lies within the partition or a little beyond its end. */
export function inReach<T extends ModelPosition>(position: T, { end }: ModelPartition): T | number {
  return typeof position === "number" ? position % (end + 3) : position;
}

export function realPosition(position: ModelPosition): Position {
  return typeof position === "object" ? new Date(position.time) : position;
}
