// What clients may ask of the broker, so that none of them can take it from the others.

const mebibyte = 1024 * 1024;

/** Longest request. */
export const requestBytesMax: number = 100 * mebibyte;
/** Requests of one connection that have been begun and not yet been answered: more are not read. */
export const pipelinedMax = 64;
/** What those take, and the answers to them that are ready and have to wait. */
export const pipelinedBytesMax: number = 16 * mebibyte;
/**
 * What all connections hold together: requests that arrive or have been begun, answers that wait. One at a time may go
 * beyond it, by no more than the longest request, and what was given up stays in memory for a while: so a broker does
 * with 256 MiB, whoever its clients are (`npm run crash -- hostile`).
 */
export const inFlightBytesMax: number = 16 * mebibyte;
/** What each connection may hold however much others do: more than what is read at once, which is 64 KiB. */
export const ownBytesMax: number = 128 * 1024;
/** So much an answer may take however much others do. */
export const answerBytesMin: number = mebibyte;
/** So many requests of one connection are begun before others get their turn. */
export const requestsInTurn = 16;
/** Connections at a time, over all listeners, well below the usual limit of descriptors: segments need some, too. */
export const connectionsMax = 768;
/** Places to listen on. */
export const listenersMax = 16;
/** A TLS handshake has to end by then. */
export const handshakeMsMax = 10_000;
/** Who a client is has to be known by then, on a listener with SASL; until it is, requests are no longer than this. */
export const authenticationMsMax = 10_000;
export const unauthenticatedBytesMax: number = 64 * 1024;
/** Without a request, a connection is closed. */
export const idleMsMax: number = 10 * 60_000;
/** A request whose first bytes are there has to be there by then. */
export const partialMsMax = 30_000;
/** An answer that has been begun has to be taken by then. */
export const sendMsMax: number = 10 * 60_000;
/** While others wait for memory, whoever holds more than its own share of it has to have another answer by then. */
export const answerMsMaxWhenShort = 30_000;
/** No Fetch waits longer, whatever it asks: meanwhile it may not be noticed that the client has left. */
export const fetchWaitMsMax: number = 5 * 60_000;
/** What one request may make, as with Kafka; a topic of the usual number of partitions in any case. */
export const createdPartitionsMax = 10_000;
/** What one Fetch answers at most, as with Kafka. */
export const fetchBytesMax: number = 55 * mebibyte;
/** What a partition's part of it is read into: what clients ask of one if they are not told otherwise. */
export const fetchMemoryBytes: number = mebibyte;
/** So many of these wait to be used again, and are being read into at once. */
export const fetchMemoryKept = 8;
export const groupMembersMax = 1000;
/** Groups that have members or expect some. */
export const groupsMax = 10_000;
/** What a member may say of itself: how many protocols it knows, and what it tells about all of them. */
export const memberProtocolsMax = 16;
export const memberBytesMax: number = mebibyte;
/** What all members of all groups have said and been assigned may take so much; beyond it each may have a little more. */
export const membersBytesMax: number = 32 * mebibyte;
export const memberBytesModest = 4096;
/** As with the log's own groups, which they are. */
const groupIdLengthMax = 249;
/** What a client may note beside a committed offset. */
export const commitMetadataBytesMax = 4096;
/** Below this a member could not even answer. */
export const sessionTimeoutMsMin = 100;
export const sessionTimeoutMsMax: number = 30 * 60_000;

/** A transaction may stay open that long, as with Kafka. */
export const transactionTimeoutMsMax: number = 15 * 60_000;
/** A transactional id that nobody has used for this long is forgotten, as with Kafka. */
export const transactionalIdIdleMsMax: number = 7 * 24 * 60 * 60_000;
/** In UTF-8. */
export const transactionalIdBytesMax = 249;
/**
 * So many are remembered, more than twice as many as there are connections. When they are used up, a new one takes the
 * place of the one that nobody has used for longest, if that is at least an hour and it has no transaction open; otherwise
 * the new one has to come again later.
 */
export const transactionalIdsMax = 2000;
export const transactionalIdIdleMsMin: number = 60 * 60_000;
/** Partitions of one transaction, and offsets; all about it is written anew with each request that adds some. */
export const transactionPlacesMax = 1000;
export const transactionBytesMax: number = 256 * 1024;
/** What all open transactions take; beyond it, each may grow to a little. So a broker does with 256 MiB, see above. */
export const transactionsBytesMax: number = 2 * mebibyte;
export const transactionBytesModest = 512;

/** Beyond so many, clients make no new ones: all of them are in memory. */
export const usersMax = 2000;

export function isGroupId(groupId: string): boolean {
  return groupId !== "" && groupId.length <= groupIdLengthMax;
}
