import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createRequire } from "node:module";
import { type TestContext, test } from "node:test";
import { compressionsAlgorithms } from "@platformatic/kafka";
import fc from "fast-check";
import { LogError } from "../errors.js";
import {
  type Compression,
  compress,
  compressionFromId,
  compressionId,
  compressionIds,
  decompress,
  requireCompression,
} from "./compression.js";
import { type Lz4Package, lz4Codec } from "./compression-lz4.js";
import { type SnappyPackage, snappyCodec } from "./compression-snappy.js";
import { type ZstdPackage, zstdPackageCodec } from "./compression-zstd.js";

const require = createRequire(import.meta.url);
const all: Compression[] = ["none", "gzip", "snappy", "lz4", "zstd"];
const codecs: Compression[] = ["gzip", "snappy", "lz4", "zstd"];
const MiB = 1024 * 1024;

const sentence = "Kafka wrote this. ";
const text = Buffer.from(sentence.repeat(20));

test("compressions have Kafka's ids, both ways", () => {
  assert.deepEqual(compressionIds, { none: 0, gzip: 1, snappy: 2, lz4: 3, zstd: 4 });
  for (const compression of all) assert.equal(compressionFromId(compressionId(compression)), compression);
});

test("an id that Kafka does not know is corruption", () => {
  for (const id of [5, 6, 7, -1]) assert.throws(() => compressionFromId(id), corruptBatch);
});

for (const compression of all) {
  test(`${compression} gives back what went in`, () => {
    const inside = noise(3000).subarray(1000, 2000);
    for (const bytes of [
      new Uint8Array(0),
      new Uint8Array([7]),
      text,
      inside,
      noise(MiB),
      new Uint8Array(MiB),
    ]) {
      const packed = compress(compression, bytes);
      assert.ok(Buffer.from(bytes).equals(decompress(compression, packed, bytes.length)));
    }
  });

  test(`${compression} refuses one byte more than it is allowed`, () => {
    for (const bytes of [new Uint8Array([7]), text, noise(300_000), new Uint8Array(300_000)]) {
      const packed = compress(compression, bytes);
      assert.throws(() => decompress(compression, packed, bytes.length - 1), corruptBatch);
    }
  });

  test(`${compression} gives back any bytes`, (t) => {
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 2000 }),
      fc.tuple(fc.uint8Array({ maxLength: 50 }), fc.nat(5000)).map(([part, count]) => repeat(part, count)),
    );
    const property = fc.property(bytes, (input) => {
      const output = decompress(compression, compress(compression, input), input.length);
      assert.ok(Buffer.from(input).equals(output));
    });
    fc.assert(property, { seed: seedOf(t), numRuns: 200 });
  });
}

for (const compression of codecs) {
  test(`${compression} refuses a bomb`, () => {
    const bomb = compress(compression, new Uint8Array(64 * MiB));
    assert.ok(bomb.length < 4 * MiB);
    assert.throws(() => decompress(compression, bomb, MiB), corruptBatch);
  });

  test(`${compression} refuses garbage and says why`, () => {
    for (const garbage of ["", "\x01", "garbage", "\0".repeat(100), "\xff".repeat(100), "x".repeat(5000)]) {
      assert.throws(
        () => decompress(compression, Buffer.from(garbage, "latin1"), MiB),
        (error) => corruptBatch(error) && error.cause instanceof Error && error.message.includes(compression),
      );
    }
  });

  test(`${compression} refuses a stream that is cut off`, () => {
    const packed = compress(compression, text);
    // Snappy's stream has no end mark: after its header it is whole, and empty.
    const shortest = compression === "snappy" ? 17 : 0;
    for (let length = shortest; length < packed.length; length++) {
      assert.throws(
        () => decompress(compression, packed.subarray(0, length), MiB),
        corruptBatch,
        `${length}`,
      );
    }
  });

  test(`${compression} keeps to its bound whatever bytes change`, (t) => {
    const packed = compress(compression, Buffer.concat([text, noise(70_000), Buffer.alloc(200_000)]));
    const changes = fc.array(fc.tuple(fc.nat(packed.length - 1), fc.nat(255)), {
      minLength: 1,
      maxLength: 4,
    });
    const property = fc.property(changes, fc.nat(300_000), (positions, bytesMax) => {
      const changed = Buffer.from(packed);
      for (const [position, byte] of positions) changed[position] = byte;
      try {
        assert.ok(decompress(compression, changed, bytesMax).length <= bytesMax);
      } catch (error) {
        assert.ok(corruptBatch(error), String(error));
      }
    });
    fc.assert(property, { seed: seedOf(t), numRuns: 300 });
  });
}

