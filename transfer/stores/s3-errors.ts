// What an answer of S3, or of a store that speaks like it, means for us: one table.
//
// What must hold: the store's own code decides, before the HTTP status; what nobody knows is a
// fault of the world (retry) above 500 and a refusal below. Nothing secret gets into an error: of
// what the store says only its code and its message are taken, without any key of ours.
//
// Source: docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html; codes that begin with XMinio
// are MinIO's.

import { type Code, SkyError } from "../../model/errors.ts";

/** What of an error of the SDK is looked at. */
export interface S3Failure {
  /** The store's code, or Node's (`ECONNRESET`). */
  readonly code: string;
  readonly status?: number;
  readonly message: string;
}

type Meaning = Extract<
  Code,
  | "objects/no-bucket"
  | "objects/no-object"
  | "objects/denied"
  | "objects/changed"
  | "objects/damaged"
  | "objects/failed"
  | "objects/refused"
>;

const codesOf: Readonly<Record<Meaning, readonly string[]>> = {
  "objects/no-bucket": ["NoSuchBucket", "InvalidBucketName", "NoSuchBucketException"],
  "objects/no-object": ["NoSuchKey", "NoSuchVersion", "NoSuchUpload", "NotFound"],
  "objects/denied": [
    ...["AccessDenied", "AccountProblem", "AllAccessDisabled", "ExpiredToken", "Forbidden"],
    ...["InvalidAccessKeyId", "InvalidPayer", "InvalidSecurity", "InvalidToken", "NotSignedUp"],
    ...["SignatureDoesNotMatch", "TokenRefreshRequired", "UnauthorizedAccess", "Unauthorized"],
    ...["AuthorizationHeaderMalformed", "CredentialsProviderError", "InvalidTokenId"],
    ...["BucketAlreadyExists", "AuthFailure", "CredentialsError"],
  ],
  "objects/changed": ["PreconditionFailed", "InvalidRange", "ConditionalRequestConflict"],
  // A part that is not as it was sent: the object has to be sent again.
  "objects/damaged": [
    ...["BadDigest", "InvalidDigest", "XAmzContentSHA256Mismatch", "InvalidPart"],
    ...["XAmzContentChecksumMismatch", "InvalidPartOrder"],
  ],
  "objects/failed": [
    ...["SlowDown", "SlowDownRead", "SlowDownWrite", "ServiceUnavailable", "InternalError"],
    ...["RequestTimeout", "RequestTimeTooSkewed", "Throttling", "ThrottlingException"],
    ...["TooManyRequests", "TooManyRequestsException", "RequestLimitExceeded", "Busy"],
    ...["IncompleteBody", "OperationAborted", "BandwidthLimitExceeded", "TimeoutError"],
    ...["PriorRequestNotComplete", "RequestThrottled", "Unavailable", "XMinioServerNotInitialized"],
  ],
  "objects/refused": [
    ...["EntityTooLarge", "EntityTooSmall", "KeyTooLongError", "KeyTooLong", "MetadataTooLarge"],
    ...["InvalidArgument", "InvalidRequest", "InvalidObjectState", "InvalidStorageClass"],
    ...["MalformedXML", "MethodNotAllowed", "MissingContentLength", "NotImplemented"],
    ...["BucketNotEmpty", "QuotaExceeded", "XMinioStorageFull", "XMinioAdminBucketQuotaExceeded"],
    ...["InsufficientStorage", "StorageFull", "InvalidURI", "IllegalLocationConstraintException"],
    ...["XMinioInvalidObjectName", "XMinioObjectExistsAsDirectory", "MalformedPolicy"],
  ],
};

const meanings: ReadonlyMap<string, Meaning> = new Map(
  Object.entries(codesOf).flatMap(([meaning, codes]) =>
    codes.map((code) => [code, meaning as Meaning] as const),
  ),
);

/** Of a store that says no code that we know. */
const statuses: Readonly<Record<number, Meaning>> = {
  401: "objects/denied",
  403: "objects/denied",
  404: "objects/no-object",
  408: "objects/failed",
  409: "objects/failed",
  412: "objects/changed",
  416: "objects/changed",
  425: "objects/failed",
  429: "objects/failed",
  501: "objects/refused",
  507: "objects/refused",
};

export function s3Meaning({ code, status, message }: S3Failure): Meaning {
  const known = meanings.get(code);
  if (known !== undefined) return known;
  // The connection broke, or the answer in its middle: what it began to say is not known.
  const isBroken = /^E[A-Z_]+$/.test(code) || message.includes(sdkNote);
  if (status === undefined || isBroken) return "objects/failed";
  const meaning = statuses[status];
  if (meaning !== undefined) return meaning;
  return status >= 300 && status < 500 ? "objects/refused" : "objects/failed";
}

/** What it was about, for the error. */
export interface S3Place {
  readonly bucket: string;
  readonly object: string;
  /** Words that may not be in an error. */
  readonly secrets: readonly string[];
}

export function s3Error(failure: S3Failure, place: S3Place): SkyError {
  const { bucket, object } = place;
  const why = s3Why(failure, place.secrets);
  const meaning = s3Meaning(failure);
  if (meaning === "objects/no-bucket") return new SkyError(meaning, { bucket });
  if (meaning === "objects/no-object") {
    const isUpload = failure.code === "NoSuchUpload";
    return new SkyError(meaning, { object: isUpload ? `the upload of ${object}` : object });
  }
  return new SkyError(meaning, { object, why });
}

const whyCharsMax = 300;

/** The SDK adds it to whatever it could not read. */
const sdkNote = "Deserialization error";

/** What a user can do about a code whose own message does not say it. */
const hints: Readonly<Record<string, string>> = {
  ExpiredToken: "get new credentials, then --resume",
  InvalidObjectState: "it is archived: restore it first",
  AuthorizationHeaderMalformed: "the bucket is in another region: say it with --region",
  PermanentRedirect: "the bucket is in another region: say it with --region",
  CredentialsProviderError: "no credentials were found: see docs/transfers.md, Credentials",
};

function s3Why({ code, status, message }: S3Failure, secrets: readonly string[]): string {
  const said = message.split(sdkNote)[0]?.replace(/\s+/g, " ").trim() ?? "";
  let text = said === "" || said === code ? "" : `: ${said}`;
  for (const secret of secrets) {
    if (secret !== "") text = text.replaceAll(secret, "…");
  }
  if (text.length > whyCharsMax) text = `${text.slice(0, whyCharsMax)}…`;
  const hint = Object.hasOwn(hints, code) ? `; ${hints[code]}` : "";
  return `${code}${status === undefined ? "" : ` (${status})`}${text}${hint}`;
}
