// The module loader's part of planting: alters one file's code on its way from the disk into the process.
import type { InitializeHook, LoadHook } from "node:module";
import { type Mutant, plant } from "./mutant.js";

export interface Planting {
  readonly mutant: Mutant;
  /** Of the file that it alters. */
  readonly url: string;
}

let planting: Planting;

export const initialize: InitializeHook<Planting> = (data) => {
  planting = data;
};

export const load: LoadHook = async (url, context, nextLoad) => {
  const loaded = await nextLoad(url, context);
  if (url !== planting.url) return loaded;
  const source = Buffer.from(loaded.source as Uint8Array).toString("utf8");
  return { ...loaded, source: plant(planting.mutant, source) };
};
