/** Labels of RFC 1123 2.1. Anything else cannot be written into options 12, 15 and 119, and every answer with it would fail. */
const HOST_NAME = /^(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$/i;

/** Whether a text is a host name or a domain: labels of letters, digits and hyphens, with dots between them. */
export function isHostname(text: string): boolean {
  return HOST_NAME.test(text);
}
