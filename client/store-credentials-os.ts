// What of this program's environment says who the user is to a store. It goes to the head with the
// calls that need it, and nowhere else: the head may have been started by another shell.

import { resolve } from "node:path";
import { credentialVariables } from "../transfer/stores/credential-names.ts";
import type { Credentials } from "./head-transfers.ts";

/** They name files; the head has another folder than this program. */
const files: readonly string[] = [
  ...["AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE", "IBM_CONFIG_FILE"],
  ...["GOOGLE_APPLICATION_CREDENTIALS", "CLOUDSDK_CONFIG"],
];

export function storeCredentials(
  environment: Readonly<Record<string, string | undefined>> = process.env,
): Credentials {
  return Object.fromEntries(
    credentialVariables.flatMap((name) => {
      const value = environment[name];
      if (value === undefined || value === "") return [];
      return [[name, files.includes(name) ? resolve(value) : value]];
    }),
  );
}
