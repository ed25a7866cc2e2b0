// Which room may import which: the machine's copy of DESIGN, "The house". Paths are regular expressions.
const src = "^packages/log/src/";
const test = "(\\.test|/test-support)\\.ts$";

/** Files at the root of src that every room may import. */
const base = `${src}(assert|clock|errors|options|shapes|watchers)\\.ts$`;
/** Where one may learn what a storage driver promises, without learning which driver it is. */
const contracts = `${src}storage/contracts\\.ts$`;
/** All that applications call: every other file at the root of src, but for the two that see behind the doors. */
const face = [
  `${src}face/`,
  `${src}(?!(assert|clock|errors|options|shapes|watchers|open|index|format)\\.ts$)[^/]+\\.ts$`,
];

/** Says that files in `from` import, of our own files, nothing but themselves and what `to` lists. */
const room = (name, from, to) => ({
  name,
  comment: `The ${name} may import only itself and the rooms below it.`,
  severity: "error",
  from: { path: from, pathNot: test },
  to: { path: src, pathNot: [from, to].flat() },
});

const below = (...names) => [base, ...names.map((name) => `${src}${name}/`)];

module.exports = {
  forbidden: [
    room("base", base, [`${src}record/`, contracts]),
    room("record room", `${src}record/`, below()),
    room("compaction room", `${src}compaction/`, below("record")),
    room("fs room", `${src}fs/`, below()),
    room("journal room", `${src}journal/`, below("record", "fs")),
    room("segment room", `${src}segment/`, below("record", "fs")),
    room("partition room", `${src}partition/`, [
      contracts,
      ...below("record", "compaction", "fs", "segment"),
    ]),
    room("checkpoint room", `${src}checkpoint/`, [
      contracts,
      ...below("record", "compaction", "fs", "segment", "journal", "partition"),
    ]),
    room("storage contracts", `${src}storage/[^/]+\\.ts$`, [`${src}(errors|options)\\.ts$`, `${src}record/`]),
    room("file storage", `${src}storage/file/`, [
      contracts,
      ...below("record", "compaction", "fs", "journal", "segment", "partition", "checkpoint"),
    ]),
    room("memory storage", `${src}storage/memory/`, [contracts, ...below("record", "compaction")]),
    room("face", face, [
      `${src}(clock|errors|open|options|shapes|watchers)\\.ts$`,
      `${src}record/`,
      contracts,
    ]),
    room("wiring", `${src}(open|index)\\.ts$`, [
      ...face,
      base,
      `${src}(record|fs)/`,
      contracts,
      `${src}storage/(file|memory)/`,
    ]),
    {
      name: "inspect and repair rooms",
      comment: "They may import every room; they have one door, format.ts.",
      severity: "error",
      from: { path: src, pathNot: [`${src}(inspect|repair)/`, `${src}format\\.ts$`] },
      to: { path: `${src}(inspect|repair)/` },
    },
    {
      name: "inspect room",
      severity: "error",
      from: { path: `${src}inspect/` },
      to: { path: `${src}repair/` },
    },
    {
      name: "fuzz room",
      comment: "The fuzz room may import every room and is not published: no room imports it.",
      severity: "error",
      from: { path: src, pathNot: [`${src}fuzz/`, test] },
      to: { path: `${src}fuzz/` },
    },
    {
      name: "only fs touches node:fs",
      comment: "A simulated disk must be able to stand in for the real one everywhere else.",
      severity: "error",
      from: { path: src, pathNot: [`${src}fs/`, test] },
      to: { path: "^(node:)?fs(/promises)?$" },
    },
    {
      name: "packages meet at their doors",
      comment: "Import another package by its name.",
      severity: "error",
      from: { path: "^(?:packages/)?([^/]+)/" },
      to: { path: "^packages/[^/]+/src/", pathNot: "^packages/$1/" },
    },
    {
      name: "log imports no package above it",
      severity: "error",
      from: { path: "^packages/log/" },
      to: { path: "^packages/(?!log/)" },
    },
    {
      name: "protocol imports nothing",
      comment: "It does no I/O and knows neither the log nor the broker.",
      severity: "error",
      from: { path: "^packages/protocol/", pathNot: test },
      to: { pathNot: "^packages/protocol/" },
    },
    {
      name: "broker imports log and protocol",
      severity: "error",
      from: { path: "^packages/broker/", pathNot: test },
      to: { pathNot: ["^packages/(broker|log|protocol)/"], dependencyTypesNot: ["core"] },
    },
    {
      name: "the command's rooms",
      comment: "Configuration and serving do not know the command, nor each other.",
      severity: "error",
      from: { path: "^packages/strandlog/src/(config|serving)/" },
      to: { path: "^packages/strandlog/src/", pathNot: "^packages/strandlog/src/$1/" },
    },
    {
      name: "examples import what people install",
      severity: "error",
      from: { path: "^examples/" },
      to: { pathNot: ["^examples/", "^packages/strandlog/dist/"], dependencyTypesNot: ["core"] },
    },
    { name: "no cycles", severity: "error", from: {}, to: { circular: true } },
    { name: "no missing imports", severity: "error", from: {}, to: { couldNotResolve: true } },
  ],
  options: {
    doNotFollow: { path: ["node_modules", "/dist/"] },
    // The peers of the benchmark have packages of their own, which need not be installed.
    exclude: { path: "^((test|bench|demo|examples)/dist/|bench/peers/)" },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: "tsconfig.base.json" },
    enhancedResolveOptions: { exportsFields: ["exports"], conditionNames: ["types", "import", "default"] },
  },
};
