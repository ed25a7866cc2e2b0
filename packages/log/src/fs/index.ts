// The disk: a contract, the real one, and the lock that keeps a second writer out.
export { type DirectoryLock, type File, type FileSystem, replaceFile } from "./file-system.js";
export { nodeFileSystem } from "./node-file-system.js";
export { pacedBytes, writePaced } from "./paced-write.js";
