// What went wrong on a host, from what a step said there: one clear sentence and what to do. Pure.
//
// A step's own sentences are the last line of its standard error (`host-steps.sh`); of what the
// system's programs say, the few that people meet are told apart here.

import { SkyError } from "../../model/errors.ts";

export interface StepEnd {
  readonly code: number;
  readonly stderr: string;
}

/** `step`: what was being done, for people: `installing`. */
export function hostTrouble(host: string, step: string, { code, stderr }: StepEnd): SkyError {
  const lines = stderr.split("\n").filter((line) => line.trim() !== "");
  const own = lines.findLast((line) => line.startsWith("!"));
  const [kind, why = "", fix = ""] = (own ?? "").split("\t");
  if (kind === "!unfit") return new SkyError("host/unfit", { host, why, fix: sentence(fix) });
  const said = lines.filter((line) => !line.startsWith("!"));
  const known = unfitness.find(({ sign }) => said.some((line) => sign.test(line)));
  if (known !== undefined) {
    const [, detail = ""] = said.map((line) => known.sign.exec(line)).find(Boolean) ?? [];
    const text = known.why.replace("{}", detail);
    return new SkyError("host/unfit", { host, why: text, fix: sentence(known.fix) });
  }
  const last = said.at(-1);
  const told = [why, last].filter((text) => text !== undefined && text !== "").join(": ");
  const what = told === "" ? `it ended with ${code}` : told;
  return new SkyError("host/failed", { host, what: step, why: what });
}

const unfitness: readonly { readonly sign: RegExp; readonly why: string; readonly fix: string }[] =
  [
    {
      sign: /No space left on device|Disk quota exceeded/,
      why: "its disk is full",
      fix: "Make room in its home",
    },
    {
      sign: /Read-only file system/,
      why: "its home is read-only",
      fix: "Mount it for writing",
    },
    {
      sign: /version [`'](GLIBC_[\d.]+)' not found/,
      why: "its C library is too old: Node needs {}",
      fix: "Take a newer distribution (RHEL 8, Debian 10, Ubuntu 20.04 or later)",
    },
    {
      sign: /version [`'](GLIBCXX_[\d.]+|CXXABI_[\d.]+)' not found/,
      why: "its C++ library is too old: Node needs {}",
      fix: "Take a newer distribution, or install a newer libstdc++",
    },
    {
      sign: /error while loading shared libraries: (\S+):/,
      why: "the library {} is missing there",
      fix: "Install it: apt-get install libstdc++6, or dnf install libstdc++",
    },
    {
      sign: /bin\/node: (?:not found|No such file or directory|cannot execute: required file)/,
      why: "Node does not run there: it needs glibc, and this system has another C library",
      fix: "Take a distribution with glibc",
    },
    {
      sign: /bin\/node: Permission denied/,
      why: "programs in its home may not be run",
      fix: "Mount it without noexec",
    },
    {
      sign: /bin\/node: .*(?:Exec format error|cannot execute binary file)/,
      why: "it has another processor than it says",
      fix: "Leave it out of the pool",
    },
    {
      sign: /(gzip|tar|mkdir|ln|readlink): (?:command )?not found/,
      why: "{} is missing there",
      fix: "Install coreutils, gzip and tar",
    },
  ];

/** In the error's text a full stop stands before it and none behind. */
function sentence(fix: string): string {
  return fix.replace(/\.$/, "");
}
