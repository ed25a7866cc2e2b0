// Who is let in, as administrators see and change it: Kafka's SCRAM credentials, which are our users.
//
// There are no access control lists, but not everybody who is let in may let in others: a user sees and changes its own
// credentials, where nobody can listen in. All users are for whoever comes by a listener that only programs of this
// machine can reach and that asks nobody who he is.
import { apis, ErrorCode, type RequestOf } from "@strandlog/protocol";
import { type BrokerContext, type Handler, handler, type Session } from "../context.js";
import { type Refusal, refusalOf } from "../error-codes.js";
import { usersMax } from "../limits.js";
import {
  changeUser,
  credentialOfSalted,
  credentialsOf,
  isUserName,
  iterationsMax,
  iterationsMin,
  keyBytesOf,
  type ScramMechanism,
  saltBytesMax,
  saltBytesMin,
  type UserCredentials,
  users,
} from "../security/index.js";
import { mapInTurns } from "../turns.js";

type Deletion = RequestOf<typeof apis.alterUserScramCredentials>["deletions"][number];
type Upsertion = RequestOf<typeof apis.alterUserScramCredentials>["upsertions"][number];
type Alteration = Deletion | Upsertion;

const mechanisms: ReadonlyMap<number, ScramMechanism> = new Map([
  [1, "SCRAM-SHA-256"],
  [2, "SCRAM-SHA-512"],
]);
const done: Refusal = { errorCode: ErrorCode.NONE, errorMessage: null };

export const describeUserScramCredentialsHandler: Handler = handler(
  apis.describeUserScramCredentials,
  async ({ body }, session, broker) => {
    const isAll = body.users === null || body.users.length === 0;
    const refusal = isAll ? refusalFor(undefined, session) : done;
    if (refusal !== done) return { ...refusal, results: [] };
    try {
      const names = isAll ? await users(broker.log) : (body.users ?? []).map(({ name }) => name);
      const results = await mapInTurns([...new Set(names)], async (user) => {
        const isTwice = !isAll && names.indexOf(user) !== names.lastIndexOf(user);
        return { user, ...(await described(user, isTwice, session, broker)) };
      });
      return { ...done, results };
    } catch (error) {
      return { ...refusalOf(error), results: [] };
    }
  },
);

export const alterUserScramCredentialsHandler: Handler = handler(
  apis.alterUserScramCredentials,
  async ({ body }, session, broker) => {
    const byUser = new Map<string, Alteration[]>();
    for (const each of [...body.deletions, ...body.upsertions]) {
      const known = byUser.get(each.name);
      if (known === undefined) byUser.set(each.name, [each]);
      else known.push(each);
    }
    // One after the other, so that they are counted.
    const results: (Refusal & { readonly user: string })[] = [];
    for (const [user, alterations] of byUser)
      results.push({ user, ...(await altered(user, alterations, session, broker)) });
    return { results };
  },
);

async function described(
  user: string,
  isTwice: boolean,
  session: Session,
  { log }: BrokerContext,
): Promise<Refusal & { readonly credentialInfos: readonly { mechanism: number; iterations: number }[] }> {
  const refusal = isTwice
    ? refused("DUPLICATE_RESOURCE", "a user may be named once in a request")
    : refusalFor(user, session);
  if (refusal !== done) return { ...refusal, credentialInfos: [] };
  const credentials = await credentialsOf(log, user);
  if (credentials === undefined) return { ...notThere(), credentialInfos: [] };
  const credentialInfos = [...mechanisms].flatMap(([mechanism, name]) => {
    const { iterations } = credentials.get(name) ?? {};
    return iterations === undefined ? [] : [{ mechanism, iterations }];
  });
  return { ...done, credentialInfos };
}

