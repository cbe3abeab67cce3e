// The logs of a cluster on hosts, brought here before it goes: from its first host, over SSH.
//
// The head has ended its jobs and has all their logs; it may have ended itself. What comes is a
// list of lengths and names, an empty line, and then all logs one after the other, in that order.
// It needs nothing on the host but what every host has, and one process for many logs.
//
// What must always hold: it resolves when every log is in this home, with the length that it has
// there; until then nothing here is replaced.

import { mkdir, open, rename, rm } from "node:fs/promises";
import type { HeadPlace } from "../../clouds/head-hosting.ts";
import { errorText, SkyError } from "../../model/errors.ts";
import type { Ssh } from "../../runtime/ssh.ts";

export interface LogFetch {
  readonly ssh: Pick<Ssh, "open">;
  readonly place: Pick<HeadPlace, "host" | "target" | "home">;
  readonly cluster: string;
  /** Where they go: the cluster's logs in this home. */
  readonly into: string;
}

const connectMs = 30_000;
const syncsMax = 32;
const namePattern = /^[A-Za-z0-9._-]+\.log$/;

/**
 * Of the cluster while it is there; of its archive once its head has taken it down. `wc` counts
 * together, too: no log is called `total`.
 */
export const fetchScript = `
LC_ALL=C
export LC_ALL
cd "$HOME" || exit 1
cd "$1" 2>/dev/null || { echo; exit 0; }
for dir in "clusters/$2/logs" logs/"$2"-[0-9]*; do
  [ -d "$dir" ] && [ -n "$(ls "$dir" | sed -n '/[.]log$/{p;q;}')" ] || continue
  cd "$dir" || exit 1
  ls | grep '[.]log$' | xargs wc -c || exit 1
  echo
  ls | grep '[.]log$' | xargs cat || exit 1
  exit 0
done
echo
`;

/** Gives how many there are. @throws SkyError of `runtime/ssh.ts`, `host/failed`. */
export async function fetchLogs(fetch: LogFetch, signal: AbortSignal): Promise<number> {
  const { ssh, place, cluster, into } = fetch;
  const call = { script: fetchScript, args: [place.home, cluster], timeoutMs: connectMs };
  const part = `${into}.part`;
  await rm(part, { recursive: true, force: true });
  await mkdir(part, { recursive: true, mode: 0o700 });
  // What nobody reads at once may be lost when the script ends.
  const stream = await ssh.open(place.target, call, signal);
  try {
    stream.stdin.end();
    const bytes = new ByteReader(stream.stdout);
    const logs = await listed(bytes);
    for (const log of logs) await keep(bytes, { ...log, path: `${part}/${log.name}` });
    if (!(await bytes.isOver())) throw new Error("there is more than was listed");
    const { code, stderr } = await stream.ended;
    if (code !== 0) throw new Error(stderr.trim() || `the script ended with ${code}`);
    await synced(logs.map(({ name }) => `${part}/${name}`));
    if (logs.length > 0) await replace(part, into);
    return logs.length;
  } catch (error) {
    stream.stdout.destroy();
    if (signal.aborted) throw signal.reason;
    const params = { host: place.host, what: "its logs", why: errorText(error) };
    throw new SkyError("host/failed", params, { cause: error });
  } finally {
    await rm(part, { recursive: true, force: true });
  }
}

async function replace(part: string, into: string): Promise<void> {
  await rm(into, { recursive: true, force: true });
  await rename(part, into);
}

interface Listed {
  readonly name: string;
  readonly length: number;
}

async function listed(bytes: ByteReader): Promise<readonly Listed[]> {
  const logs: Listed[] = [];
  for (;;) {
    const line = (await bytes.line()).trim();
    if (line === "") return logs;
    const [length = "", name = ""] = line.split(/\s+/);
    if (name === "total") continue;
    if (!namePattern.test(name)) throw new Error(`${line} is no log`);
    logs.push({ name, length: Number(length) });
  }
}

async function keep(
  bytes: ByteReader,
  { path, length }: Listed & { readonly path: string },
): Promise<void> {
  const file = await open(path, "wx", 0o600);
  try {
    for (let left = length; left > 0; ) {
      const part = await bytes.some(left);
      await file.writeFile(part);
      left -= part.length;
    }
  } finally {
    await file.close();
  }
}

/** Several at a time: a file system commits them together. */
async function synced(paths: readonly string[]): Promise<void> {
  const left = [...paths];
  const some = async (): Promise<void> => {
    for (let path = left.pop(); path !== undefined; path = left.pop()) {
      const file = await open(path, "r+");
      await file.sync().finally(() => file.close());
    }
  };
  await Promise.all(Array.from({ length: syncsMax }, some));
}

/** Takes apart what arrives in pieces. */
class ByteReader {
  readonly #source: AsyncIterator<Buffer>;
  #here: Buffer = Buffer.alloc(0);

  constructor(source: AsyncIterable<Buffer>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  /** Without its end. */
  async line(): Promise<string> {
    for (let end = -1; ; ) {
      end = this.#here.indexOf("\n");
      if (end >= 0) {
        const text = this.#here.toString("utf8", 0, end);
        this.#here = this.#here.subarray(end + 1);
        return text;
      }
      if (!(await this.#more())) throw new Error("the list was cut off");
    }
  }

  /** At least one byte, at most so many. */
  async some(countMax: number): Promise<Buffer> {
    if (this.#here.length === 0 && !(await this.#more())) throw new Error("a log was cut off");
    const part = this.#here.subarray(0, countMax);
    this.#here = this.#here.subarray(part.length);
    return part;
  }

  async isOver(): Promise<boolean> {
    return this.#here.length === 0 && !(await this.#more());
  }

  async #more(): Promise<boolean> {
    const { value, done } = await this.#source.next();
    if (done === true) return false;
    this.#here = this.#here.length === 0 ? value : Buffer.concat([this.#here, value]);
    return true;
  }
}
