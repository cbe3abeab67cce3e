// A node's credentials, as it keeps them in its state folder.
//
// They hold the node's two secrets, so the file is its owner's only. A skylet that starts again
// uses them; it needs a token only when there are none, or when its head has forgotten it.

/** By field; the two secrets are `nkeySeed` and `key` (PEM). */
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

export type Credentials = {
  readonly [F in keyof FieldTypes]: FieldTypes[F] extends "number" ? number : string;
};

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
  if (!isCredentials(json)) return undefined;
  return json.cluster === node.cluster && json.node === node.node ? json : undefined;
}

/** By hand: a node that idles should not hold a library for ten fields. */
function isCredentials(json: unknown): json is Credentials {
  if (typeof json !== "object" || json === null) return false;
  const fields = json as Readonly<Record<string, unknown>>;
  return Object.entries(fieldTypes).every(([name, type]) => typeof fields[name] === type);
}
