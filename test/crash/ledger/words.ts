// What a process tells of its log, one line each: a word, then its arguments, separated by spaces. Intents ("make",
// "submit", "delete", "drop", "group") are told before the call, promises after it has settled.
//
//     opening ROUND                            a life begins; its records carry the round
//     topics NAME…                             what the opened log says it has
//     end TOPIC PARTITION START END            and of each partition
//     loading                                  all ends have been told
//     make TOPIC GENERATION PARTITIONS | made TOPIC
//     drop TOPIC | dropped TOPIC
//     submit TOPIC PARTITION OFFSET | ack TOPIC PARTITION OFFSET LEVEL
//     group TOPIC:PARTITION:OFFSET…            these records are one transaction
//     delete TOPIC PARTITION BEFORE | deleted TOPIC PARTITION BEFORE
//     closed                                   the log was closed without an error
//     refused CODE STEP                        a step ended with an error of the log
//     stuck STEP                               a step waits for what does not come
//     ended                                    the story came to its end
//     fault TEXT                               a promise was broken before the process's eyes
import { writeSync } from "node:fs";

export type Word =
  | "opening"
  | "topics"
  | "end"
  | "loading"
  | "make"
  | "made"
  | "drop"
  | "dropped"
  | "submit"
  | "ack"
  | "group"
  | "delete"
  | "deleted"
  | "closed"
  | "refused"
  | "stuck"
  | "ended"
  | "fault";

export type Tell = (word: Word, ...args: readonly (string | number)[]) => void;

/** The descriptor on which a child tells. */
const tellDescriptor = 3;

/** A line, and how far something else had come by then: a disk that logs what is written to it, for one. */
export interface Told {
  readonly position: number;
  readonly line: string;
}

/** Whatever was told is on its way before the next thing happens, so that a kill cannot swallow it. */
export function tellParent({ position, line }: Told): void {
  const bytes = Buffer.from(`${position} ${line}\n`);
  for (let at = 0; at < bytes.length; ) at += writeSync(tellDescriptor, bytes, at);
}

/** What a child has told, as far as whole lines have come. */
export function toldIn(text: string): Told[] {
  const lines = text.split("\n").slice(0, -1);
  return lines.map((line) => {
    const space = line.indexOf(" ");
    return { position: Number(line.slice(0, space)), line: line.slice(space + 1) };
  });
}

export function lineOf(word: Word, args: readonly (string | number)[]): string {
  return [word, ...args].join(" ").replaceAll("\n", " | ");
}
