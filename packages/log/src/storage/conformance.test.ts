import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { systemClock } from "../clock.js";
import { nodeFileSystem } from "../fs/index.js";
import { logSettings } from "../options.js";
import { storageConformance } from "./conformance.js";
import { openFileStorage } from "./file/open-file-storage.js";
import { ReadOnlyStorage } from "./file/read-only-storage.js";
import { MemoryStorage } from "./memory/memory-storage.js";

const parent = mkdtempSync(join(tmpdir(), "strandlog-conformance-"));
after(() => rmSync(parent, { recursive: true, force: true }));
let count = 0;

const everything = { atomicGroups: true, singleWriter: true, readOnly: false };

storageConformance({
  name: "file",
  manifest: { ...everything, persistent: true },
  open: async () => {
    const directory = join(parent, `${count++}`);
    const settings = logSettings({});
    const reopen = () => openFileStorage({ fs: nodeFileSystem, clock: systemClock, directory, settings });
    const openReadOnly = () => ReadOnlyStorage.open(nodeFileSystem, systemClock, directory, settings);
    return { storage: await reopen(), reopen, openReadOnly };
  },
  test,
  timeoutMs: 60_000,
});

storageConformance({
  name: "memory",
  manifest: { ...everything, persistent: false },
  open: async () => ({ storage: new MemoryStorage() }),
  test,
  timeoutMs: 60_000,
});
