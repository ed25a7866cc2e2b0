import { apis, ErrorCode } from "@strandlog/protocol";
import { type Handler, handler } from "../context.js";
import { coordinatorRefusalOf } from "../error-codes.js";

const nobody = { producerId: -1, producerEpoch: -1 };

/**
 * Idempotent producers get an id; a new one if they ask again, which begins their sequences anew. Transactional ones get
 * that of their transactional id, with an epoch of their own.
 */
export const initProducerIdHandler: Handler = handler(
  apis.initProducerId,
  async ({ apiVersion, body }, _session, { producerIds, transactions }) => {
    const { transactionalId, transactionTimeoutMs, producerId, producerEpoch } = body;
    try {
      if (transactionalId === null)
        return { errorCode: ErrorCode.NONE, producerId: await producerIds.next(), producerEpoch: 0 };
      const known = { producerId, producerEpoch };
      const answer = await transactions.initialize(transactionalId, transactionTimeoutMs, known);
      const isUnknownCode = answer.errorCode === ErrorCode.PRODUCER_FENCED && apiVersion < 4;
      return isUnknownCode ? { ...answer, errorCode: ErrorCode.INVALID_PRODUCER_EPOCH } : answer;
    } catch (error) {
      return { ...nobody, errorCode: coordinatorRefusalOf(error) };
    }
  },
);
