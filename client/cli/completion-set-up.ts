// `sky --install-shell-completion SHELL` and its opposite.
//
// bash and zsh read a script under SKY_HOME, named in a marked block of the user's rc file; fish
// has a folder for such scripts. What was installed is taken away again to the byte.
// Source of the flags and the places: SkyPilot 0.3.0.

import {
  existsSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { homedir } from "node:os";
import { basename, dirname } from "node:path";
import { makeFolders } from "../../runtime/folders-os.ts";
import { withBlock, withoutBlock } from "../rc-block.ts";
import { completionScript, isShellName, type ShellName } from "./completion.ts";
import { type ExitCode, exitCodes, WrongUse } from "./exit-codes.ts";
import type { Shell } from "./shell.ts";

/** `argv` begins with the flag. */
export function setUpCompletion(shell: Shell, argv: readonly string[]): ExitCode {
  const [first = "", second, ...more] = argv;
  const equals = first.indexOf("=");
  const [flag, value] =
    equals < 0 ? [first, second] : [first.slice(0, equals), first.slice(equals + 1)];
  const rest = equals < 0 ? more : argv.slice(1);
  if (rest.length > 0) throw new WrongUse(`${flag} takes one shell; what is '${rest.join(" ")}'?`);
  const name = shellNamed(flag, value);
  const places = placesOf(shell, name);
  if (flag === "--install-shell-completion") install(shell, name, places);
  else uninstall(shell, name, places);
  return exitCodes.done;
}

function shellNamed(flag: string, value: string | undefined): ShellName {
  if (value === undefined)
    throw new WrongUse(`${flag} should be followed by auto, bash, zsh or fish`);
  const name = value === "auto" ? basename(process.env["SHELL"] ?? "") : value;
  if (isShellName(name)) return name;
  const from = value === "auto" ? " (of SHELL)" : "";
  throw new WrongUse(`${flag} should be auto, bash, zsh or fish, not '${name}'${from}`);
}

interface Places {
  readonly script: string;
  /** The file that reads the script; fish needs none. */
  readonly rc?: string;
  readonly reload: string;
}

function placesOf({ home }: Shell, name: ShellName): Places {
  if (name === "fish") {
    const config = process.env["XDG_CONFIG_HOME"] || `${homedir()}/.config`;
    const script = `${config}/fish/completions/sky.fish`;
    return { script, reload: `source ${script}` };
  }
  const folder = (name === "zsh" && process.env["ZDOTDIR"]) || homedir();
  const rc = `${folder}/.${name}rc`;
  return { script: `${home.root}/.sky-complete.${name}`, rc, reload: `source ${rc}` };
}

function install(shell: Shell, name: ShellName, { script, rc, reload }: Places): void {
  const text = completionScript(name);
  if (rc === undefined && existsSync(script) && !isOurs(script)) {
    throw new Error(`${script} is there already and is not sky's: it was left as it is`);
  }
  makeFolders(dirname(script), 0o700);
  if (textOf(script) !== text) replace(script, text);
  if (rc !== undefined) {
    const before = textOf(rc);
    const after = withBlock(before, Buffer.from(script).toString("latin1"));
    if (after !== before) replace(rc, after);
  }
  const where = rc === undefined ? script : `${rc} (it reads ${script})`;
  shell.print(`Completion for ${name} is installed in ${where}.`);
  shell.print(`It works in new shells. To have it in this one: ${reload}`);
}

function uninstall(shell: Shell, name: ShellName, { script, rc, reload }: Places): void {
  if (existsSync(script) && isOurs(script)) rmSync(script);
  const before = rc === undefined ? undefined : textOf(rc);
  if (rc !== undefined && before !== undefined) {
    const after = withoutBlock(before);
    if (after === undefined) rmSync(rc);
    else if (after !== before) replace(rc, after);
  }
  shell.print(`Completion for ${name} is not installed any more.`);
  if (rc !== undefined && existsSync(rc)) shell.print(`To be rid of it in this shell: ${reload}`);
}

/** Of a script: what we write says so in its first two lines. */
function isOurs(script: string): boolean {
  const lines = (textOf(script) ?? "").split("\n").slice(0, 2);
  return lines.some((line) => line.startsWith("# Completion of sky "));
}

function textOf(path: string): string | undefined {
  // Latin-1 keeps every byte, whatever the file is written in.
  return existsSync(path) ? readFileSync(path, "latin1") : undefined;
}

/** Whole or not at all, with the mode that it had; a link to the file stays a link. */
function replace(path: string, text: string): void {
  const target = existsSync(path) ? realpathSync(path) : path;
  const mode = statSync(target, { throwIfNoEntry: false })?.mode ?? 0o644;
  const aside = `${target}.sky-${process.pid}`;
  writeFileSync(aside, text, { encoding: "latin1", mode: mode & 0o777, flag: "wx" });
  renameSync(aside, target);
}
