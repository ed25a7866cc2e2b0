import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import * as fs from "node:fs";
import { join } from "node:path";
import { openLog } from "@strandlog/log";
import { cliTest, ended, linesOf, type Result } from "./test-support.js";

const sha256 = (bytes: Buffer): string => createHash("sha256").update(bytes).digest("hex");

/** Lines of all lengths in bytes of all values, empty ones and ones longer than a chunk among them. */
function oddBytes(end: string): Buffer {
  const lines: Buffer[] = [];
  for (let n = 0; n < 3000; n++) lines.push(randomBytes(n % 700), Buffer.from("\n"));
  lines.push(randomBytes(900_000), Buffer.from("\r\n\n\n\0\n"));
  return Buffer.concat([...lines, Buffer.from(`the end${end}`)]);
}

for (const [what, end] of [
  ["ends with a newline", "\n"],
  ["does not end with a newline", ""],
] as const) {
  cliTest(`a file of odd bytes that ${what} comes back byte for byte`, async (cli) => {
    const content = oddBytes(end);
    const file = join(cli.directory, "input");
    fs.writeFileSync(file, content);
    const byName = await cli.run("append", "named", "--file", file);
    assert.equal(byName.code, 0, byName.stderr);
    assert.equal(byName.stdout.length, 0);
    const byPipe = await cli.pipe(content, "append", "piped");
    assert.equal(byPipe.code, 0, byPipe.stderr);
    for (const topic of ["named", "piped"]) {
      const { code, stdout, stderr } = await cli.run("read", topic);
      assert.equal(code, 0, stderr);
      assert.equal(sha256(stdout), sha256(content));
    }
  });
}

cliTest("a newline that the input lacked is printed when something follows", async (cli) => {
  await cli.pipe("a", "append", "t");
  await cli.pipe("b", "append", "t");
  assert.equal((await cli.run("read", "t")).stdout.toString(), "a\nb");
});

cliTest("an empty input appends nothing, an empty line is a record", async (cli) => {
  await cli.pipe("", "append", "t");
  await cli.pipe("\n", "append", "t");
  const { stdout } = await cli.run("read", "t", "--json");
  assert.equal((JSON.parse(stdout.toString()) as { value: string }).value, "");
});

cliTest("--print-offsets prints partition and offset of each record in order", async (cli) => {
  const input = Array.from({ length: 20_000 }, (_, n) => `line ${n}\n`).join("");
  const { stdout, stderr } = await cli.pipe(input, "append", "t", "--print-offsets");
  assert.equal(stdout.toString(), Array.from({ length: 20_000 }, (_, n) => `0 ${n}\n`).join(""));
  assert.match(stderr, /^appended 20,000 records/);
});

cliTest("records are acknowledged while the input stays open", async (cli) => {
  const child = cli.start("append", "t", "--print-offsets");
  child.stdin?.write("one\n");
  assert.deepEqual(await linesOf(child, 1), ["0 0"]);
  child.stdin?.write("two\n");
  assert.deepEqual(await linesOf(child, 1), ["0 1"]);
  child.stdin?.end();
  assert.equal((await ended(child)).code, 0);
});

cliTest("keys are split off, choose the partition, and come back", async (cli) => {
  const input = "a=1\nb=2\na=3=4\nno key\n";
  await cli.pipe(input, "append", "t", "--key-separator", "=", "--partitions", "4");
  const { stdout } = await cli.run("read", "t", "--json");
  const records = stdout
    .toString()
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  const ofA = records.filter(({ key }) => key === "a");
  assert.deepEqual(
    ofA.map(({ value }) => value),
    ["1", "3=4"],
  );
  assert.equal(new Set(ofA.map(({ partition }) => partition)).size, 1);
  const back = await cli.run("read", "t", "--key-separator", "=");
  assert.deepEqual(back.stdout.toString().split("\n").sort(), input.split("\n").sort());
});

cliTest("--from, --until, --max and --partition select", async (cli) => {
  await cli.pipe("0\n1\n2\n3\n4\n", "append", "t");
  const read = async (...args: string[]): Promise<string> =>
    (await cli.run("read", "t", ...args)).stdout.toString();
  assert.equal(await read("--from", "1", "--until", "3"), "1\n2\n");
  assert.equal(await read("--from", "3", "--partition", "0"), "3\n4\n");
  assert.equal(await read("--max", "2"), "0\n1\n");
  assert.equal(await read("--from", "latest"), "");
  assert.equal(await read("--from", "-1h"), "0\n1\n2\n3\n4\n");
  assert.equal(await read("--until", "-1h"), "");
  assert.equal(await read("--from", "2020-01-01", "--max", "1"), "0\n");
});

