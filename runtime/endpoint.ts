// An address with a port, as one text: that of IPv6 needs brackets. Pure.

/** `10.0.0.1:4222`, `[fd00::1]:4222`. */
export function endpointText(host: string, port: number): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

/** The port in such a text, or at the end of a URL. */
export function portIn(text: string): number {
  return Number(text.slice(text.lastIndexOf(":") + 1));
}
