// What a bug report may not hold is taken out here: by what it is called, by what it is, and by
// what it looks like. Pure.
//
// Three nets, because each alone has holes: fields with telling names (`token`, `envs`, `command`),
// the very values of every secret that this home keeps, and the shapes of secrets (keys in PEM,
// nkey seeds, `NAME=value`, passwords in URLs). What is taken out leaves a mark in its place.

export const takenOut = "[taken out]";

/** Fields whose values nobody but the user should see; a command line may hold any of them. */
const telling = new RegExp(
  [
    ...["^(command|key|pem)$", "^env(s|ironment|ironments)?$", "seed$", "nkey"],
    ...["token", "secret", "passw(or)?d", "passphrase", "credential", "authorization"],
    ...["api_?key", "private_?key", "access_?key"],
  ].join("|"),
  "i",
);

const shapes: readonly (readonly [RegExp, string])[] = [
  [/-----BEGIN ([A-Z ]*PRIVATE KEY)-----[\s\S]*?(-----END \1-----|$)/g, takenOut],
  // Source: nats-io/nkeys: a seed is `S`, the kind of its user, and base32.
  [/\bS[ACNOUX][A-Z2-7]{56}\b/g, takenOut],
  [/\b(AKIA|ASIA)[A-Z0-9]{16}\b/g, takenOut],
  [/\b(gh[pousr]|hf|sk|xox[abpr])[_-][A-Za-z0-9_-]{16,}/g, takenOut],
  [/\b(Bearer|Basic)\s+[\w.~+/=-]{8,}/gi, `$1 ${takenOut}`],
  [/([a-z][a-z0-9+.-]*:\/\/)[^\s/@:]*:[^\s/@]*@/gi, `$1${takenOut}@`],
  // A variable of an environment: its name stays, its value goes.
  [/\b([A-Z_][A-Z0-9_]{1,})=("(\\.|[^"\\])*"|'[^']*'|[^\s"',;)}\]]+)/g, `$1=${takenOut}`],
];

/** Shorter ones would take half of every text along; they have no other net than their names. */
export const secretCharactersLeast = 4;
const lineCharactersLeast = 12;

/** Takes out of plain data what may not leave the machine; the shape of the data stays. */
export function redactor(secrets: Iterable<string>): (value: unknown) => unknown {
  const known = variantsOf(secrets);
  const text = (value: string): string => {
    let left = value;
    for (const secret of known) left = left.replaceAll(secret, takenOut);
    for (const [shape, mark] of shapes) left = left.replace(shape, mark);
    return left;
  };
  const redact = (value: unknown): unknown => {
    if (typeof value === "string") return text(value);
    if (Array.isArray(value)) return value.map(redact);
    if (typeof value !== "object" || value === null) return value;
    const fields = Object.entries(value).map(([name, inner]) => {
      return [text(name), telling.test(name) ? withoutValues(inner) : redact(inner)];
    });
    return Object.fromEntries(fields);
  };
  return redact;

  /** Of a table its names; of anything else nothing. */
  function withoutValues(value: unknown): unknown {
    if (typeof value !== "object" || value === null || Array.isArray(value)) return takenOut;
    return Object.fromEntries(Object.keys(value).map((name) => [text(name), takenOut]));
  }
}

/** As they are, line by line, and as they look inside of JSON; the longest first. */
function variantsOf(secrets: Iterable<string>): readonly string[] {
  const known = new Set<string>();
  for (const secret of secrets) {
    if (secret.trim().length < secretCharactersLeast) continue;
    const lines = secret.split("\n").filter((line) => line.length >= lineCharactersLeast);
    for (const form of [secret, secret.trim(), ...lines]) {
      known.add(form);
      known.add(JSON.stringify(form).slice(1, -1));
      known.add(Buffer.from(form).toString("base64"));
    }
  }
  return [...known].sort((a, b) => b.length - a.length);
}

/** Every text inside of a value: what a file of secrets holds, whatever its form. */
export function textsIn(value: unknown): readonly string[] {
  if (typeof value === "string") return [value];
  if (typeof value !== "object" || value === null) return [];
  return Object.values(value).flatMap(textsIn);
}
