// What client and server say to each other by each mechanism, token by token, until it is known who the client is.
import type { SaslMechanism } from "../listener-options.js";
import type { Authenticator } from "./authenticator.js";
import { clientFirstOf, type ScramMechanism, serverFinal, serverFirst } from "./scram.js";

/** What comes of a client's token: it has to say more, it is who it says it is, or it is refused. */
type Reply =
  | { readonly kind: "more"; readonly token: Buffer; readonly next: Exchange }
  | { readonly kind: "done"; readonly token: Buffer; readonly user: string }
  | { readonly kind: "refused"; readonly user?: string };

export type Exchange = (token: Buffer) => Promise<Reply>;

const nonceBytes = 18;
const refused: Reply = { kind: "refused" };

export function exchangeOf(
  mechanism: SaslMechanism,
  authenticator: Authenticator,
  isGone: () => boolean,
): Exchange {
  return mechanism === "PLAIN" ? plain(authenticator, isGone) : scram(mechanism, authenticator);
}

/** RFC 4616: whom to act as, who it is, the password; between them bytes of 0. */
function plain(authenticator: Authenticator, isGone: () => boolean): Exchange {
  return async (token) => {
    const first = token.indexOf(0);
    const second = token.indexOf(0, first + 1);
    if (first < 0 || second < 0) return refused;
    const authorized = token.toString("utf8", 0, first);
    const user = token.toString("utf8", first + 1, second);
    const password = token.subarray(second + 1);
    if (user === "" || password.includes(0) || !["", user].includes(authorized)) return refused;
    const isUser = await authenticator.isPassword(user, password, isGone);
    return isUser ? { kind: "done", token: Buffer.alloc(0), user } : { kind: "refused", user };
  };
}

function scram(mechanism: ScramMechanism, authenticator: Authenticator): Exchange {
  return async (token) => {
    const first = clientFirstOf(token);
    if (first === undefined) return refused;
    const { user } = first;
    const credential = await authenticator.credentialOf(user, mechanism);
    const nonce = first.nonce + authenticator.randomBytes(nonceBytes).toString("base64");
    const challenge = serverFirst(nonce, credential);
    const next: Exchange = async (last) => {
      const proof = serverFinal(mechanism, credential, first, challenge, nonce, last);
      return proof === undefined
        ? { kind: "refused", user }
        : { kind: "done", token: Buffer.from(proof), user };
    };
    return { kind: "more", token: Buffer.from(challenge), next };
  };
}
