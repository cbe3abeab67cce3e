// Why a host may have taken none of the user's keys: what OpenSSH does not say.
//
// A key with a passphrase is silently left out where nobody can be asked for it. So when a host
// turned us away, the user's keys are looked at: which have a passphrase that no agent saves us.

import { execFile } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { atHome } from "./openssh-options.ts";

const askMs = 5_000;

/** A sentence, or nothing to say. */
export async function lockedKeys(options: {
  readonly identityFiles: readonly string[];
  readonly home: string;
  readonly env: NodeJS.ProcessEnv;
}): Promise<string | undefined> {
  const { identityFiles, home, env } = options;
  const files = identityFiles.map((path) => atHome(path, home)).filter((path) => existsSync(path));
  const held = await words("ssh-add", ["-L"], env);
  const locked: string[] = [];
  for (const path of files) {
    if (held.text.includes(publicPart(path))) continue;
    const { code, text } = await words("ssh-keygen", ["-y", "-P", "", "-f", path], env);
    if (code !== 0 && /passphrase/.test(text)) locked.push(path);
  }
  if (locked.length === 0) return undefined;
  const [which, have] = locked.length === 1 ? ["the key", "has"] : ["the keys", "have"];
  const add = `ssh-add ${locked.join(" ")}`;
  return `${which} ${locked.join(", ")} ${have} a passphrase and no agent is there with it: ${add}`;
}

/** What an agent would show of the key; nothing that could be in a text if that is not known. */
function publicPart(path: string): string {
  const file = `${path}.pub`;
  const text = existsSync(file) ? readFileSync(file, "utf8") : "";
  return text.split(" ")[1] ?? "\0";
}

async function words(
  program: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
): Promise<{ readonly code: number; readonly text: string }> {
  return await new Promise((resolve) => {
    const child = execFile(program, [...args], { env, timeout: askMs }, (error, stdout, stderr) => {
      // What cannot be found out is not told.
      resolve({ code: error === null ? 0 : 1, text: `${stdout}\n${stderr}` });
    });
    child.stdin?.end();
  });
}