// Written by org.apache.kafka:kafka-clients 3.6.2, CompressionType.wrapForOutput.
const writtenByKafka: Partial<Record<Compression, Buffer>> = {
  gzip: base64("H4sIAAAAAAAA//NOTMtOVCgvyi9JVSjJyCzWU/AeFaGBCAB5ahrSaAEAAA=="),
  snappy: base64("glNOQVBQWQAAAAABAAAAAQAAACfoAkRLYWZrYSB3cm90ZSB0aGlzLiD+EgD+EgD+EgD+EgD+EgBWEgA="),
  lz4: base64("BCJNGGBAgh4AAAD/A0thZmthIHdyb3RlIHRoaXMuIBIA/z9QaGlzLiAAAAAA"),
  zstd: base64("KLUv/QBYzAAAkEthZmthIHdyb3RlIHRoaXMuIAEApkqdYQEAAA=="),
};

for (const compression of codecs) {
  test(`${compression} reads what Kafka's Java client wrote`, () => {
    assert.deepEqual(decompress(compression, writtenByKafka[compression]!, text.length), text);
  });
}

test("snappy and lz4 start with the header that Kafka's Java client writes", () => {
  for (const [compression, headerBytes] of [["snappy", 16] as const, ["lz4", 7] as const]) {
    const expected = writtenByKafka[compression]!.subarray(0, headerBytes);
    assert.deepEqual(Buffer.from(compress(compression, text).subarray(0, headerBytes)), expected);
  }
});

test("gzip and kafkajs read each other", async () => {
  const kafkajs = require("kafkajs/src/protocol/message/compression/gzip") as {
    compress(encoder: { buffer: Uint8Array }): Promise<Buffer>;
    decompress(bytes: Uint8Array): Promise<Buffer>;
  };
  assert.deepEqual(decompress("gzip", await kafkajs.compress({ buffer: text }), text.length), text);
  assert.deepEqual(await kafkajs.decompress(compress("gzip", text)), text);
});

test("lz4 and @platformatic/kafka read each other", () => {
  const platformatic = compressionsAlgorithms.lz4;
  const bytes = Buffer.concat([noise(100_000), Buffer.alloc(100_000), text]);
  assert.ok(bytes.equals(decompress("lz4", platformatic.compressSync(bytes), bytes.length)));
  assert.ok(bytes.equals(platformatic.decompressSync(Buffer.from(compress("lz4", bytes)))));
});

test("snappy reads the raw block that @platformatic/kafka and librdkafka write", () => {
  const bytes = Buffer.concat([noise(100_000), Buffer.alloc(100_000), text]);
  assert.ok(
    bytes.equals(decompress("snappy", compressionsAlgorithms.snappy.compressSync(bytes), bytes.length)),
  );
});

test("snappy reads streams that follow each other", () => {
  const two = Buffer.concat([writtenByKafka.snappy!, writtenByKafka.snappy!]);
  assert.deepEqual(decompress("snappy", two, 2 * text.length), Buffer.concat([text, text]));
  assert.throws(() => decompress("snappy", two, 2 * text.length - 1), corruptBatch);
});

