import assert from "node:assert/strict";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { LogError } from "@strandlog/log";
import { settings } from "./keys.js";
import { givenByOverride, givenInEnvironment, givenInFile, variableOf } from "./sources.js";

function inFile(text: string) {
  const directory = fs.mkdtempSync(join(tmpdir(), "strandlog-config-"));
  const path = join(directory, "server.properties");
  try {
    fs.writeFileSync(path, text);
    return givenInFile(path).map((given) => ({ ...given, origin: given.origin.replace(directory, "") }));
  } finally {
    fs.rmSync(directory, { recursive: true });
  }
}

test("a file has a key and a value a line, comments, and values that go on in the next line", () => {
  const text = `# made by hand
num.partitions = 3
! another comment
log.dirs:/var/lib/strandlog

listeners=PLAINTEXT://:9092,\\
          SSL://:9093
ssl.keystore.key=a\\nb \\u00e4
empty=
`;
  assert.deepEqual(inFile(text), [
    { key: "num.partitions", text: "3", origin: "/server.properties, line 2" },
    { key: "log.dirs", text: "/var/lib/strandlog", origin: "/server.properties, line 4" },
    { key: "listeners", text: "PLAINTEXT://:9092,SSL://:9093", origin: "/server.properties, line 6" },
    { key: "ssl.keystore.key", text: "a\nb ä", origin: "/server.properties, line 8" },
    { key: "empty", text: "", origin: "/server.properties, line 9" },
  ]);
});

test("a file that is not there, too long or not in that syntax is refused by its name", () => {
  assert.throws(
    () => givenInFile("/nowhere/at.all"),
    (error) => {
      return (
        error instanceof LogError &&
        error.code === "IO" &&
        /configuration from \/nowhere\/at.all/.test(error.message)
      );
    },
  );
  assert.throws(() => inFile("#".repeat(1024 * 1024 + 1)), /1048577 bytes/);
  assert.throws(() => inFile("a=\\u12"), /server\.properties cannot be read as a properties file/);
});

test("a variable's underscore is a dot, two are an underscore, three a dash; what is not ours is left alone", () => {
  const environment = {
    STRANDLOG_NUM_PARTITIONS: " 3 ",
    STRANDLOG_DURABILITY: "os",
    STRANDLOG_JOURNAL_BYTES_MAX: "1000000",
    STRANDLOG_LISTENER_NAME_MY__OWN_SSL_KEYSTORE_LOCATION: "/tls.pem",
    STRANDLOG_A___B: "1",
    STRANDLOG_LINGER_MS: " ",
    KAFKA_NUM_PARTITIONS: "4",
    STRANDLOG_PASSWORD: "of strandlog users",
    PATH: "/bin",
  };
  assert.deepEqual(
    givenInEnvironment(environment).map(({ key, text, origin }) => [key, text, origin]),
    [
      ["num.partitions", "3", "STRANDLOG_NUM_PARTITIONS"],
      ["strandlog.durability", "os", "STRANDLOG_DURABILITY"],
      ["strandlog.journal.bytes.max", "1000000", "STRANDLOG_JOURNAL_BYTES_MAX"],
      [
        "listener.name.my_own.ssl.keystore.location",
        "/tls.pem",
        "STRANDLOG_LISTENER_NAME_MY__OWN_SSL_KEYSTORE_LOCATION",
      ],
      ["a-b", "1", "STRANDLOG_A___B"],
    ],
  );
});

test("what Kubernetes says about a service called strandlog is no configuration", () => {
  const environment = {
    STRANDLOG_SERVICE_HOST: "10.0.0.1",
    STRANDLOG_SERVICE_PORT: "9092",
    STRANDLOG_SERVICE_PORT_KAFKA: "9092",
    STRANDLOG_PORT: "tcp://10.0.0.1:9092",
    STRANDLOG_PORT_9092_TCP: "tcp://10.0.0.1:9092",
    STRANDLOG_PORT_9092_TCP_PROTO: "tcp",
    STRANDLOG_PORT_9092_TCP_PORT: "9092",
    STRANDLOG_PORT_9092_TCP_ADDR: "10.0.0.1",
  };
  assert.deepEqual(givenInEnvironment(environment), []);
});

test("every key has a variable of its own, which leads back to it", () => {
  const names = settings.flatMap((setting) => setting.names);
  assert.equal(new Set(names.map(variableOf)).size, names.length);
  for (const name of names) assert.equal(givenInEnvironment({ [variableOf(name)]: "1" })[0]?.key, name);
});

test("an override is a key and a value", () => {
  assert.deepEqual(givenByOverride("a.b = c=d"), { key: "a.b", text: "c=d", origin: "--override" });
  assert.throws(() => givenByOverride("a.b"), /--override must be KEY=VALUE, not "a.b"/);
});