/** All of it or nothing. */
async function altered(
  user: string,
  alterations: readonly Alteration[],
  session: Session,
  { log }: BrokerContext,
): Promise<Refusal> {
  const isTwice = new Set(alterations.map(({ mechanism }) => mechanism)).size < alterations.length;
  const refusals = [
    refusalFor(user, session),
    isTwice
      ? refused("DUPLICATE_RESOURCE", "each mechanism of a user may be altered once in a request")
      : done,
    ...alterations.map(flawOf),
  ];
  const refusal = refusals.find((each) => each !== done);
  if (refusal !== undefined) return refusal;
  try {
    const isNew = (await credentialsOf(log, user)) === undefined;
    if (isNew && (await users(log)).length >= usersMax)
      return refused("POLICY_VIOLATION", `there are ${usersMax} users, which is as many as there may be`);
    let outcome = done;
    await changeUser(log, user, (known) => {
      // Whoever has been deleted stays so, even if its connection is still open.
      const isDeleted = known === undefined && session.authentication !== undefined;
      const isMissing = alterations.some(
        (each) => isDeleted || (!("salt" in each) && !known?.has(mechanismOf(each) as ScramMechanism)),
      );
      outcome = isMissing ? notThere() : done;
      return isMissing ? undefined : changed(known, alterations);
    });
    return outcome;
  } catch (error) {
    return refusalOf(error);
  }
}

function changed(known: UserCredentials | undefined, alterations: readonly Alteration[]): UserCredentials {
  const credentials = new Map(known);
  for (const each of alterations) {
    const mechanism = mechanismOf(each) as ScramMechanism;
    if ("salt" in each) {
      // The frame that they came in is not kept.
      const [salt, salted] = [Buffer.from(each.salt), Buffer.from(each.saltedPassword)];
      credentials.set(mechanism, credentialOfSalted(mechanism, salted, salt, each.iterations));
    } else credentials.delete(mechanism);
  }
  return credentials;
}

function flawOf(alteration: Alteration): Refusal {
  const mechanism = mechanismOf(alteration);
  if (mechanism === undefined)
    return refused("UNSUPPORTED_SASL_MECHANISM", `there is no SCRAM mechanism ${alteration.mechanism}`);
  if (!("salt" in alteration)) return done;
  const { name, iterations, salt, saltedPassword } = alteration;
  const unacceptable = (message: string): Refusal => refused("UNACCEPTABLE_CREDENTIAL", message);
  if (!isUserName(name))
    return unacceptable("a user's name must have 1 to 255 bytes, and no control characters");
  if (iterations < iterationsMin || iterations > iterationsMax)
    return unacceptable(`iterations must be ${iterationsMin} to ${iterationsMax}, not ${iterations}`);
  if (salt.length < saltBytesMin || salt.length > saltBytesMax)
    return unacceptable(`a salt must have ${saltBytesMin} to ${saltBytesMax} bytes, not ${salt.length}`);
  if (saltedPassword.length !== keyBytesOf(mechanism))
    return unacceptable(`a salted password for ${mechanism} has ${keyBytesOf(mechanism)} bytes`);
  return done;
}

/** Why this user, undefined: all of them, is none of the client's business, if so. */
function refusalFor(user: string | undefined, { isLocal, isPrivate, authentication }: Session): Refusal {
  if (authentication === undefined) {
    const message =
      "users are changed by who has authenticated, or on a listener at 127.0.0.1 that does not ask for that";
    return isLocal ? done : refused("CLUSTER_AUTHORIZATION_FAILED", message);
  }
  if (authentication.user !== user || user === undefined)
    return refused(
      "CLUSTER_AUTHORIZATION_FAILED",
      "who has authenticated may change its own password and no other",
    );
  return isPrivate ? done : refused("CLUSTER_AUTHORIZATION_FAILED", "a password is changed by TLS only");
}

function mechanismOf({ mechanism }: Alteration): ScramMechanism | undefined {
  return mechanisms.get(mechanism);
}

function notThere(): Refusal {
  return refused("RESOURCE_NOT_FOUND", "there is no such credential");
}

function refused(name: keyof typeof ErrorCode, errorMessage: string): Refusal {
  return { errorCode: ErrorCode[name], errorMessage };
}
