// The memory version of the stream port keeps the contract.

import { createStreamHub } from "../../runtime/stream-memory.ts";
import { streamContract } from "./stream.contract.ts";

streamContract("stream-memory", async () => {
  const hub = createStreamHub();
  return {
    port: (peer) => hub.connect(peer),
    target: { host: "b", port: 0 },
    cut: (peer) => hub.cut(peer),
    close: async () => {},
  };
});
