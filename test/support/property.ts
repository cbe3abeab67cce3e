// The door to fast-check: whoever tests a property takes it from here, with the seed of the run.
// Tidy lets no other file import it. What a failure prints names the seed and the smallest example.

import fc from "fast-check";
import { testSeed } from "./seed.ts";

fc.configureGlobal({ seed: testSeed });

export { fc };
