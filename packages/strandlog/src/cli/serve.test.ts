import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { Cli, cliTest, ended, linesOf } from "./test-support.js";

cliTest("serve: a broker listens until a signal comes, and leaves the log to others", async (cli) => {
  const child = cli.start("serve", "--kafka", "127.0.0.1:0", "--json");
  const [line = ""] = await linesOf(child, 1);
  const { kafka } = JSON.parse(line) as { kafka: string };
  assert.match(kafka, /^127\.0\.0\.1:\d+$/);
  const socket = connect(Number(kafka.split(":")[1]), "127.0.0.1");
  socket.write(Buffer.from("0000000a" + "00120000" + "00000007" + "ffff", "hex"));
  const [answer] = (await once(socket, "data")) as [Buffer];
  assert.equal(answer.readInt32BE(4), 7);
  assert.equal((await cli.run("append", "events")).code, 3);
  const end = ended(child);
  child.kill("SIGTERM");
  assert.deepEqual([(await end).code, (await end).stderr], [143, ""]);
  socket.destroy();
  assert.equal((await cli.pipe("one\n", "append", "events")).code, 0);
});

cliTest("serve: an address that is no address or is taken is told in a line", async (cli) => {
  const wrong = await cli.run("serve", "--kafka", "nowhere");
  assert.deepEqual([wrong.code, /kafka must be a port or HOST:PORT/.test(wrong.stderr)], [2, true]);
  const child = cli.start("serve", "--kafka", "127.0.0.1:0", "--json");
  const { kafka } = JSON.parse((await linesOf(child, 1))[0] ?? "") as { kafka: string };
  const other = new Cli();
  try {
    const taken = await other.run("serve", "--kafka", kafka);
    assert.deepEqual([taken.code, taken.stderr.includes(`cannot listen on ${kafka}`)], [1, true]);
  } finally {
    other.close();
  }
});
