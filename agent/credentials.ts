// A node's credentials, as it keeps them in its state folder.
//
// They hold the node's two secrets, so the file is its owner's only. A skylet that starts again
// uses them; it needs a token only when there are none, or when its head has forgotten it.

import { z } from "zod";

const credentialsSchema = z.object({
  cluster: z.string(),
  node: z.string(),
  /** Secret. */
  nkeySeed: z.string(),
  /** Secret. PEM. */
  key: z.string(),
  certificate: z.string(),
  authority: z.string(),
  busUrl: z.string(),
  streamHost: z.string(),
  streamPort: z.number(),
  wireVersion: z.number(),
});

export type Credentials = Readonly<z.infer<typeof credentialsSchema>>;

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
  const parsed = credentialsSchema.safeParse(json);
  if (!parsed.success) return undefined;
  const { data } = parsed;
  return data.cluster === node.cluster && data.node === node.node ? data : undefined;
}
