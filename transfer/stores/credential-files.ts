// What stands in the files and texts where credentials are kept: profiles of AWS, connection
// strings of Azure, service credentials of IBM.
//
// What must hold: what a parser says of such a text never gets into an error; who reads them says
// only which file it is.

/** Sections of an INI file: `[name]`, then `key = value`; `#` and `;` begin comments. */
export function iniSections(text: string): ReadonlyMap<string, ReadonlyMap<string, string>> {
  const sections = new Map<string, Map<string, string>>();
  let section: Map<string, string> | undefined;
  for (const line of text.split(/\r?\n/)) {
    const name = /^\s*\[\s*(.+?)\s*\]/.exec(line)?.[1];
    if (name !== undefined) {
      section = sections.get(name) ?? new Map();
      sections.set(name, section);
      continue;
    }
    // What is indented belongs to a value above it, such as `s3 =`.
    const [, key, value] = /^([^\s#;=][^=]*?)\s*=\s*(.*?)\s*$/.exec(line) ?? [];
    if (key !== undefined && value !== undefined) section?.set(key.toLowerCase(), value);
  }
  return sections;
}

export interface ConnectionString {
  readonly account?: string;
  readonly key?: string;
  readonly sas?: string;
  readonly endpoint?: string;
}

/** Source: learn.microsoft.com, "Configure Azure Storage connection strings". */
export function connectionString(text: string): ConnectionString {
  const fields = new Map(
    text.split(";").map((field) => {
      const at = field.indexOf("=");
      return [field.slice(0, at).trim(), field.slice(at + 1).trim()] as const;
    }),
  );
  const isEmulator = fields.get("UseDevelopmentStorage") === "true";
  const account = fields.get("AccountName") ?? (isEmulator ? emulator.account : undefined);
  const key = fields.get("AccountKey") ?? (isEmulator ? emulator.key : undefined);
  const sas = fields.get("SharedAccessSignature");
  const suffix = fields.get("EndpointSuffix");
  const protocol = fields.get("DefaultEndpointsProtocol") ?? "https";
  const isUsual = suffix === undefined || suffix === "core.windows.net";
  const built = isUsual || account === undefined ? undefined : `${account}.blob.${suffix}`;
  const usual = isEmulator ? emulator.endpoint : built && `${protocol}://${built}`;
  const endpoint = fields.get("BlobEndpoint")?.replace(/\/$/, "") ?? usual;
  return {
    ...(account === undefined ? {} : { account }),
    ...(key === undefined ? {} : { key }),
    ...(sas === undefined ? {} : { sas }),
    ...(endpoint === undefined ? {} : { endpoint }),
  };
}

/** Known to all. Source: learn.microsoft.com, "Use the Azurite emulator", "Well-known account". */
const emulator = {
  account: "devstoreaccount1",
  key: "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==",
  endpoint: "http://127.0.0.1:10000/devstoreaccount1",
};

/** IBM's service credentials. Source: cloud.ibm.com/docs, "Using HMAC credentials". */
export function hmacKeys(
  text: string,
): { readonly id: string; readonly secret: string } | undefined {
  try {
    const keys = (JSON.parse(text) as { readonly cos_hmac_keys?: Record<string, unknown> })
      .cos_hmac_keys;
    const { access_key_id: id, secret_access_key: secret } = keys ?? {};
    return typeof id === "string" && typeof secret === "string" ? { id, secret } : undefined;
  } catch {
    // What the parser says may have a piece of a key in it.
    return undefined;
  }
}
