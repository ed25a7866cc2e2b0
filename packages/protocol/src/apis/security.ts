// Who a client is, and what it may do.
import { api, array, bytes, int8, int16, int32, int64, string } from "../schema.js";

export const saslHandshake = api(17, "SaslHandshake", {
  versions: [0, 1],
  request: {
    mechanism: string,
  },
  response: {
    errorCode: int16,
    mechanisms: array(string),
  },
});

export const saslAuthenticate = api(36, "SaslAuthenticate", {
  versions: [0, 2],
  flexibleFrom: 2,
  request: {
    authBytes: bytes,
  },
  response: {
    errorCode: int16,
    errorMessage: string.nullable().or(null),
    authBytes: bytes,
    sessionLifetimeMs: int64.since(1).or(0),
  },
});

/** Of mechanisms: 1 is SCRAM-SHA-256, 2 is SCRAM-SHA-512. */
export const describeUserScramCredentials = api(50, "DescribeUserScramCredentials", {
  versions: [0, 0],
  flexibleFrom: 0,
  request: {
    users: array({
      name: string,
    }).nullable(),
  },
  response: {
    throttleTimeMs: int32.or(0),
    errorCode: int16,
    errorMessage: string.nullable().or(null),
    results: array({
      user: string,
      errorCode: int16,
      errorMessage: string.nullable().or(null),
      credentialInfos: array({
        mechanism: int8,
        iterations: int32,
      }),
    }),
  },
});

export const alterUserScramCredentials = api(51, "AlterUserScramCredentials", {
  versions: [0, 0],
  flexibleFrom: 0,
  request: {
    deletions: array({
      name: string,
      mechanism: int8,
    }),
    upsertions: array({
      name: string,
      mechanism: int8,
      iterations: int32,
      salt: bytes,
      saltedPassword: bytes,
    }),
  },
  response: {
    throttleTimeMs: int32.or(0),
    results: array({
      user: string,
      errorCode: int16,
      errorMessage: string.nullable().or(null),
    }),
  },
});

export const describeAcls = api(29, "DescribeAcls", {
  versions: [1, 3],
  flexibleFrom: 2,
  request: {
    resourceTypeFilter: int8,
    resourceNameFilter: string.nullable(),
    patternTypeFilter: int8.or(3),
    principalFilter: string.nullable(),
    hostFilter: string.nullable(),
    operation: int8,
    permissionType: int8,
  },
  response: {
    throttleTimeMs: int32.or(0),
    errorCode: int16,
    errorMessage: string.nullable().or(null),
    resources: array({
      resourceType: int8,
      resourceName: string,
      patternType: int8.or(3),
      acls: array({
        principal: string,
        host: string,
        operation: int8,
        permissionType: int8,
      }),
    }),
  },
});

export const createAcls = api(30, "CreateAcls", {
  versions: [1, 3],
  flexibleFrom: 2,
  request: {
    creations: array({
      resourceType: int8,
      resourceName: string,
      resourcePatternType: int8.or(3),
      principal: string,
      host: string,
      operation: int8,
      permissionType: int8,
    }),
  },
  response: {
    throttleTimeMs: int32.or(0),
    results: array({
      errorCode: int16,
      errorMessage: string.nullable().or(null),
    }),
  },
});

export const deleteAcls = api(31, "DeleteAcls", {
  versions: [1, 3],
  flexibleFrom: 2,
  request: {
    filters: array({
      resourceTypeFilter: int8,
      resourceNameFilter: string.nullable(),
      patternTypeFilter: int8.or(3),
      principalFilter: string.nullable(),
      hostFilter: string.nullable(),
      operation: int8,
      permissionType: int8,
    }),
  },
  response: {
    throttleTimeMs: int32.or(0),
    filterResults: array({
      errorCode: int16,
      errorMessage: string.nullable().or(null),
      matchingAcls: array({
        errorCode: int16,
        errorMessage: string.nullable().or(null),
        resourceType: int8,
        resourceName: string,
        patternType: int8.or(3),
        principal: string,
        host: string,
        operation: int8,
        permissionType: int8,
      }),
    }),
  },
});
