// Given to a process by --import plant.js?NAME: plants that mutant into the engine before anything of it is loaded.
import { register } from "node:module";
import { urlOf } from "./mutant.js";
import { mutantOf } from "./mutants.js";
import type { Planting } from "./plant-hook.js";

const mutant = mutantOf(decodeURIComponent(new URL(import.meta.url).search.slice(1)));
const data: Planting = { mutant, url: urlOf(mutant.file) };
register("./plant-hook.js", import.meta.url, { data });
