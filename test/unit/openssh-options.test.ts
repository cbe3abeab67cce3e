// What goes to `ssh`, and how a script travels: pure, and run by the shells that are here.

import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { test } from "node:test";
import {
  begunMark,
  configText,
  forwardArgs,
  masterArgs,
  parseHostName,
  parseJump,
  parseResolved,
  remoteCommand,
  resolveArgs,
  scriptLine,
} from "../../runtime/openssh-options.ts";
import { fc } from "../support/property.ts";

test("openssh-options: the remote command is one word for any login shell", () => {
  const quoted = /^exec sh -c '([^']*)'$/.exec(remoteCommand)?.[1] ?? assert.fail(remoteCommand);
  // csh takes `!` even there, fish two backslashes for one, and no shell of old a newline.
  assert.doesNotMatch(quoted, /[!\n]|\\\\|\\'/);
});

const shells = [
  "sh",
  "bash",
  "dash",
  "zsh",
  "ksh",
  "mksh",
  "fish",
  "csh",
  "tcsh",
  "busybox",
].filter((name) => spawnSync(name, ["-c", "exit 0"]).error === undefined);

function runBy(shell: string, input: string): string {
  const args = shell === "busybox" ? ["sh", "-c", remoteCommand] : ["-c", remoteCommand];
  return execFileSync(shell, args, { input, encoding: "utf8", stdio: ["pipe", "pipe", "ignore"] });
}

for (const shell of shells) {
  test(`openssh-options: a script through ${shell}, and what follows it`, () => {
    const script = "printf '<%s>' \"$@\"\ncat <<'END'\n$HOME \\n 'x'\nEND\ncat\n\n";
    const args = ["", "a'b", "\\", "\n", "!", "%s"];
    const output = runBy(shell, `${scriptLine(script, args)}input\n\\n`);
    const said = `${args.map((arg) => `<${arg}>`).join("")}$HOME \\n 'x'\ninput\n\\n`;
    assert.equal(output, `${begunMark}${said}`);
  });
}

test("openssh-options: any argument arrives", () => {
  const text = fc.string({ unit: "binary", maxLength: 40 }).map((one) => one.replaceAll("\0", ""));
  fc.assert(
    fc.property(fc.array(text, { maxLength: 5 }), (args) => {
      const output = runBy("sh", scriptLine('printf "%s\\001" "$@"', args));
      const expected = args.length === 0 ? "\u0001" : args.map((arg) => `${arg}\u0001`).join("");
      assert.equal(output, begunMark + expected);
    }),
    { numRuns: 30 },
  );
});

test("openssh-options: half a script is not run", () => {
  const line = scriptLine("echo ran");
  const { stdout, status } = spawnSync("sh", ["-c", remoteCommand], {
    input: line.slice(0, -1),
    encoding: "utf8",
  });
  assert.equal(stdout, begunMark);
  assert.equal(status, 255);
  assert.throws(() => scriptLine("echo", ["\0"]), /NUL/);
});

test("openssh-options: our settings come before the user's", () => {
  const passwdHome = "/h";
  const text = configText(undefined, { passwdHome });
  assert.ok(text.indexOf("StrictHostKeyChecking yes") < text.indexOf("Include"));
  assert.match(text, /^Include "\/h\/\.ssh\/config"$/m);
  assert.match(
    configText("/a b/[x]/config", { passwdHome }),
    /^Include "\/a b\/\\\[x\\\]\/config"$/m,
  );
  assert.doesNotMatch(configText("/x", { passwdHome }), /etc/);
});

const resolved = parseResolved(
  [
    ...["host lab1", "user alice", "hostname 10.0.0.9", "port 2222", "identityfile ~/.ssh/id_a"],
    ...["identityfile /k/b", "proxyjump gate,bob@[::1]:2200", "forkafterauthentication no"],
    "userknownhostsfile /h/.ssh/known_hosts /h/.ssh/known_hosts2",
  ].join("\n"),
);

test("openssh-options: what `ssh -G` prints", () => {
  assert.equal(resolved.knownName, "[10.0.0.9]:2222");
  assert.deepEqual(resolved.identityFiles, ["~/.ssh/id_a", "/k/b"]);
  assert.deepEqual(resolved.jumps, ["gate", "bob@[::1]:2200"]);
  assert.equal(parseResolved("hostname H\nhostkeyalias lab\n").knownName, "lab");
  assert.equal(parseResolved("hostname H\n").knownName, "h");
  assert.deepEqual(parseResolved("hostname h\nproxyjump none").jumps, []);
});

test("openssh-options: names of hosts", () => {
  assert.deepEqual(parseJump("gate"), { host: "gate" });
  assert.deepEqual(parseJump("bob@gate:2200"), { host: "gate", user: "bob", port: 2200 });
  assert.deepEqual(parseJump("b@d@[::1]:22"), { host: "::1", user: "b@d", port: 22 });
  assert.deepEqual(parseJump("[fe80::1]"), { host: "fe80::1" });
  assert.deepEqual(parseJump("ssh://gate:7"), { host: "gate", port: 7 });
  assert.equal(parseHostName("[10.0.0.9]:2222"), "10.0.0.9");
  assert.equal(parseHostName("gate"), "gate");
});

test("openssh-options: a target becomes arguments, never an option", () => {
  const knownHosts = "./known_hosts";
  const args = (target: Parameters<typeof masterArgs>[0]["target"]) =>
    masterArgs({ target, home: "/h", socket: "c-1-1", knownHosts, resolved });
  const all = args({ host: "lab1", user: "al", port: 7, identityFile: "~/k%1" });
  assert.deepEqual(all.slice(-9), [
    ...["-l", "al", "-p", "7", "-i", "/h/k%%1", "-o", "IdentitiesOnly=yes", "--", "lab1"].slice(1),
  ]);
  assert.ok(all.includes("ForkAfterAuthentication=no"));
  for (const host of ["-oProxyCommand=x", "", "a\nb"]) {
    assert.throws(() => args({ host }), /that is no name/);
  }
  const options = { home: "/h", sshConfig: "/c" };
  assert.deepEqual(resolveArgs({ host: "x" }, options), ["-G", "-F", "/c", "--", "x"]);
});

test("openssh-options: a forward names its ends literally", () => {
  const forward = { local: "./t-1-1/api.sock", remote: "/a:b\\c%/s" };
  const args = forwardArgs("c-1-1", "forward", forward);
  assert.ok(args.includes("./t-1-1/api.sock:/a\\:b\\\\c%%/s"), args.join(" "));
  const port = forwardArgs("c-1-1", "cancel", { local: "./x", remote: { host: "::1", port: 5 } });
  assert.ok(port.includes("./x:[::1]:5"));
});
