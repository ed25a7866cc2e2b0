// Compares the public API with its reports in docs/api. With --update, writes the reports instead.
import { resolve } from "node:path";
import { Extractor, ExtractorConfig } from "@microsoft/api-extractor";

const doors = [
  { report: "log", folder: "packages/log", types: "index.d.ts" },
  { report: "log-storage", folder: "packages/log", types: "storage/index.d.ts" },
  { report: "log-format", folder: "packages/log", types: "format.d.ts" },
  { report: "log-testing", folder: "packages/log", types: "testing/index.d.ts" },
  { report: "broker", folder: "packages/broker", types: "index.d.ts" },
  { report: "broker-testing", folder: "packages/broker", types: "testing/index.d.ts" },
  { report: "strandlog", folder: "packages/strandlog", types: "index.d.ts" },
  { report: "strandlog-broker", folder: "packages/strandlog", types: "broker.d.ts" },
  { report: "strandlog-testing", folder: "packages/strandlog", types: "testing.d.ts" },
];
const update = process.argv.includes("--update");

/** True when the report of a door is as it was. */
function isUnchanged({ report, folder, types }) {
  const projectFolder = resolve(folder);
  const config = ExtractorConfig.prepare({
    configObjectFullPath: undefined,
    packageJsonFullPath: resolve(folder, "package.json"),
    configObject: {
      projectFolder,
      mainEntryPointFilePath: resolve(folder, "dist", types),
      compiler: { tsconfigFilePath: resolve(folder, "tsconfig.json") },
      apiReport: {
        enabled: true,
        reportFileName: `${report}.api.md`,
        reportFolder: resolve("docs/api"),
        reportTempFolder: resolve(folder, "dist"),
      },
      docModel: { enabled: false },
      dtsRollup: { enabled: false },
      tsdocMetadata: { enabled: false },
      newlineKind: "lf",
      messages: {
        compilerMessageReporting: { default: { logLevel: "error" } },
        // What is wrong with the API is written into the report, to be seen in reviews.
        extractorMessageReporting: {
          default: { logLevel: "warning", addToApiReportFile: true },
          "ae-missing-release-tag": { logLevel: "none" },
          "ae-undocumented": { logLevel: "none" }, // marked in the report anyhow; this would add line numbers
        },
        tsdocMessageReporting: { default: { logLevel: "warning", addToApiReportFile: true } },
      },
    },
  });
  const { succeeded, apiReportChanged } = Extractor.invoke(config, {
    localBuild: update,
    printApiReportDiff: !update,
  });
  return succeeded && (update || !apiReportChanged);
}

const changed = doors.filter((door) => !isUnchanged(door));
if (changed.length > 0) {
  console.error(
    `The API differs from docs/api (${changed.map(({ report }) => report).join(", ")}): run npm run api`,
  );
  process.exitCode = 1;
}
