// Standard output: bytes in large writes that respect the reader's pace, and tables for people or for programs.
import { styleText } from "node:util";
import { BrokenPipeError } from "./exit.js";

const bufferBytes = 256 * 1024;

/** Collects what is written and hands it on in large pieces. Ends with BrokenPipeError when the reader has gone. */
export class Output {
  #buffer: Buffer = Buffer.allocUnsafeSlow(bufferBytes);
  #length = 0;
  #full: Buffer[] = [];
  #failure: unknown;

  constructor() {
    process.stdout.on("error", (error: NodeJS.ErrnoException) => {
      this.#failure = error.code === "EPIPE" ? new BrokenPipeError() : error;
    });
  }

  /** Whether it is time to flush. */
  get isFull(): boolean {
    return this.#full.length > 0;
  }

  /** Copies the bytes. */
  bytes(bytes: Uint8Array): void {
    if (this.#length + bytes.length > this.#buffer.length) this.#next(bytes.length);
    this.#buffer.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  byte(byte: number): void {
    if (this.#length === this.#buffer.length) this.#next(1);
    this.#buffer[this.#length++] = byte;
  }

  text(text: string): void {
    this.bytes(Buffer.from(text));
  }

  async flush(): Promise<void> {
    if (this.#length > 0) this.#next(0);
    const pieces = this.#full;
    this.#full = [];
    for (const piece of pieces) await this.#write(piece);
  }

  #next(bytes: number): void {
    if (this.#length > 0) this.#full.push(this.#buffer.subarray(0, this.#length));
    this.#buffer = Buffer.allocUnsafeSlow(Math.max(bufferBytes, bytes));
    this.#length = 0;
  }

  #write(piece: Buffer): Promise<void> {
    return new Promise((resolve, reject) => {
      process.stdout.write(piece, (error) => {
        const failure = this.#failure ?? error;
        if (failure === undefined || failure === null) resolve();
        else if ((failure as NodeJS.ErrnoException).code === "EPIPE") reject(new BrokenPipeError());
        else reject(failure);
      });
    });
  }
}

/** Columns with a heading on a terminal, values between tabs in a pipe. Numbers stand to the right. */
export function table(headings: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  const lines = rows.map((row) => row.map((cell) => (typeof cell === "number" ? cell.toString() : cell)));
  if (!process.stdout.isTTY) return lines.map((line) => `${line.join("\t")}\n`).join("");
  const widths = headings.map((heading, column) =>
    Math.max(heading.length, ...lines.map((line) => line[column]?.length ?? 0)),
  );
  const aligned = (cells: readonly string[]): string =>
    cells
      .map((cell, column) => {
        const isNumber = typeof rows[0]?.[column] === "number";
        return isNumber ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0);
      })
      .join("  ")
      .trimEnd();
  return [styleText("bold", aligned(headings)), ...lines.map(aligned)].map((line) => `${line}\n`).join("");
}

/** Emphasis where it can be seen. */
export function styled(style: "bold" | "red" | "green" | "dim", text: string): string {
  return process.stdout.isTTY ? styleText(style, text) : text;
}
