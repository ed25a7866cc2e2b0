import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { clientFirstOf, credentialFor, scramMechanisms, serverFinal, serverFirst } from "./scram.js";
import { ScramClient } from "./test-support.js";

const firstText = "n,,n=user,r=rOprNGfwEbeRWgbNEkqO";
const nonce = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
const finalText = `c=biws,r=${nonce},p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=`;

async function example() {
  const salt = Buffer.from("W22ZaJ0SNY7soEsUEjb6gQ==", "base64");
  const credential = await credentialFor("SCRAM-SHA-256", "pencil", salt, 4096);
  const first = clientFirstOf(Buffer.from(firstText));
  assert.ok(first);
  return { credential, first, challenge: serverFirst(nonce, credential) };
}

test("the example of RFC 7677 comes out as it stands there", async () => {
  const { credential, first, challenge } = await example();
  assert.equal(challenge, `r=${nonce},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096`);
  const last = serverFinal("SCRAM-SHA-256", credential, first, challenge, nonce, Buffer.from(finalText));
  assert.equal(last, "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
});

test("a last message that differs in anything is no proof", async () => {
  const { credential, first, challenge } = await example();
  const cases = [
    "",
    "p=",
    finalText.replace("c=biws", "c=eSws"), // "y,,"
    finalText.replace("c=biws", "c="),
    finalText.replace("$k0", "$k1"),
    finalText.replace("r=", "r=rOprNGfwEbeRWgbNEkqO"), // allowed, but not covered by the proof
    finalText.replace("r=", "r=x"),
    finalText.replace("p=d", "p=e"),
    finalText.replace(",p=dHzb", ",x=1,p=dHzb"), // an extension that the proof does not cover
    finalText.replace("VQ=", "VQ=="),
    finalText.replace("VQ=", "VQ"),
    finalText.replace("VQ=", "VR="), // the same bytes
    finalText.replace(/p=.*/, "p="),
    finalText.replace(/p=.*/, "p=AAAA"),
    `${finalText}AAAA`,
    `${finalText},x=1`,
    finalText.replace("dHzb", "dH b"),
  ];
  for (const text of cases) {
    const token = Buffer.from(text);
    assert.equal(serverFinal("SCRAM-SHA-256", credential, first, challenge, nonce, token), undefined, text);
  }
});

test("first messages that are malformed, or ask for what there is not, are refused", () => {
  const cases = [
    "",
    "n",
    "n,",
    "n,,",
    "n,,n=user",
    "n,,n=user,r=",
    "n,,n=,r=abc",
    "n,,r=abc,n=user",
    "n,,m=mandatory,n=user,r=abc",
    "p=tls-unique,,n=user,r=abc",
    "x,,n=user,r=abc",
    "n,a=other,n=user,r=abc",
    "n,b=user,n=user,r=abc",
    "n,,n=us=er,r=abc",
    "n,,n=user=2c,r=abc",
    "n,,n=user,r=a bc",
    "n,,n=user,r=abc,",
    "n,,n=user,r=abc,tokenauth=true",
    "n,,n=user,r=ab\nc",
  ];
  for (const text of cases) assert.equal(clientFirstOf(Buffer.from(text)), undefined, text);
  assert.equal(clientFirstOf(Buffer.from("6e2c2c6e3dff2c723d616263", "hex")), undefined, "no UTF-8");
  for (const [text, user] of [
    ["n,,n=user,r=abc", "user"],
    ["y,,n=user,r=abc,x=1", "user"],
    ["n,a=user,n=user,r=abc", "user"],
    ["n,,n=a=2Cb=3Dc,r=abc", "a,b=c"],
    ["n,,n=Jürgen,r=abc", "Jürgen"],
  ] as const) {
    assert.equal(clientFirstOf(Buffer.from(text))?.user, user, text);
  }
});

test("a client that repeats its own nonce once too often, as librdkafka before 2.6.1 does, is let in", async () => {
  const { credential, first, challenge } = await example();
  const client = new ScramClient("SCRAM-SHA-256", "user", "pencil", first.nonce);
  const token = client.final(Buffer.from(challenge), first.nonce + nonce);
  const last = serverFinal("SCRAM-SHA-256", credential, first, challenge, nonce, token);
  assert.ok(client.isProof(Buffer.from(String(last))));
});

test("a proof that is right counts for this exchange alone: its nonce, and what the client said it binds to", async () => {
  const { credential, first, challenge } = await example();
  const prove = (header: string, repeated: string) => {
    const client = new ScramClient("SCRAM-SHA-256", "user", "pencil", first.nonce);
    const said = clientFirstOf(Buffer.from(`${header}${first.bare}`));
    assert.ok(said);
    const token = client.final(Buffer.from(challenge), repeated);
    return serverFinal("SCRAM-SHA-256", credential, said, challenge, nonce, token) !== undefined;
  };
  assert.equal(prove("n,,", nonce), true);
  assert.equal(prove("n,,", `${nonce}x`), false);
  assert.equal(prove("n,,", `x${nonce}`), false);
  assert.equal(prove("n,,", first.nonce), false);
  assert.equal(prove("y,,", nonce), false);
  assert.equal(prove("n,a=user,", nonce), false);
});

test("both hashes: who knows the password proves it, and learns that the server knows it", async () => {
  for (const mechanism of scramMechanisms) {
    for (const iterations of [4096, 16_384]) {
      const credential = await credentialFor(
        mechanism,
        "secret",
        Buffer.from("0123456789abcdef"),
        iterations,
      );
      const prove = (password: string) => {
        const client = new ScramClient(mechanism, "user", password);
        const first = clientFirstOf(client.first);
        assert.ok(first);
        const challenge = serverFirst(`${first.nonce}!`, credential);
        const token = client.final(Buffer.from(challenge));
        const last = serverFinal(mechanism, credential, first, challenge, `${first.nonce}!`, token);
        return last === undefined ? undefined : client.isProof(Buffer.from(last));
      };
      assert.deepEqual([prove("secret"), prove("Secret"), prove("")], [true, undefined, undefined]);
    }
  }
});

test("whatever bytes come, they are taken or refused", async () => {
  const { credential, first, challenge } = await example();
  const texts = [firstText, finalText, "n,a=user,n=us=2Cer,r=abc,x=1,y=2", ",=,=", ""];
  const pieces = fc.oneof(
    fc.constantFrom(...texts),
    fc.string({ maxLength: 20 }),
    fc.constantFrom(",", "=", "r="),
  );
  const messages = fc.oneof(
    fc.array(pieces, { maxLength: 6 }).map((all) => Buffer.from(all.join(""))),
    fc.uint8Array({ maxLength: 100 }).map((bytes) => Buffer.from(bytes)),
    fc.tuple(fc.constantFrom(...texts), fc.nat(80), fc.nat(255)).map(([text, at, byte]) => {
      const changed = Buffer.from(text);
      if (changed.length > 0) changed[at % changed.length] = byte;
      return changed;
    }),
  );
  fc.assert(
    fc.property(messages, (token) => {
      const found = clientFirstOf(token);
      assert.notEqual(found?.user, "");
      const last = serverFinal("SCRAM-SHA-256", credential, first, challenge, nonce, token);
      assert.equal(last !== undefined, token.toString() === finalText);
    }),
    { numRuns: 3000 },
  );
});
