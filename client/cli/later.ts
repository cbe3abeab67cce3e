// The commands of SkyPilot that are not there yet, each with what it waits for. A user who types
// one gets a sentence, not "unknown command".
// Source of the names: SkyPilot 0.3.0 and newer.

const managed = "managed jobs run on machines of a cloud";
const catalog = "it shows the offers of clouds";
const stores = "it works on buckets of a cloud";
const server = "there is no API server: the head of a home starts with its first command";

const later: Readonly<Record<string, string>> = {
  jobs: managed,
  spot: managed,
  serve: "services run on machines of a cloud",
  storage: stores,
  volumes: "volumes are disks of a cloud",
  "show-gpus": catalog,
  gpus: catalog,
  bench: "it compares machines of clouds",
  admin: "hosts of yours are managed over SSH",
  ssh: "hosts of yours are managed over SSH",
  local: "a local cluster needs no set-up here: `sky launch` makes one",
  api: server,
  dashboard: server,
  users: server,
  workspaces: server,
};

export const laterNames: readonly string[] = Object.keys(later);

/** Why there is no such command yet, or `undefined` for a name that SkyPilot has not either. */
export function laterText(name: string): string | undefined {
  const why = Object.hasOwn(later, name) ? later[name] : undefined;
  if (why === undefined) return undefined;
  return `'sky ${name}' is not there yet: ${why}. What can be used: see \`sky check\`.`;
}
