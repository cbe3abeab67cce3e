// What an answer of Google Cloud Storage means for us: one table for both of its APIs.
//
// What must hold: the store's own reason decides, before the HTTP status; what nobody knows is a
// fault of the world (retry) above 500 and a refusal below. Of what the store says, its reason and
// its message are taken, cut to a length; no token is in either.
//
// Sources: cloud.google.com/storage/docs/json_api/v1/status-codes (reasons begin small) and
// cloud.google.com/storage/docs/xml-api/reference-status (codes begin with a capital).

import { type Code, SkyError } from "../../model/errors.ts";
import { tagged } from "./xml-text.ts";

export interface GcsFailure {
  readonly status: number;
  /** `notFound`, `NoSuchKey`; empty where the store says none. */
  readonly reason: string;
  readonly message: string;
}

type Meaning = Extract<Code, `objects/${string}`>;

const reasonsOf: Readonly<Record<Meaning, readonly string[]>> = {
  "objects/no-bucket": ["NoSuchBucket", "InvalidBucketName"],
  "objects/no-object": ["NoSuchKey", "NoSuchUpload"],
  "objects/denied": [
    ...["authError", "required", "expired", "forbidden", "accountDisabled", "countryBlocked"],
    ...["insufficientPermissions", "sslRequired", "unknownAuth", "domainPolicy", "lockedDomain"],
    ...["userProjectAccountProblem", "userProjectInconsistent", "userProjectMissing"],
    ...["AccessDenied", "AuthenticationRequired", "InvalidSecurity", "ExpiredToken", "NotSignedUp"],
    ...["AccountProblem", "InvalidPayer", "UserProjectMissing", "SignatureDoesNotMatch"],
    ...["UserProjectAccountProblem", "UserProjectInconsistent", "InvalidAccessKeyId"],
  ],
  "objects/changed": [
    ...["conditionNotMet", "requestedRangeNotSatisfiable"],
    ...["PreconditionFailed", "InvalidRange"],
  ],
  "objects/damaged": ["BadDigest", "InvalidDigest", "InvalidPart", "InvalidPartOrder"],
  "objects/failed": [
    ...["rateLimitExceeded", "userRateLimitExceeded", "dailyLimitExceeded", "quotaExceeded"],
    ...["backendError", "internalError", "transientError", "usageLimits", "concurrentOperation"],
    ...["SlowDown", "InternalError", "ServiceUnavailable", "RequestTimeout", "OperationAborted"],
    ...["IncompleteBody", "NotReady", "UserProjectRateLimitExceeded"],
  ],
  "objects/refused": [
    ...["invalid", "invalidParameter", "badRequest", "invalidArgument", "parseError", "conflict"],
    ...["uploadTooLarge", "fieldLimitExceeded", "retentionPolicyNotMet", "objectUnderActiveHold"],
    ...["BucketNotEmpty", "BucketNameUnavailable", "EntityTooLarge", "EntityTooSmall"],
    ...["InvalidArgument", "InvalidURI", "KeyTooLong", "MalformedXML", "MetadataTooLarge"],
    ...["MethodNotAllowed", "TooManyParts", "ObjectUnderActiveHold", "BucketAlreadyOwnedByYou"],
  ],
};

const meanings: ReadonlyMap<string, Meaning> = new Map(
  Object.entries(reasonsOf).flatMap(([meaning, reasons]) =>
    reasons.map((reason) => [reason, meaning as Meaning] as const),
  ),
);

const statuses: Readonly<Record<number, Meaning>> = {
  401: "objects/denied",
  403: "objects/denied",
  404: "objects/no-object",
  408: "objects/failed",
  409: "objects/refused",
  412: "objects/changed",
  416: "objects/changed",
  429: "objects/failed",
};

export function gcsMeaning({ status, reason, message }: GcsFailure): Meaning {
  // The JSON API has one reason for an object and its bucket, and one for a checksum and a name.
  const isMissing = status === 404 && /bucket does not exist/i.test(message);
  if (isMissing) return "objects/no-bucket";
  const isDamaged = status === 400 && /(md5|crc32c).*(match|invalid)/is.test(message);
  if (isDamaged) return "objects/damaged";
  const known = meanings.get(reason);
  if (known !== undefined) return known;
  return statuses[status] ?? (status >= 300 && status < 500 ? "objects/refused" : "objects/failed");
}

export interface GcsPlace {
  readonly bucket: string;
  readonly object: string;
}

export function gcsError(failure: GcsFailure, { bucket, object }: GcsPlace): SkyError {
  const meaning = gcsMeaning(failure);
  if (meaning === "objects/no-bucket") return new SkyError(meaning, { bucket });
  if (meaning === "objects/no-object") return new SkyError(meaning, { object });
  return new SkyError(meaning, { object, why: whyOf(failure) });
}

const whyCharsMax = 300;
/** More of a body is no message, but a page of some proxy. */
const messageCharsMax = 4_096;

function whyOf({ status, reason, message }: GcsFailure): string {
  const text = message.replace(/\s+/g, " ").trim();
  const cut = text.length > whyCharsMax ? `${text.slice(0, whyCharsMax)}…` : text;
  const hint = /^userproject(missing|inconsistent)/i.test(reason) ? "; try --requester-pays" : "";
  return `${reason === "" ? "HTTP" : reason} (${status})${cut === "" ? "" : `: ${cut}`}${hint}`;
}

/** What an answer says of its failure, in JSON, XML or as it comes. */
export function gcsFailure(status: number, body: Uint8Array): GcsFailure {
  const text = Buffer.from(body).toString();
  const inXml = tagged(text, "Error")[0];
  if (inXml !== undefined) {
    const [reason = ""] = tagged(inXml, "Code");
    const [message = ""] = tagged(inXml, "Message");
    return { status, reason, message };
  }
  return { status, ...inJson(text) };
}

function inJson(text: string): Omit<GcsFailure, "status"> {
  const plain = { reason: "", message: text.slice(0, messageCharsMax) };
  if (!text.trimStart().startsWith("{")) return plain;
  try {
    const { error } = JSON.parse(text) as { error?: unknown };
    if (typeof error !== "object" || error === null) return plain;
    const { message, errors } = error as { message?: unknown; errors?: unknown };
    const first: unknown = Array.isArray(errors) ? errors[0] : undefined;
    const { reason } = (first ?? {}) as { reason?: unknown };
    return { reason: String(reason ?? ""), message: String(message ?? "") };
  } catch {
    // Cut off, or no JSON after all: told as it is.
    return plain;
  }
}