test("snappy refuses a block that announces more than is allowed, before it is given memory", () => {
  const fourGiB = Buffer.from([0xff, 0xff, 0xff, 0xff, 0x0f, 0x00]);
  assert.throws(() => decompress("snappy", fourGiB, MiB), /4294967295 bytes where 1048576 are allowed/);
});

test("snappy refuses a block that announces more than its bytes can hold, before it is given memory", () => {
  const oneMiB = Buffer.from([0x80, 0x80, 0x40, 0x00, 0x41]);
  assert.throws(() => decompress("snappy", oneMiB, 2 * MiB), /1048576 bytes are announced in vain/);
});

test("snappy and lz4 stop at the block that exceeds the bound", () => {
  let bytesMade = 0;
  const count = (content: Buffer) => {
    bytesMade += content.length;
    return content;
  };
  const snappy = require("snappy") as SnappyPackage;
  const lz4 = require("lz4-napi") as Lz4Package;
  const counting = {
    snappy: snappyCodec({ ...snappy, uncompressSync: (block) => count(snappy.uncompressSync(block)) }),
    lz4: lz4Codec({ ...lz4, uncompressSync: (block, history) => count(lz4.uncompressSync(block, history)) }),
  };
  for (const codec of Object.values(counting)) {
    bytesMade = 0;
    const bomb = Buffer.from(codec.compress(Buffer.alloc(4 * MiB)));
    assert.throws(() => codec.decompress(bomb, MiB + 1));
    assert.equal(bytesMade, MiB);
  }
});

test("lz4 reads linked blocks, checksums and a content size", () => {
  // Written by lz4 1.9.4 with -BD -B4 -BX --content-size.
  const frame = base64(
    `BCJNGFxAQBkBAAAAAAARHQEAAP8DS2Fma2Egd3JvdGUgdGhpcy4gEgD${"/".repeat(341)}1lAgdGhpc/xNOKcjAAAAD/D` +
      `${"/".repeat(34)}0FQaGlzLiA9tyWWAAAAAE8iM9s=`,
  );
  const content = Buffer.from(sentence.repeat(4000));
  assert.ok(content.equals(decompress("lz4", frame, content.length)));
  assert.throws(() => decompress("lz4", frame, content.length - 1), /72000 bytes where 71999 are allowed/);
});

test("lz4 refuses a frame with bytes after its end", () => {
  const frame = Buffer.concat([compress("lz4", text), Buffer.alloc(1)]);
  assert.throws(() => decompress("lz4", frame, MiB), corruptBatch);
});

test("lz4 refuses a header whose checksum is wrong", () => {
  const frame = Buffer.from(compress("lz4", text));
  frame[6]! ^= 1;
  assert.throws(() => decompress("lz4", frame, MiB), /checksum of the header/);
});

test("zstd reads frames that follow each other and skips those made to be skipped", () => {
  const skippable = Buffer.from([0x53, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3]);
  const frames = Buffer.concat([skippable, writtenByKafka.zstd!, skippable, writtenByKafka.zstd!]);
  assert.deepEqual(decompress("zstd", frames, 2 * text.length), Buffer.concat([text, text]));
  assert.throws(() => decompress("zstd", frames, 2 * text.length - 1), corruptBatch);
});

test("zstd refuses a frame that makes more than it announces", () => {
  // A frame of one segment that announces five bytes, with one block: a thousand times "a".
  const block = Buffer.alloc(4, "a");
  block.writeUIntLE((1000 << 3) | (1 << 1) | 1, 0, 3);
  const frame = Buffer.concat([Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x20, 5]), block]);
  assert.throws(() => decompress("zstd", frame, MiB), corruptBatch);
});

test("zstd by the package reads many small blocks within a tight bound", () => {
  const zstd = zstdPackageCodec(zstdPackage);
  const frame = zstdFrame(20);
  const content = new zstdPackage.Decoder().decodeSync(frame);
  assert.equal(content.length, 20 * text.length);
  // Each block could make 128 KiB for all that one can see, so this needs several rounds.
  assert.ok(content.equals(zstd.decompress(frame, 512 * 1024)));
  assert.ok(content.equals(zstd.decompress(frame, content.length)));
  assert.throws(() => zstd.decompress(frame, content.length - 1), RangeError);
});

