// `ssh CLUSTER` and `ssh CLUSTER-worker1`, kept working: a file of ours with a block for each host,
// which the user's own configuration includes as long as there is a cluster in it.
//
// What must always hold: the user's file has our lines only while they lead somewhere, and is byte
// for byte what it was when they are gone; a name of the user's own stays the user's.

import { rm } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { errorText, SkyError } from "../../model/errors.ts";
import {
  freshName,
  passwdHome,
  resolveHost,
  type SshFolder,
} from "../../runtime/openssh-folder-os.ts";
import { connectMsMax, knownHostsName, type Resolved } from "../../runtime/openssh-options.ts";
import {
  hostBlock,
  includeOf,
  includes,
  isOwnName,
  type Left,
  leftLine,
  namesHost,
  parseSections,
  plainName,
  type Section,
  type SshEntry,
  type SshNames,
  sectionsText,
  withInclude,
  withoutInclude,
  withSection,
} from "./ssh-config.ts";
import { changeUserFile, readUserFile, removeEmptyFolder } from "./user-file-os.ts";

export interface SshConfigOptions {
  /** Ours, which holds the record of keys too: `SKY_HOME/ssh`. */
  readonly dir: string;
  /** The user's; `SKY_SSH_CONFIG` or `~/.ssh/config` if nothing is said. */
  readonly userConfig?: string;
  readonly program?: string;
  /** Names that mean something else to us: those of the hosts of pools. */
  readonly reserved: () => Promise<ReadonlySet<string>>;
}

export interface SshConfig {
  /** These are the names of a cluster's nodes from now on. */
  set(cluster: string, entries: readonly SshEntry[]): Promise<SshNames>;
  /** One that is not there is removed. */
  remove(cluster: string): Promise<void>;
  /** Those in it. */
  clusters(): Promise<readonly string[]>;
}

/** At a time: each is a short `ssh -G`. */
const looksMax = 4;

export function createSshConfig(options: SshConfigOptions): SshConfig {
  return new ConfigFiles(options);
}

class ConfigFiles implements SshConfig {
  readonly #options: SshConfigOptions;
  readonly #own: string;
  readonly #user: string;
  #last: Promise<unknown> = Promise.resolve();

  constructor(options: SshConfigOptions) {
    this.#options = options;
    this.#own = join(options.dir, "config");
    // OpenSSH asks the system for the home, not the environment.
    const standard = join(passwdHome(), ".ssh", "config");
    this.#user = options.userConfig ?? process.env["SKY_SSH_CONFIG"] ?? standard;
  }

