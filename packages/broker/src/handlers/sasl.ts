// Who a client is. What these answer does not depend on the log, but on how far the connection has come.
import { apis, ErrorCode } from "@strandlog/protocol";
import { type Handler, handler } from "../context.js";

/**
 * After version 0 the tokens would come without Kafka's framing. It is advertised, since old librdkafka wants to see
 * it, and refused: whoever knows it knows version 1, too.
 */
export const saslHandshakeHandler: Handler = handler(
  apis.saslHandshake,
  ({ apiVersion, body }, { authentication }) => {
    if (authentication === undefined) return { errorCode: ErrorCode.ILLEGAL_SASL_STATE, mechanisms: [] };
    const { mechanisms } = authentication;
    if (apiVersion === 0) return { errorCode: ErrorCode.UNSUPPORTED_VERSION, mechanisms };
    return { errorCode: authentication.handshake(body.mechanism), mechanisms };
  },
);

export const saslAuthenticateHandler: Handler = handler(
  apis.saslAuthenticate,
  async ({ body }, { authentication }) => {
    if (authentication !== undefined) return authentication.authenticate(body.authBytes);
    const errorMessage = "this listener does not ask who its clients are";
    return { errorCode: ErrorCode.ILLEGAL_SASL_STATE, errorMessage, authBytes: Buffer.alloc(0) };
  },
);
