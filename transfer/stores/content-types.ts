// The content type of a local file, by its name's ending. Pure.
//
// A file system has no types, so a store would call everything a stream of bytes, and a browser
// would download what it should show. The table is short on purpose: what is not in it is
// `application/octet-stream`, which is never wrong. No content is looked at.
// Source: the IANA registry of media types; for the endings, the `mime-db` that nginx, Apache and
// npm share. Text has no charset here: we do not know it.

export const contentTypeUsual = "application/octet-stream";

const types: Readonly<Record<string, string>> = {
  // Text and documents
  txt: "text/plain",
  log: "text/plain",
  md: "text/markdown",
  csv: "text/csv",
  tsv: "text/tab-separated-values",
  html: "text/html",
  htm: "text/html",
  css: "text/css",
  js: "text/javascript",
  mjs: "text/javascript",
  xml: "application/xml",
  json: "application/json",
  geojson: "application/geo+json",
  jsonl: "application/jsonl",
  ndjson: "application/x-ndjson",
  yaml: "application/yaml",
  yml: "application/yaml",
  toml: "application/toml",
  pdf: "application/pdf",
  rtf: "application/rtf",
  ipynb: "application/x-ipynb+json",
  // Pictures, sound, film
  png: "image/png",
  jpg: "image/jpeg",
  jpeg: "image/jpeg",
  gif: "image/gif",
  webp: "image/webp",
  avif: "image/avif",
  bmp: "image/bmp",
  svg: "image/svg+xml",
  ico: "image/vnd.microsoft.icon",
  tif: "image/tiff",
  tiff: "image/tiff",
  mp3: "audio/mpeg",
  wav: "audio/wav",
  flac: "audio/flac",
  ogg: "audio/ogg",
  mp4: "video/mp4",
  webm: "video/webm",
  mov: "video/quicktime",
  mkv: "video/matroska",
  // Archives
  zip: "application/zip",
  gz: "application/gzip",
  tgz: "application/gzip",
  zst: "application/zstd",
  tar: "application/x-tar",
  bz2: "application/x-bzip2",
  xz: "application/x-xz",
  "7z": "application/x-7z-compressed",
  // Data and programs
  parquet: "application/vnd.apache.parquet",
  arrow: "application/vnd.apache.arrow.file",
  feather: "application/vnd.apache.arrow.file",
  sqlite: "application/vnd.sqlite3",
  wasm: "application/wasm",
  woff: "font/woff",
  woff2: "font/woff2",
  ttf: "font/ttf",
  otf: "font/otf",
};

/** Of a name or a path. A name that only begins with a dot has no ending. */
export function contentTypeOf(path: string): string {
  const name = path.slice(path.lastIndexOf("/") + 1);
  const dot = name.lastIndexOf(".");
  if (dot <= 0) return contentTypeUsual;
  const ending = name.slice(dot + 1).toLowerCase();
  return Object.hasOwn(types, ending) ? (types[ending] ?? contentTypeUsual) : contentTypeUsual;
}
