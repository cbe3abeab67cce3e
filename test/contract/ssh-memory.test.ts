// The memory version keeps the contract that the real one keeps.

import type { SshResult } from "../../runtime/ssh.ts";
import { createMemorySsh, type MemoryCall } from "../../runtime/ssh-memory.ts";
import { contractAnswers, contractScripts, sshContract } from "./ssh.contract.ts";

function answer({ script, args, input, signal }: MemoryCall): Promise<Partial<SshResult>> {
  const known = contractAnswers[script];
  if (known !== undefined) return Promise.resolve(known(args, new TextDecoder().decode(input)));
  if (script !== contractScripts.wait) return Promise.resolve({ code: 127 });
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve({})));
}

sshContract("ssh-memory", async () => {
  const ssh = createMemorySsh({ hosts: { target: answer, stranger: answer } });
  ssh.faults("stranger").key = "unknown";
  return {
    ssh,
    ...{ target: { host: "target" }, stranger: { host: "stranger" }, absent: { host: "absent" } },
    local: "unused",
    cut: async () => ssh.cut("target", "the connection ended"),
    done: () => ssh.close(),
  };
});
