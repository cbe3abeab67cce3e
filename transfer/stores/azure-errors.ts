// What an answer of Azure Blob Storage means for us: one table.
//
// What must hold: the store's own code decides, before the HTTP status; what nobody knows is a
// fault of the world (retry) above 500 and a refusal below. Of what the store says only its code
// and the first line of its message are taken: what follows is about the request, and its address
// may have a signature in it.
//
// Source: learn.microsoft.com/rest/api/storageservices, "Blob Storage error codes" and "Common REST
// API error codes".

import { type Code, SkyError } from "../../model/errors.ts";

export interface AzureFailure {
  /** The store's code, or Node's (`ECONNRESET`). */
  readonly code: string;
  readonly status?: number;
  readonly message: string;
}

type Meaning = Extract<Code, `objects/${string}`>;

const codesOf: Readonly<Record<Meaning, readonly string[]>> = {
  "objects/no-bucket": ["ContainerNotFound", "InvalidResourceName", "ContainerDisabled"],
  "objects/no-object": ["BlobNotFound", "ResourceNotFound"],
  "objects/denied": [
    ...["AuthenticationFailed", "AuthorizationFailure", "AuthorizationPermissionMismatch"],
    ...[
      "AuthorizationProtocolMismatch",
      "AuthorizationResourceTypeMismatch",
      "InvalidAuthenticationInfo",
    ],
    ...[
      "AuthorizationServiceMismatch",
      "AuthorizationSourceIPMismatch",
      "NoAuthenticationInformation",
    ],
    ...["InsufficientAccountPermissions", "AccountIsDisabled", "PublicAccessNotPermitted"],
    ...[
      "UnauthorizedBlobOverwrite",
      "KeyBasedAuthenticationNotPermitted",
      "CredentialUnavailableError",
    ],
    ...[
      "AuthenticationRequiredError",
      "AuthenticationError",
      "BlobAccessTierNotSupportedForAccountType",
    ],
  ],
  "objects/changed": ["ConditionNotMet", "TargetConditionNotMet", "InvalidRange"],
  // A block that is not as it was sent, or not there: the object has to be sent again.
  "objects/damaged": [
    ...["Md5Mismatch", "InvalidMd5", "Crc64Mismatch", "InvalidBlockList"],
    ...["BlobUncommittedBlocksDamaged"],
  ],
  "objects/failed": [
    ...["ServerBusy", "InternalError", "OperationTimedOut", "ContainerBeingDeleted"],
    ...["IncompleteBody", "SystemInUse", "CannotVerifyCopySource", "REQUEST_SEND_ERROR"],
  ],
  "objects/refused": [
    ...["BlobArchived", "BlobBeingRehydrated", "BlobImmutableDueToPolicy", "InvalidBlobType"],
    ...["InvalidBlobOrBlock", "InvalidBlockId", "BlockListTooLong", "BlockCountExceedsLimit"],
    ...["RequestBodyTooLarge", "MetadataTooLarge", "InvalidMetadata", "EmptyMetadataKey"],
    ...[
      "InvalidUri",
      "InvalidInput",
      "InvalidHeaderValue",
      "LeaseIdMissing",
      "LeaseAlreadyPresent",
    ],
    ...[
      "ContainerAlreadyExists",
      "BlobAlreadyExists",
      "SnapshotsPresent",
      "FeatureVersionMismatch",
    ],
    ...["RequestUrlFailedToParse", "OutOfRangeInput", "UnsupportedHeader"],
  ],
};

const meanings: ReadonlyMap<string, Meaning> = new Map(
  Object.entries(codesOf).flatMap(([meaning, codes]) =>
    codes.map((code) => [code, meaning as Meaning] as const),
  ),
);

/** Of an answer without a code that we know. */
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

export function azureMeaning({ code, status }: AzureFailure): Meaning {
  const known = meanings.get(code);
  if (known !== undefined) return known;
  if (status === undefined) return "objects/failed";
  return statuses[status] ?? (status >= 300 && status < 500 ? "objects/refused" : "objects/failed");
}

export interface AzurePlace {
  readonly container: string;
  readonly object: string;
  /** Words that may not be in an error. */
  readonly secrets: readonly string[];
}

export function azureError(failure: AzureFailure, place: AzurePlace): SkyError {
  const { container, object } = place;
  const meaning = azureMeaning(failure);
  if (meaning === "objects/no-bucket") return new SkyError(meaning, { bucket: container });
  if (meaning === "objects/no-object") return new SkyError(meaning, { object });
  return new SkyError(meaning, { object, why: whyOf(failure, place.secrets) });
}

const whyCharsMax = 300;

function whyOf({ code, status, message }: AzureFailure, secrets: readonly string[]): string {
  const [line = ""] = message.trim().split(/[\r\n]/, 1);
  let text = line === code ? "" : line;
  for (const secret of secrets) if (secret !== "") text = text.replaceAll(secret, "…");
  if (text.length > whyCharsMax) text = `${text.slice(0, whyCharsMax)}…`;
  const name = code === "" ? "HTTP" : code;
  return `${name}${status === undefined ? "" : ` (${status})`}${text === "" ? "" : `: ${text}`}`;
}

/** What of whatever the SDK threw is looked at. */
export function azureFailure(error: unknown): AzureFailure {
  const { code, statusCode, message, name, details } = (error ?? {}) as Thrown;
  const said = details?.errorCode ?? details?.code ?? code;
  const isNamed = typeof name === "string" && meanings.has(name);
  return {
    code: typeof said === "string" ? said : isNamed ? String(name) : "",
    ...(typeof statusCode === "number" ? { status: statusCode } : {}),
    message: typeof message === "string" ? message : "",
  };
}

interface Thrown {
  readonly code?: unknown;
  readonly statusCode?: unknown;
  readonly message?: unknown;
  readonly name?: unknown;
  readonly details?: { readonly errorCode?: unknown; readonly code?: unknown };
}