  set(cluster: string, entries: readonly SshEntry[]): Promise<SshNames> {
    return this.#inTurn(async () => {
      const others = (await this.#sections()).filter((one) => one.cluster !== cluster);
      const found = await this.#look(entries, others);
      await this.#write({ cluster, lines: found.lines });
      return { names: found.names, left: found.left };
    });
  }

  remove(cluster: string): Promise<void> {
    return this.#inTurn(() => this.#write({ cluster, lines: [] }));
  }

  async clusters(): Promise<readonly string[]> {
    return (await this.#sections()).map(({ cluster }) => cluster);
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(work);
    // Whoever asked for it hears of a failure; the next one goes on.
    this.#last = turn.catch(() => {});
    return turn;
  }

  async #sections(): Promise<readonly Section[]> {
    return parseSections(utf8(await readUserFile(this.#own)));
  }

  async #write(section: Section): Promise<void> {
    const before = await this.#sections();
    const sections = withSection(before, section);
    if (sections.length > 0) {
      await changeUserFile(this.#own, () => bytesOf(sectionsText(sections)));
      await this.#include();
      return;
    }
    // The lines go first: they never lead to nothing.
    await this.#exclude();
    await rm(this.#own, { force: true });
  }

  async #include(): Promise<void> {
    const own = bytesOf(this.#own);
    const now = await readUserFile(this.#user);
    if (now !== undefined && includes(now, own)) return;
    try {
      await changeUserFile(this.#user, ({ text, madeFolder }) => {
        const made = text !== undefined ? "nothing" : madeFolder ? "folder" : "file";
        return withInclude(text ?? "", own, made);
      });
    } catch (error) {
      const what = `make ssh know the cluster by its name (${this.#user})`;
      const why = `${errorText(error)}. Put this line at its top: ${includeOf(this.#own)}`;
      throw new SkyError("process/failed", { what, why }, { cause: error });
    }
  }

  async #exclude(): Promise<void> {
    const own = bytesOf(this.#own);
    const now = await readUserFile(this.#user);
    if (now === undefined || !includes(now, own)) return;
    let made: string = "nothing";
    await changeUserFile(this.#user, ({ text = "" }) => {
      const rest = withoutInclude(text, own);
      made = rest.made;
      return rest.text === "" && made !== "nothing" ? undefined : rest.text;
    });
    if (made === "folder") await removeEmptyFolder(dirname(this.#user));
  }

  /** The blocks of hosts, with what the user's settings make of each. */
  async #look(
    entries: readonly SshEntry[],
    others: readonly Section[],
  ): Promise<SshNames & { readonly lines: string[] }> {
    const own = bytesOf(this.#own);
    const bare = withoutInclude((await readUserFile(this.#user)) ?? "", own).text;
    const reserved = await this.#options.reserved();
    const copy = join(this.#options.dir, freshName("w"));
    // What the user has said himself: the file without our lines.
    await changeUserFile(copy, () => `${bare}${bytesOf(this.#system())}`);
    try {
      const folder = this.#folder(copy);
      const plain = await resolve(folder, { host: plainName });
      const parts = await inParts(entries, (entry) =>
        this.#lookAt(folder, entry, { bare, reserved, plain, others }),
      );
      return {
        names: parts.flatMap(({ name }) => name ?? []),
        left: parts.flatMap(({ left }) => left ?? []),
        lines: parts.flatMap(({ lines }) => lines),
      };
    } finally {
      await rm(copy, { force: true });
    }
  }

  async #lookAt(
    folder: SshFolder,
    { name, target }: SshEntry,
    known: {
      readonly bare: string;
      readonly reserved: ReadonlySet<string>;
      readonly plain: Resolved;
      readonly others: readonly Section[];
    },
  ): Promise<{ readonly name?: string; readonly left?: Left; readonly lines: string[] }> {
    const { bare, reserved, plain, others } = known;
    const taken = takenBy(name, others, reserved);
    const isOwn = async (): Promise<boolean> =>
      namesHost(bare, name) || isOwnName(name, await resolve(folder, { host: name }), plain);
    const own = `${this.#user} has settings of its own for that name`;
    const why = taken ?? ((await isOwn()) ? own : undefined);
    if (why !== undefined) {
      const left = { name, why };
      return { left, lines: [leftLine(left)] };
    }
    const resolved = await resolve(folder, target);
    const knownHosts = join(this.#options.dir, knownHostsName);
    return { name, lines: [...hostBlock({ name, target, resolved, plain, knownHosts })] };
  }

  /** A configuration that is named takes the place of the system's too. */
  #system(): string {
    const isStandard = this.#user === join(passwdHome(), ".ssh", "config");
    return isStandard ? "\nMatch all\nInclude /etc/ssh/ssh_config\n" : "";
  }

  #folder(sshConfig: string): SshFolder {
    return {
      ...{ dir: this.#options.dir, program: this.#options.program ?? "ssh", sshConfig },
      ...{ home: homedir(), connectMs: connectMsMax, env: () => process.env },
    };
  }
}

function takenBy(
  name: string,
  others: readonly Section[],
  reserved: ReadonlySet<string>,
): string | undefined {
  if (reserved.has(name)) return "a pool has a host of that name";
  const other = others.find(({ lines }) => lines.includes(`Host ${name}`));
  return other && `a node of cluster ${other.cluster} has that name`;
}

async function resolve(folder: SshFolder, target: SshEntry["target"]): Promise<Resolved> {
  return await resolveHost(folder, target, { signal: new AbortController().signal });
}

async function inParts<A, B>(all: readonly A[], work: (one: A) => Promise<B>): Promise<B[]> {
  const done: B[] = [];
  for (let at = 0; at < all.length; at += looksMax) {
    done.push(...(await Promise.all(all.slice(at, at + looksMax).map(work))));
  }
  return done;
}

/** Each byte as one character: as files of users are read. */
function bytesOf(text: string): string {
  return Buffer.from(text, "utf8").toString("latin1");
}

function utf8(bytes: string | undefined): string {
  return Buffer.from(bytes ?? "", "latin1").toString("utf8");
}