test("zstd by the package makes at most one block more than its bound before it refuses a bomb", () => {
  let bytesMade = 0;
  const decoder = new zstdPackage.Decoder();
  class Decoder {
    decodeSync(bytes: Buffer): Buffer {
      const content = decoder.decodeSync(bytes);
      bytesMade = Math.max(bytesMade, content.length);
      return content;
    }
  }
  const zstd = zstdPackageCodec({ Encoder: zstdPackage.Encoder, Decoder });
  const bomb = zstd.compress(Buffer.alloc(64 * MiB));
  assert.throws(() => zstd.decompress(Buffer.from(bomb), MiB), RangeError);
  assert.ok(bytesMade > 0 && bytesMade <= MiB + 128 * 1024, `${bytesMade}`);
});

test("zstd by the package refuses what it could only bound with too much work", () => {
  const zstd = zstdPackageCodec(zstdPackage);
  assert.throws(() => zstd.decompress(zstdFrame(5000), 5000 * text.length), /cannot be shown to stay within/);
});

test("a package that is missing is named, with the command that installs it", () => {
  const missing = "lz4-napi";
  // Run in a process of its own, in which the package cannot be found.
  const script = `
    import Module from "node:module";
    const resolve = Module._resolveFilename;
    Module._resolveFilename = (name, ...rest) => {
      if (name === "${missing}") throw new Error("not there");
      return resolve(name, ...rest);
    };
    const { requireCompression } = await import("${new URL("./compression.js", import.meta.url)}");
    requireCompression("snappy");
    try {
      requireCompression("lz4");
    } catch ({ code, message, details, cause }) {
      console.log(JSON.stringify({ code, message, details, cause: cause.message }));
    }`;
  const output = execFileSync(process.execPath, ["--input-type=module", "--eval", script], {
    encoding: "utf8",
  });
  assert.deepEqual(JSON.parse(output), {
    code: "CODEC_MISSING",
    message: "lz4 needs the package lz4-napi, which does not load: npm install lz4-napi@2",
    details: { compression: "lz4", package: missing, install: "npm install lz4-napi@2" },
    cause: "not there",
  });
});

test("every compression whose package is there can be required", () => {
  for (const compression of all) requireCompression(compression);
});

const zstdPackage = require("@toondepauw/node-zstd") as ZstdPackage;

/** Many copies of one compressed block, in a frame that does not say how much they make. */
function zstdFrame(blocks: number): Buffer {
  const written = writtenByKafka.zstd!;
  const header = written.subarray(0, 6);
  const block = Buffer.from(written.subarray(6, 6 + 3 + (written.readUIntLE(6, 3) >> 3)));
  const last = Buffer.from(block);
  block[0]! &= ~1;
  last[0]! |= 1;
  return Buffer.concat([header, ...Array.from({ length: blocks - 1 }, () => block), last]);
}

function corruptBatch(error: unknown): error is LogError {
  return error instanceof LogError && error.code === "CORRUPT_BATCH";
}

/** Bytes that do not compress, the same in every run. */
function noise(length: number): Buffer {
  const bytes = Buffer.alloc(length);
  let state = 0x9e3779b9;
  for (let at = 0; at < length; at++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    bytes[at] = state;
  }
  return bytes;
}

function repeat(part: Uint8Array, count: number): Uint8Array {
  return Buffer.alloc(part.length * count, part);
}

function base64(encoded: string): Buffer {
  return Buffer.from(encoded, "base64");
}

/** Repeat a failure with the environment variable SEED. */
function seedOf(t: TestContext): number {
  const seed = Number(process.env["SEED"] ?? Date.now() % 2 ** 31);
  t.diagnostic(`seed ${seed}`);
  return seed;
}
