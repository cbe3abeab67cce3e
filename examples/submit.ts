// The SDK in a program: bring a cluster up, submit a gang, follow its log, leave with its outcome.
//
//   npx node examples/submit.ts
//
// In a program of your own the import is `from "skylet"`. Ctrl-C ends the program and not the job:
// `sky logs submit` goes on where it stopped.

import { Sky } from "../client/index.ts";

const sky = new Sky();

const { jobId } = await sky.launch(
  {
    name: "squares",
    num_nodes: 2,
    envs: { GREETING: "bytes arrive as they are: $HOME, 'quotes', ünïcode" },
    run: 'echo "$GREETING"; echo "$((SKYPILOT_NODE_RANK * SKYPILOT_NODE_RANK))"',
  },
  {
    cluster: "submit",
    onProgress: ({ nodesUp, nodesWanted }) => console.log(`${nodesUp} of ${nodesWanted} nodes`),
  },
);

// Bytes come as they are written: a piece may end anywhere, also within a line.
const written: Buffer[] = [];
const log = sky.logs("submit", jobId);
for await (const { rank, bytes } of log) {
  written[rank] = Buffer.concat([written[rank] ?? Buffer.alloc(0), bytes]);
}
for (const [rank, bytes] of written.entries()) {
  process.stdout.write(`rank ${rank} wrote ${bytes.length} bytes: `);
  process.stdout.write(bytes);
}

const job = await log.outcome;
console.log(`job ${job.id} ${job.status}: ${job.reasonText}`);
for (const { rank, node, exitCode } of job.ranks)
  console.log(`rank ${rank} on ${node}: ${exitCode}`);

sky.close();
process.exitCode = job.status === "SUCCEEDED" ? 0 : 100;