cliTest("a second process follows what a first one appends", async (cli) => {
  const appending = cli.start("append", "t", "--print-offsets");
  appending.stdin?.write("first\n");
  await linesOf(appending, 1);
  const following = cli.start("read", "t", "--follow");
  assert.deepEqual(await linesOf(following, 1), ["first"]);
  appending.stdin?.write("second\nthird\n");
  assert.deepEqual(await linesOf(following, 2), ["second", "third"]);
  following.kill("SIGINT");
  const { code, stderr } = await ended(following);
  assert.deepEqual([code, stderr], [130, ""]);
  appending.stdin?.end();
  assert.equal((await ended(appending)).code, 0);
});

cliTest("SIGTERM ends an append in order: what was acknowledged stays, half a line does not", async (cli) => {
  const child = cli.start("append", "t", "--print-offsets");
  child.stdin?.write("whole\nhalf");
  await linesOf(child, 1);
  child.kill("SIGTERM");
  const { code, stderr } = await ended(child);
  assert.equal(code, 143);
  assert.match(stderr, /^interrupted: appended 1 record/);
  assert.equal((await cli.run("read", "t")).stdout.toString(), "whole\n");
  assert.equal((await cli.run("verify")).code, 0);
});

cliTest("a reader that goes away ends reading quietly", async (cli) => {
  await cli.pipe("line\n".repeat(500_000), "append", "t");
  const child = cli.start("read", "t");
  child.stdout?.once("data", () => child.stdout?.destroy());
  const { code, stderr } = await ended(child);
  assert.deepEqual([code, stderr], [0, ""]);
});

cliTest("a locked directory is told by exit code 3 and the holder's process id", async (cli) => {
  const holder = cli.start("append", "t", "--print-offsets");
  holder.stdin?.write("x\n");
  await linesOf(holder, 1);
  const { code, stderr } = await cli.pipe("y\n", "append", "t");
  assert.equal(code, 3);
  assert.match(stderr, new RegExp(`^strandlog: process ${holder.pid} .*through it \\[LOCKED\\]\n$`));
  assert.equal((await cli.run("topics", "list")).code, 0);
});

cliTest("what does not exist is told by exit code 4", async (cli) => {
  const noLog = await cli.run("read", "t");
  assert.equal(noLog.code, 4);
  assert.ok(!fs.existsSync(cli.data), "reading makes no log");
  await cli.pipe("x\n", "append", "t");
  const noTopic = await cli.run("read", "nope");
  assert.deepEqual(
    [noTopic.code, noTopic.stderr],
    [4, 'strandlog: there is no topic "nope" [TOPIC_NOT_FOUND]\n'],
  );
  assert.equal((await cli.run("read", "t", "--partition", "9")).code, 4);
  assert.equal((await cli.run("append", "t", "--file", "nope")).code, 4);
  assert.equal((await cli.run("dump", "00000000000000000000.log")).code, 4);
  assert.equal((await cli.run("topics", "delete", "nope", "--yes")).code, 4);
});

cliTest("wrong usage is told by exit code 2", async (cli) => {
  for (const args of [
    ["bogus"],
    ["append"],
    ["append", "t", "--bogus"],
    ["append", "bad name"],
    ["append", "t", "--partitions", "many"],
    ["append", "t", "--durability", "some"],
    ["read", "t", "--from", "yesterday"],
    ["topics", "create", "t", "--config", "bogus=1"],
  ]) {
    const { code, stderr } = await cli.run(...args);
    assert.deepEqual([code, stderr.startsWith("strandlog: ")], [2, true], `${args.join(" ")}: ${stderr}`);
  }
});

