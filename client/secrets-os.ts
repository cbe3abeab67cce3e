// The values of the secrets that this home keeps, so that a bug report can be searched for them.
// They are held in memory for as long as that takes and go nowhere.

import type { Home } from "../model/home.ts";
import { namesIn } from "./doctor-home-os.ts";
import { textOf } from "./doctor-machine-os.ts";
import { textsIn } from "./redaction.ts";

/** Of jobs, nodes and the bus, and those that this process was given in its environment. */
export function secretsOf(home: Home): Set<string> {
  const own = [`${home.bus}/server.key`, `${home.bus}/authority.json`];
  const found = namesIn(home.clusters).map((name) => clusterFiles(home, name));
  const keys = [...own, ...found.flatMap(({ credentials }) => credentials)]
    .flatMap((file) => textsOfFile(file))
    .filter((value) => !isPlain.test(value));
  const ofJobs = found.flatMap(({ jobs }) => jobs).flatMap((file) => textsOfFile(file));
  const given = Object.entries(process.env).flatMap(([name, value]) => {
    return /TOKEN|SECRET|PASSW|CREDENTIAL|KEY/i.test(name) && value !== undefined ? [value] : [];
  });
  return new Set([...keys, ...ofJobs, ...given]);
}

interface SecretFiles {
  readonly jobs: readonly string[];
  readonly credentials: readonly string[];
}

function clusterFiles(home: Home, name: string): SecretFiles {
  const cluster = home.cluster(name);
  const states = namesIn(`${cluster.root}/nodes`).map((id) => cluster.node(id).state);
  return {
    jobs: [cluster.secrets, ...states.map((state) => `${state}/secrets`)].flatMap(below),
    credentials: states.map((state) => `${state}/credentials.json`),
  };
}

function below(folder: string): readonly string[] {
  return namesIn(folder).map((name) => `${folder}/${name}`);
}

function textsOfFile(file: string): readonly string[] {
  const text = textOf(file);
  try {
    return textsIn(JSON.parse(text));
  } catch {
    // Not JSON: the whole of it is the secret.
    return [text];
  }
}

/** What stands in a file of credentials and is no secret: names, addresses, certificates. */
const isPlain = /^(tls:\/\/|-----BEGIN CERTIFICATE|[\d.]+$|[a-z][a-z0-9-]{0,20}$)/;
