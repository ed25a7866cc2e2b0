// The row "mutants": bugs planted into the engine, and disks that lie. Each must be noticed.
import type { Row, RowContext, RowResult } from "../row.js";
import type { MutantOutcome } from "./mutants-worker.js";
import { type Case, cases, complaintsWithout, type Finding, isNoticed, search } from "./search.js";

const computeMsMax = { quick: 20_000, full: 120_000 };
const messageCharacters = 90;

export const mutantsRow: Row = {
  name: "mutants",
  points: "planted bugs",
  goal: 20,
  about: "bugs planted into the engine and disks that lie: each must be noticed",
  async run(context) {
    const { mode, seed: from, workers, replay, progress } = context;
    const chosen = chosenCases(replay);
    const findings: Finding[] = [];
    const found = (finding: Finding): void => {
      findings.push(finding);
      const noticed = findings.filter(isNoticed).length;
      progress(`${noticed} of ${findings.length} noticed, ${chosen.length - findings.length} to go`);
    };
    await search(chosen, {
      workers,
      from,
      // A full run proves it anew, with histories that nobody has chosen.
      usesKnownSeeds: mode === "quick",
      computeMsMax: computeMsMax[mode],
      found,
    });
    return resultOf(findings, await complaintsWithout(findings, computeMsMax.full), context);
  },
};

function chosenCases(name: string | undefined): readonly Case[] {
  if (name === undefined) return cases;
  const chosen = cases.filter((one) => one.name === name);
  if (chosen.length === 0) throw new Error(`there is no mutant "${name}"`);
  return chosen;
}

function resultOf(
  findings: readonly Finding[],
  doubts: readonly MutantOutcome[],
  { mode, replay }: RowContext,
): RowResult {
  const missed = findings.filter((one) => !isNoticed(one));
  const violations = missed.map(({ name, broken, histories, crashes }) =>
    broken === undefined
      ? `nothing noticed that ${name}, in ${histories} histories with ${crashes} crashes`
      : `“${name}” could not be tried: ${broken}`,
  );
  for (const { by, message } of doubts)
    violations.push(`${by} complains about the engine as it is, too: ${message}`);
  const table = mode === "full" || replay !== undefined ? findings.filter(isNoticed).map(lineOf) : [];
  return {
    points: findings.length,
    violations,
    remark: [summaryOf(findings, mode), ...table].join("\n      "),
  };
}

function summaryOf(findings: readonly Finding[], mode: RowContext["mode"]): string {
  const noticed = findings.filter(isNoticed);
  const told = noticed.filter(({ scenario }) => scenario !== undefined).length;
  const hardest = noticed.reduce((most, { crashes }) => Math.max(most, crashes), 0);
  const how = `${noticed.length - told} by random histories, ${told} by scenarios`;
  const search = mode === "full" ? `; the hardest after ${hardest} crash points` : "";
  return `${noticed.length} of ${findings.length} noticed: ${how}${search}`;
}

function lineOf({ name, by, histories, message }: Finding): string {
  const text = message.replace(/^seed \d+: /, "").slice(0, messageCharacters);
  return `${name}: ${by}${histories > 1 ? `, the ${histories}th history` : ""}: ${text}`;
}