cliTest("a line that is too long is refused by its number, and what came before it is kept", async (cli) => {
  const input = `first\n${"x".repeat(2_000_000)}\nlast\n`;
  const { code, stdout, stderr } = await cli.pipe(input, "append", "t", "--print-offsets");
  assert.equal(code, 1);
  assert.equal(stdout.toString(), "0 0\n");
  assert.match(stderr, /strandlog: line 2 takes .*\[RECORD_TOO_LARGE\]\n$/);
  assert.equal((await cli.run("read", "t")).stdout.toString(), "first\n");
});

cliTest("verify exits with 1 and names file and position after a byte was flipped", async (cli) => {
  await cli.pipe("some\nlines\n", "append", "t");
  const sound = await cli.run("verify");
  assert.deepEqual([sound.code, sound.stdout.toString().startsWith("no damage found")], [0, true]);
  const path = join(cli.data, "topics/t-0/00000000000000000000.log");
  const content = fs.readFileSync(path);
  content[70] = (content[70] as number) ^ 1;
  fs.writeFileSync(path, content);
  const { code, stdout } = await cli.run("verify");
  assert.equal(code, 1);
  const [line = ""] = stdout.toString().split("\n");
  assert.ok(line.startsWith(`${path}:0: `), line);
  assert.match(line, /\(offsets 0 to 1\) \[CORRUPT_BATCH\]$/);
  const report = JSON.parse((await cli.run("verify", "--json")).stdout.toString()) as { damages: unknown[] };
  assert.equal(report.damages.length, 1);
  assert.equal((await cli.run("dump", path)).code, 1);
  const read = await cli.run("read", "t");
  assert.equal(read.code, 1);
  assert.match(read.stderr, /\[CORRUPT_SEGMENT\]/);
});

cliTest("repair tells what it would do, does it, keeps what was there, and the rest is read", async (cli) => {
  await cli.pipe("one\ntwo\n", "append", "t");
  await cli.pipe("three\n", "append", "t");
  assert.deepEqual((await cli.run("repair")).stdout.toString(), "nothing to repair\n");
  const path = join(cli.data, "topics/t-0/00000000000000000000.log");
  const content = fs.readFileSync(path);
  content[70] = (content[70] as number) ^ 1;
  fs.writeFileSync(path, content);
  const dry = await cli.run("repair", "--dry-run");
  assert.equal(dry.code, 1, dry.stderr);
  assert.match(
    dry.stdout.toString(),
    /\nlost: t-0: offsets 0 to 1\n1 step to do; nothing has been changed\n$/,
  );
  assert.deepEqual(fs.readFileSync(path), content);
  const keep = join(cli.directory, "kept");
  const done = await cli.run("repair", "--keep", keep, "--json");
  assert.equal(done.code, 1, done.stderr);
  const report = JSON.parse(done.stdout.toString()) as { lost: object[]; kept: string };
  assert.deepEqual(report.lost, [{ topic: "t", partition: 0, from: 0, to: 1, isUncertain: false }]);
  assert.equal(report.kept, keep);
  assert.deepEqual(fs.readFileSync(join(keep, "topics/t-0/00000000000000000000.log")), content);
  assert.equal((await cli.run("verify")).code, 0);
  assert.equal((await cli.run("read", "t")).stdout.toString(), "three\n");
  assert.equal((await cli.run("append", "t", "--print-offsets")).code, 0);
  const again = await cli.run("repair", "--keep", keep);
  assert.deepEqual([again.code, /INVALID_ARGUMENT/.test(again.stderr)], [2, true]);
});

cliTest("a damaged checkpoint file is repaired from its copy, and nothing is lost", async (cli) => {
  await cli.pipe("one\n", "append", "t");
  fs.writeFileSync(join(cli.data, "checkpoint"), "");
  const verified = await cli.run("verify");
  assert.equal(verified.code, 1);
  assert.match(verified.stdout.toString(), /the log cannot be opened\n {2}repair puts its copy in its place/);
  const { code, stdout } = await cli.run("repair");
  assert.equal(code, 0);
  assert.match(stdout.toString(), /no record is lost\n1 step done; what was there before is in .*removed-/);
  assert.equal((await cli.run("read", "t")).stdout.toString(), "one\n");
});

