// The SSH port by the system's `ssh`, against servers of its own on loopback.

import { openUserWorld } from "../support/ssh-world.ts";
import { sshdMissing } from "../support/sshd.ts";
import { sshContract } from "./ssh.contract.ts";

sshContract("openssh", () => openUserWorld(), { skip: sshdMissing });
