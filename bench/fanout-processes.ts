// The processes of a fan-out that is measured or tested: started, heard, and ended by their ids.

import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import {
  createAuthority,
  issueCertificate,
  type KeyedCertificate,
} from "../runtime/certificates-os.ts";
import type { StreamSecurity } from "../runtime/stream-tcp.ts";
import type { FanOutPart, FanOutWord } from "./fanout-party.ts";
import { checkout } from "./home.ts";

/** Who is who: certificates of one authority. */
export class Names {
  readonly #authority: KeyedCertificate;
  readonly #hosts: readonly string[];

  private constructor(authority: KeyedCertificate, hosts: readonly string[]) {
    this.#authority = authority;
    this.#hosts = hosts;
  }

  static async create(hosts: readonly string[]): Promise<Names> {
    return new Names(await createAuthority("a fan-out", Date.now()), hosts);
  }

  async security(commonName: string): Promise<StreamSecurity> {
    const leaf = { commonName, hosts: this.#hosts, nowMs: Date.now() };
    const keyed = await issueCertificate(this.#authority, leaf);
    return { kind: "tls", ...keyed, authority: this.#authority.certificate };
  }
}

type WordOf<T extends FanOutWord["type"]> = Extract<FanOutWord, { readonly type: T }>;

export class FanOutProcess {
  readonly words: FanOutWord[] = [];
  readonly #child: ChildProcess;
  readonly #ended: Promise<string>;
  readonly #waiting = new Set<() => void>();

  constructor(part: FanOutPart, before: readonly string[] = []) {
    const script = join(checkout, "bench/fanout-party.ts");
    const [program = "", ...args] = [...before, process.execPath, script];
    const child = spawn(program, args, { stdio: ["pipe", "pipe", "pipe"] });
    this.#child = child;
    let complaint = "";
    child.stderr.on("data", (text: Buffer) => {
      complaint = `${complaint}${text}`.slice(-4_000);
    });
    createInterface({ input: child.stdout }).on("line", (line) => {
      this.words.push(JSON.parse(line) as FanOutWord);
      for (const wake of this.#waiting) wake();
      this.#waiting.clear();
    });
    this.#ended = new Promise((resolve) => {
      child.on("error", (error) => resolve(error.message));
      child.on("close", (code, signal) => resolve(`${signal ?? code}: ${complaint}`));
    });
    child.stdin.on("error", () => {
      // It ended, which is told by its end.
    });
    child.stdin.write(`${JSON.stringify(part)}\n`);
  }

  /** Lifts its throttle. */
  hurry(): void {
    this.#child.stdin?.write("hurry\n");
  }

  /** The first word of that type, already said or yet to come. @throws if it ends without it. */
  async word<T extends FanOutWord["type"]>(type: T): Promise<WordOf<T>> {
    for (;;) {
      const found = this.words.find((word) => word.type === type);
      if (found !== undefined) return found as WordOf<T>;
      const heard = new Promise<undefined>((resolve) => {
        this.#waiting.add(() => resolve(undefined));
      });
      const end = await Promise.race([heard, this.#ended]);
      if (end !== undefined) throw new Error(`a party ended without a word of "${type}": ${end}`);
    }
  }

  get ended(): Promise<string> {
    return this.#ended;
  }

  kill(): void {
    this.#child.kill("SIGKILL");
  }
}
