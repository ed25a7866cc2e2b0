// A certificate for a broker on this machine, which vouches for itself; openssl makes it.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";

export interface Certificate {
  readonly key: Buffer;
  readonly cert: Buffer;
  /** Where the second is. */
  readonly certFile: string;
}

export function makeCertificate(directory: string): Certificate {
  const [keyFile, certFile] = [join(directory, "key.pem"), join(directory, "cert.pem")];
  const subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"];
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", keyFile];
  execFileSync("openssl", ["req", "-x509", "-days", "1", ...key, "-out", certFile, ...subject], {
    stdio: "pipe",
  });
  return { key: readFileSync(keyFile), cert: readFileSync(certFile), certFile };
}
