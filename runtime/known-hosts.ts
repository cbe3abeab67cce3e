// Files of host keys, as OpenSSH keeps them: who is in them, and lines of our own. Pure.
//
// A host may be in a file by name, by pattern, or by a hash of its name that only who knows the
// name can find. What must always hold: a key is only ever added for a name that has no other key
// of its type, in any file that OpenSSH looks at.
// Source: sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT"; RFC 4251 §5, §6 for a key's own name.

import { createHash, createHmac } from "node:crypto";
import type { HostKey } from "./ssh.ts";

export interface KnownKey {
  /** From 1. */
  readonly line: number;
  readonly mark: "" | "@cert-authority" | "@revoked";
  readonly algorithm: string;
  /** In base 64. */
  readonly blob: string;
}

/** What a file says about a name. */
export function keysOf(text: string, name: string): readonly KnownKey[] {
  return text.split("\n").flatMap((line, index): readonly KnownKey[] => {
    const fields = line.trim().split(/\s+/);
    const [first = ""] = fields;
    if (first === "" || first.startsWith("#")) return [];
    const mark = first === "@revoked" || first === "@cert-authority" ? first : "";
    const [names = "", algorithm = "", blob = ""] = mark === "" ? fields : fields.slice(1);
    return isNamed(names, name) ? [{ line: index + 1, mark, algorithm, blob }] : [];
  });
}

function isNamed(names: string, name: string): boolean {
  if (names.startsWith("|1|")) {
    const [, , salt = "", hash = ""] = names.split("|");
    const mac = createHmac("sha1", Buffer.from(salt, "base64")).update(name).digest("base64");
    return mac === hash;
  }
  const patterns = names.split(",");
  const negated = patterns.filter((one) => one.startsWith("!")).map((one) => one.slice(1));
  if (negated.some((one) => isLike(one, name))) return false;
  return patterns.some((one) => !one.startsWith("!") && isLike(one, name));
}

function isLike(pattern: string, name: string): boolean {
  const source = pattern
    .replace(/[.+^${}()|[\]\\]/g, "\\$&")
    .replaceAll("*", ".*")
    .replaceAll("?", ".");
  return new RegExp(`^${source}$`, "i").test(name);
}

const shortNames: Readonly<Record<string, string>> = {
  "ssh-ed25519": "ED25519",
  "ssh-rsa": "RSA",
  "ssh-dss": "DSA",
  "ecdsa-sha2-nistp256": "ECDSA",
  "ecdsa-sha2-nistp384": "ECDSA",
  "ecdsa-sha2-nistp521": "ECDSA",
  "sk-ssh-ed25519@openssh.com": "ED25519-SK",
  "sk-ecdsa-sha2-nistp256@openssh.com": "ECDSA-SK",
};

/** A line of a file without marks; `undefined` for anything else. */
export function parseHostKey(line: string): HostKey | undefined {
  const [, name, algorithm, blob] =
    /^([^\s@|#,*?!][^\s,*?!]*) ([a-z][\w@.-]*) ([A-Za-z0-9+/]+={0,2})$/.exec(line.trim()) ?? [];
  if (name === undefined || algorithm === undefined || blob === undefined) return undefined;
  const bytes = Buffer.from(blob, "base64");
  if (algorithmIn(bytes) !== algorithm) return undefined;
  const digest = createHash("sha256").update(bytes).digest("base64").replace(/=+$/, "");
  return {
    name,
    type: shortNames[algorithm] ?? algorithm,
    fingerprint: `SHA256:${digest}`,
    line: `${name} ${algorithm} ${blob}`,
  };
}

/** A key begins with its algorithm's name. */
function algorithmIn(bytes: Buffer): string {
  if (bytes.length < 4) return "";
  return bytes.subarray(4, 4 + bytes.readUInt32BE(0)).toString("latin1");
}

/** What the files say of a key: it is there, or what stands against it, or nothing. */
export type Standing =
  | { readonly kind: "known" | "new" }
  | { readonly kind: "other" | "revoked"; readonly file: string; readonly line: number };

export interface KnownHostsFile {
  readonly path: string;
  readonly text: string;
}

export function standingOf(key: HostKey, files: readonly KnownHostsFile[]): Standing {
  const [, algorithm = "", blob = ""] = key.line.split(" ");
  const found = files.flatMap(({ path, text }) =>
    keysOf(text, key.name).map((known) => ({ ...known, file: path })),
  );
  const revoked = found.find((one) => one.mark === "@revoked" && one.blob === blob);
  if (revoked !== undefined) return { kind: "revoked", file: revoked.file, line: revoked.line };
  const plain = found.filter((one) => one.mark === "");
  if (plain.some((one) => one.blob === blob)) return { kind: "known" };
  const type = shortNames[algorithm];
  const other = plain.find((one) => shortNames[one.algorithm] === type);
  if (other !== undefined) return { kind: "other", file: other.file, line: other.line };
  return { kind: "new" };
}
