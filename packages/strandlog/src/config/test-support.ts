// Keys and certificates as people make them, with openssl.
import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";

export interface Pem {
  readonly directory: string;
  readonly key: string;
  readonly cert: string;
}

/** Undefined, and the test skipped, where there is no openssl. The directory goes when the test is over. */
export function makeCertificate(t: TestContext): Pem | undefined {
  const directory = fs.mkdtempSync(join(tmpdir(), "strandlog-tls-"));
  t.after(() => fs.rmSync(directory, { recursive: true }));
  const [key, cert] = [join(directory, "key.pem"), join(directory, "cert.pem")];
  try {
    const made = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "3650"];
    const named = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"];
    execFileSync("openssl", ["req", "-x509", ...made, ...named, "-keyout", key, "-out", cert], {
      stdio: "pipe",
    });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    t.skip("there is no openssl to make a certificate with");
    return undefined;
  }
  return { directory, key: fs.readFileSync(key, "utf8"), cert: fs.readFileSync(cert, "utf8") };
}
