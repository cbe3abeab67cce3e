// `node test/e2e/lab-shell.ts [N] [POOL]`: a lab to try things in by hand. Prints how to reach it
// and stays until Ctrl-C or the end of its input.

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { startLab } from "./lab.ts";

const [count = "4", pool = "lab"] = process.argv.slice(2);
const lab = await startLab({ count: Number(count) });
const home = join(lab.folder, "sky-home");
mkdirSync(home);
writeFileSync(join(home, "ssh_node_pools.yaml"), lab.pools(pool));

for (const { name, address, pid } of lab.hosts) console.log(`${name}  ${address}  init ${pid}`);
console.log(`
export SKY_HOME=${home}
export HOME=${lab.client.home} PATH=${join(lab.client.home, "bin")}:$PATH
export SKY_SSH_CONFIG=${lab.client.config}
ssh ${lab.hosts[0]?.name ?? ""} uname -a
sky check ssh
sky launch -y --infra ssh/${pool} --num-nodes ${count} -- hostname

as root on a host: nsenter -t INIT -a -- sh        Ctrl-C here ends the lab.`);

await new Promise<void>((resolve) => {
  process.once("SIGINT", resolve);
  process.once("SIGTERM", resolve);
  process.stdin.once("end", resolve).resume();
});
await lab.close();
