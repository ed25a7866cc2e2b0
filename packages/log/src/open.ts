// The one place that knows which driver a location means.
import { type Clock, systemClock } from "./clock.js";
import { LogError } from "./errors.js";
import { Log } from "./face/log.js";
import type { FileSystem } from "./fs/index.js";
import { nodeFileSystem } from "./fs/index.js";
import { type LogSettings, logSettings } from "./options.js";
import type { LogStorage } from "./storage/contracts.js";
import { openFileStorage, type RecoveryProgress } from "./storage/file/open-file-storage.js";
import { ReadOnlyStorage } from "./storage/file/read-only-storage.js";
import { MemoryStorage } from "./storage/memory/memory-storage.js";

export interface LogOptions extends Partial<LogSettings> {
  /** Told how far recovery has come when the journal is replayed. */
  readonly onRecovery?: (progress: RecoveryProgress) => void;
  /** Another disk than the real one, for tests. */
  readonly fileSystem?: FileSystem;
  /** Another clock, timers and randomness, for tests. */
  readonly clock?: Clock;
}

/**
 * Opens a log, and makes it if there is none.
 *
 * @param location A directory, "memory:" for a log that ends with the process, or a storage driver.
 * @throws LogError LOCKED, FOREIGN_DIRECTORY, CORRUPT_CHECKPOINT, CORRUPT_JOURNAL, UNSUPPORTED_VERSION,
 *   INVALID_ARGUMENT, IO, DISK_FULL.
 */
export async function openLog(location: string | LogStorage, options: LogOptions = {}): Promise<Log> {
  const { onRecovery, fileSystem = nodeFileSystem, clock = systemClock, ...given } = options;
  const settings = logSettings(given);
  const storage = await openStorage(location, settings, fileSystem, clock, onRecovery);
  const log = new Log(storage, clock, settings);
  log.start();
  return log;
}

async function openStorage(
  location: string | LogStorage,
  settings: LogSettings,
  fs: FileSystem,
  clock: Clock,
  onRecovery: LogOptions["onRecovery"],
): Promise<LogStorage> {
  if (typeof location !== "string") return location;
  if (location === "memory:") return new MemoryStorage();
  if (location === "" || location.includes("\0")) {
    throw new LogError("INVALID_ARGUMENT", `${JSON.stringify(location)} is not a directory`);
  }
  const directory = location.replace(/(?<=.)[/\\]+$/, "");
  if (settings.readOnly) return ReadOnlyStorage.open(fs, clock, directory, settings);
  return openFileStorage({ fs, clock, directory, settings, onRecovery });
}
