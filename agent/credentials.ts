// A node's credentials, as it keeps them in its state folder.
//
// They hold the node's secrets, so the file is its owner's only. A skylet that starts again
// uses them; it needs a token only when there are none, or when its head has forgotten it.

/** By field; the secrets are `nkeySeed`, `key` (PEM) and `busCredentials`. */
const fieldTypes = {
  cluster: "string",
  node: "string",
  nkeySeed: "string",
  key: "string",
  certificate: "string",
  authority: "string",
  busUrl: "string",
  streamHost: "string",
  streamPort: "number",
  wireVersion: "number",
} as const;

type FieldTypes = typeof fieldTypes;

type Needed = {
  readonly [F in keyof FieldTypes]: FieldTypes[F] extends "number" ? number : string;
};

export interface Credentials extends Needed {
  /** For a bus that is not the head's own; "" otherwise, and in files of earlier versions. */
  readonly busCredentials: string;
  readonly busAuthority: string;
}

export function credentialsPath(stateDir: string): string {
  return `${stateDir}/credentials.json`;
}

export function credentialsBytes(credentials: Credentials): Uint8Array {
  return Buffer.from(`${JSON.stringify(credentials, undefined, 2)}\n`);
}

/** The credentials of this node in a file's content; `undefined` if they are anything else. */
export function parseCredentials(
  content: Uint8Array,
  node: { readonly cluster: string; readonly node: string },
): Credentials | undefined {
  let json: unknown;
  try {
    json = JSON.parse(Buffer.from(content).toString());
  } catch {
    // A damaged file is as good as none: the node joins anew.
    return undefined;
  }
  if (!hasNeeded(json) || json.cluster !== node.cluster || json.node !== node.node) {
    return undefined;
  }
  const { busCredentials = "", busAuthority = "" } = json as Partial<Credentials>;
  return { ...json, busCredentials: String(busCredentials), busAuthority: String(busAuthority) };
}

/** By hand: a node that idles should not hold a library for ten fields. */
function hasNeeded(json: unknown): json is Needed {
  if (typeof json !== "object" || json === null) return false;
  const fields = json as Readonly<Record<string, unknown>>;
  return Object.entries(fieldTypes).every(([name, type]) => typeof fields[name] === type);
}
