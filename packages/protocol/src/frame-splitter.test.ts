import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { FrameSplitter, ProtocolError } from "./index.js";

function framed(content: Uint8Array): Buffer {
  const length = Buffer.alloc(4);
  length.writeInt32BE(content.length);
  return Buffer.concat([length, content]);
}

const anyContent = fc.uint8Array({ minLength: 1, maxLength: 300, size: "max" });

test("frames come out whole and in order, however the stream is cut", () => {
  fc.assert(
    fc.property(fc.array(anyContent, { maxLength: 8 }), fc.array(fc.nat({ max: 200 })), (contents, cuts) => {
      const splitter = new FrameSplitter(300);
      let stream = Buffer.concat(contents.map(framed));
      const frames: Buffer[] = [];
      for (const cut of [...cuts, stream.length]) {
        for (const frame of splitter.push(stream.subarray(0, cut))) frames.push(Buffer.from(frame));
        stream = stream.subarray(cut);
      }
      assert.deepEqual(
        frames,
        contents.map((content) => Buffer.from(content)),
      );
      assert.equal(splitter.pendingBytes, 0);
    }),
  );
});

test("a frame that lies within what arrived is not copied", () => {
  const stream = Buffer.concat([framed(Buffer.from("one")), framed(Buffer.from("two"))]);
  const frames = [...new FrameSplitter(10).push(stream)];
  assert.deepEqual(frames.map(String), ["one", "two"]);
  for (const frame of frames) assert.equal(frame.buffer, stream.buffer);
});

test("a frame of many mebibytes comes out whole", () => {
  const content = Buffer.alloc(5 * 2 ** 20, "content");
  const splitter = new FrameSplitter(content.length);
  const stream = framed(content);
  const frames: Buffer[] = [];
  for (let at = 0; at < stream.length; at += 65_536) {
    assert.equal(splitter.pendingBytes, at);
    frames.push(...splitter.push(stream.subarray(at, at + 65_536)));
  }
  assert.equal(frames.length, 1);
  assert.ok(frames[0]?.equals(content));
});

test("lengths that are not positive or too large are refused as soon as they are there", () => {
  for (const [length, frameBytesMax] of [
    [0, 100],
    [-1, 100],
    [-(2 ** 31), 100],
    [101, 100],
    [2 ** 31 - 1, 2 ** 27],
  ] as const) {
    const head = Buffer.alloc(4);
    head.writeInt32BE(length);
    const splitter = new FrameSplitter(frameBytesMax);
    assert.deepEqual([...splitter.push(head.subarray(0, 3))], []);
    assert.throws(() => [...splitter.push(head.subarray(3))], ProtocolError);
  }
});

test("the limit may change between frames", () => {
  const splitter = new FrameSplitter(3);
  const stream = Buffer.concat([framed(Buffer.from("one")), framed(Buffer.from("three"))]);
  const frames: string[] = [];
  for (const frame of splitter.push(stream)) {
    frames.push(String(frame));
    splitter.frameBytesMax = 5;
  }
  assert.deepEqual(frames, ["one", "three"]);
});

test("memory is taken as a frame arrives, not as it is announced", () => {
  const head = Buffer.alloc(8);
  head.writeInt32BE(100 * 2 ** 20);
  const before = process.memoryUsage().arrayBuffers;
  const splitters = Array.from({ length: 50 }, () => new FrameSplitter(100 * 2 ** 20));
  for (const splitter of splitters) assert.deepEqual([...splitter.push(head)], []);
  assert.ok(process.memoryUsage().arrayBuffers - before < 60 * 2 ** 20);
});
