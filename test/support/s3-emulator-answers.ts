// The answers of the S3 emulator: XML and headers, as S3 writes them.

export interface Answer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Buffer;
}

/** A refusal with a code of S3; thrown where it is found. */
export class Refusal extends Error {
  readonly status: number;
  readonly code: string;

  constructor(status: number, code: string, message = code) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

export function refused({ status, code, message }: Refusal): Answer {
  return {
    status,
    headers: { "content-type": "application/xml" },
    body: document("Error", `<Code>${code}</Code><Message>${escaped(message)}</Message>`),
  };
}

export function xml(root: string, inside: string): Answer {
  return {
    status: 200,
    headers: { "content-type": "application/xml" },
    body: document(root, inside, ' xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'),
  };
}

function document(root: string, inside: string, attributes = ""): string {
  return `<?xml version="1.0" encoding="UTF-8"?>\n<${root}${attributes}>${inside}</${root}>`;
}

export function element(name: string, text: string | number | boolean): string {
  return `<${name}>${escaped(String(text))}</${name}>`;
}

function escaped(text: string): string {
  return text
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll("\r", "&#13;");
}

/** Of a request's XML, which is flat enough: the texts of all elements of that name. */
export function textsOf(body: string, name: string): readonly string[] {
  return [...body.matchAll(new RegExp(`<${name}>(.*?)</${name}>`, "gs"))].map(([, text = ""]) =>
    text
      .replace(/&#x([0-9A-Fa-f]+);/g, (_, digits: string) =>
        String.fromCodePoint(Number.parseInt(digits, 16)),
      )
      .replace(/&#(\d+);/g, (_, digits: string) => String.fromCodePoint(Number(digits)))
      .replaceAll("&lt;", "<")
      .replaceAll("&gt;", ">")
      .replaceAll("&quot;", '"')
      .replaceAll("&apos;", "'")
      .replaceAll("&amp;", "&"),
  );
}

/** With `encoding-type=url`. */
export function urlName(name: string): string {
  return encodeURIComponent(name).replaceAll("%2F", "/").replaceAll("%20", "+");
}
