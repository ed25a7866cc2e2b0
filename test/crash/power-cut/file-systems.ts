// The real file systems on which power cuts are tried, the tools that takes, and how they are made and mounted. All of
// it happens in processes with mounts and process ids of their own, so that nothing is left behind however they end.
import { execFileSync, spawnSync } from "node:child_process";
import { accessSync, closeSync, constants, existsSync, ftruncateSync, mkdirSync, openSync } from "node:fs";
import { delimiter, join } from "node:path";

const mebibyte = 1024 * 1024;

export type FileSystemName = "ext4" | "xfs";

interface Kind {
  readonly bytes: number;
  readonly make: readonly string[];
  /** Besides "loop". */
  readonly mountOptions: readonly string[];
}

export const fileSystems: Readonly<Record<FileSystemName, Kind>> = {
  ext4: {
    bytes: 64 * mebibyte,
    make: ["mkfs.ext4", "-q", "-F", "-b", "4096", "-E", "nodiscard"],
    mountOptions: [],
  },
  // The smallest that there may be. Two images of one disk may be mounted at once.
  xfs: { bytes: 320 * mebibyte, make: ["mkfs.xfs", "-q", "-f", "-K"], mountOptions: ["nouuid"] },
};

/** A command that runs another with mounts and process ids of its own; when it ends, so does all that was started. */
export const apart = {
  command: "unshare",
  args: ["--mount", "--pid", "--fork", "--kill-child", "--mount-proc"],
} as const;

/** Why nothing can be mounted here, or undefined. */
export function whyNoMounts(tools: readonly string[]): string | undefined {
  if (process.platform !== "linux") return "only Linux has what it takes";
  if (process.getuid?.() !== 0) return "only root may mount";
  const missing = ["unshare", "mount", "umount", ...tools].filter((tool) => !isInstalled(tool));
  if (missing.length > 0) return `not installed: ${missing.join(", ")}`;
  if (!existsSync("/dev/loop-control")) return "there are no loop devices";
  const { status, stderr } = spawnSync(apart.command, [...apart.args, "true"], { encoding: "utf8" });
  return status === 0 ? undefined : `no mounts of one's own: ${stderr.trim()}`;
}

export function isInstalled(tool: string): boolean {
  const directories = [...(process.env["PATH"] ?? "").split(delimiter), "/usr/sbin", "/sbin"];
  return directories.some((directory) => {
    try {
      accessSync(join(directory, tool), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** An empty file system in a sparse file. */
export function makeFileSystem(name: FileSystemName, path: string, bytes: number): void {
  const file = openSync(path, "w");
  ftruncateSync(file, bytes);
  closeSync(file);
  const [command, ...args] = fileSystems[name].make;
  execFileSync(command as string, [...args, path], {
    stdio: ["ignore", "ignore", "pipe"],
    env: withAdminTools(),
  });
}

/** Mounts an image; the answer unmounts it, whoever still uses it. */
export function mountImage(name: FileSystemName, image: string, directory: string): () => void {
  mkdirSync(directory, { recursive: true });
  const options = ["loop", ...fileSystems[name].mountOptions].join(",");
  execFileSync("mount", ["-t", name, "-o", options, image, directory], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  return () => {
    const { status } = spawnSync("umount", [directory]);
    if (status !== 0) execFileSync("umount", ["--lazy", directory]);
  };
}

function withAdminTools(): NodeJS.ProcessEnv {
  return { ...process.env, PATH: `${process.env["PATH"] ?? ""}${delimiter}/usr/sbin${delimiter}/sbin` };
}
