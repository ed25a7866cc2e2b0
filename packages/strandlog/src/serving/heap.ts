// How far the heap of a broker may grow before all of it is searched for garbage.
import { getHeapStatistics, setFlagsFromString } from "node:v8";

const heapBytesMin = 512 * 1024 * 1024;

/**
 * Up to four times what was left after the last search, V8's own greatest factor, all the time. V8 counts the buffers
 * that requests and records pass through as old memory, and chooses a factor by how fast that grows: of a broker, whose
 * own heap is small, it would search all of it anew for every twenty mebibytes that pass.
 */
export function letHeapGrow(): void {
  // Where there is little, garbage goes as soon as V8 finds it.
  if (getHeapStatistics().heap_size_limit < heapBytesMin) return;
  setFlagsFromString("--heap-growing-percent=300");
}
