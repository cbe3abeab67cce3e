// The work contract on the caller's own thread.

import { createInlineWork } from "../../transfer/chunks/work-inline.ts";
import { workContract } from "./work.contract.ts";

workContract("work-inline", createInlineWork);