cliTest("topics are created, listed, described, altered and deleted", async (cli) => {
  const created = await cli.run("topics", "create", "t", "--partitions", "2", "--config", "retentionMs=7d");
  assert.equal(created.stdout.toString(), "made the topic t\n");
  assert.equal((await cli.run("topics", "create", "t")).code, 1);
  await cli.pipe("a\nb\n", "append", "t", "--partition", "1");
  assert.match((await cli.run("topics", "list")).stdout.toString(), /^t\t2\t2\t\d+\n$/);
  const altered = await cli.run("topics", "alter", "t", "--partitions", "3", "--config", "segmentBytes=1MiB");
  assert.equal(altered.code, 0, altered.stderr);
  const described = await cli.run("topics", "describe", "t", "--json");
  const { config, partitions } = JSON.parse(described.stdout.toString()) as {
    config: Record<string, unknown>;
    partitions: unknown[];
  };
  assert.equal(config["retentionMs"], 604_800_000);
  assert.equal(config["segmentBytes"], 1_048_576);
  assert.equal(partitions.length, 3);
  assert.equal(
    (await cli.run("topics", "delete", "t")).code,
    2,
    "without a terminal it must be said that it is meant",
  );
  assert.equal((await cli.run("topics", "delete", "t", "--yes")).code, 0);
  assert.equal((await cli.run("topics", "list")).stdout.toString(), "");
});

cliTest("a compacted topic is described with how far that has come", async (cli) => {
  const log = await openLog(cli.data);
  for (const [name, cleanup] of [
    ["kept", "compact"],
    ["new", "compact,delete"],
    ["plain", "delete"],
  ] as const) {
    const topic = await log.topic(name, { cleanup, segmentBytes: 65_536 });
    for (const value of ["1", "2", "3"]) await topic.append({ key: "a", value: value.repeat(50_000) });
    if (name === "kept") await topic.compact();
  }
  await log.close();
  const described = async (name: string) => {
    const text = (await cli.run("topics", "describe", name)).stdout.toString();
    const cells = text
      .split("\n")
      .find((line) => /^0\t/.test(line))
      ?.split("\t");
    return cells?.slice(6);
  };
  assert.deepEqual(await described("kept"), ["2"]);
  assert.deepEqual(await described("new"), ["0"]);
  assert.deepEqual(await described("plain"), []);
});

cliTest("--json output can be parsed, for every command and for errors", async (cli) => {
  const parse = ({ stdout }: Result): unknown[] =>
    stdout
      .toString()
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as unknown);
  const appended = await cli.pipe(Buffer.from([0xff, 10]), "append", "t", "--json", "--print-offsets");
  assert.deepEqual(parse(appended), [{ partition: 0, offset: 0 }]);
  assert.equal((JSON.parse(appended.stderr) as { records: number }).records, 1);
  const [record] = parse(await cli.run("read", "t", "--json")) as { valueBase64: string }[];
  assert.equal(record?.valueBase64, "/w==");
  const [stats] = parse(await cli.run("stats", "--json")) as { topics: { totals: { records: number } }[] }[];
  assert.equal(stats?.topics[0]?.totals.records, 1);
  const [listed] = parse(await cli.run("topics", "list", "--json")) as { name: string }[];
  assert.equal(listed?.name, "t");
  const dumped = parse(await cli.run("dump", join(cli.data, "checkpoint"), "--json"));
  assert.ok(dumped.length > 2);
  const failed = await cli.run("read", "nope", "--json");
  const { error } = JSON.parse(failed.stderr) as { error: { code: string } };
  assert.equal(error.code, "TOPIC_NOT_FOUND");
});

cliTest("every command has help with examples", async (cli) => {
  const commands = ["append", "read", "topics", "dump", "verify", "repair", "stats"].map((name) => [name]);
  const actions = ["list", "create", "describe", "alter", "delete"].map((name) => ["topics", name]);
  for (const command of [[], ...commands, ...actions]) {
    const { code, stdout } = await cli.run(...command, "--help");
    assert.equal(code, 0);
    assert.match(stdout.toString(), /\nExamples:\n {2}\$ strandlog /, command.join(" "));
  }
  assert.match((await cli.run("--help")).stdout.toString(), /\nExit codes:\n/);
});

cliTest("the help tells each default once, and none where it is another", async (cli) => {
  const read = (await cli.run("read", "--help")).stdout.toString();
  assert.equal(read.match(/default:\s+"?earliest/g)?.length, 1);
  const alter = (await cli.run("topics", "alter", "--help")).stdout.toString();
  assert.doesNotMatch(alter, /default: 1/);
});
