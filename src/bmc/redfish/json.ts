import { WireError } from '../../wire/bytes.ts';

/** A Redfish resource as it came: nothing in it can be relied on. */
export type Resource = { readonly [name: string]: unknown };

/** More than any resource that was seen, and small enough for a thousand BMCs at once. */
export const BODY_LIMIT = 4 * 1024 * 1024;
const DEPTH_LIMIT = 64;
const TEXT_LIMIT = 512;
const LINK_LIMIT = 1024;

/** A body as a resource. Raises WireError for what is not UTF-8, not JSON, not an object, too long or too deep; '' is {}. */
export function decodeResource(body: Buffer): Resource {
  if (body.length > BODY_LIMIT)
    throw new WireError('oversized', 'body', BODY_LIMIT, `a body of ${body.length} bytes, more than ${BODY_LIMIT}`);
  const tooDeep = offsetOfDepth(body);
  if (tooDeep !== undefined)
    throw new WireError('oversized', 'body', tooDeep, `JSON that is nested more than ${DEPTH_LIMIT} deep`);
  let value: unknown;
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(body).trim();
    value = text === '' ? {} : JSON.parse(text);
  } catch {
    throw new WireError('malformed', 'body', 0, `a body that is not JSON: ${cleanText(body.toString('latin1'), 40)}`);
  }
  if (!isResource(value)) throw new WireError('malformed', 'body', 0, 'JSON that is not an object');
  return value;
}

/** Where brackets outside of strings are nested too deep, before a parser has to follow them. */
function offsetOfDepth(body: Buffer): number | undefined {
  let depth = 0;
  let isInString = false;
  for (let offset = 0; offset < body.length; offset++) {
    const byte = body[offset];
    if (isInString) {
      if (byte === 0x5c) offset += 1;
      else if (byte === 0x22) isInString = false;
    } else if (byte === 0x22) isInString = true;
    else if (byte === 0x7b || byte === 0x5b) {
      depth += 1;
      if (depth > DEPTH_LIMIT) return offset;
    } else if (byte === 0x7d || byte === 0x5d) depth -= 1;
  }
  return undefined;
}

/** Whether a value is a JSON object. */
export function isResource(value: unknown): value is Resource {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The value at the end of these names; undefined where one is missing or is no object. */
export function valueAt(resource: Resource, ...names: string[]): unknown {
  let value: unknown = resource;
  for (const name of names) {
    if (!isResource(value) || !Object.hasOwn(value, name)) return undefined;
    value = value[name];
  }
  return value;
}

/** A part of a resource; {} where there is none. */
export function partAt(resource: Resource, ...names: string[]): Resource {
  const value = valueAt(resource, ...names);
  return isResource(value) ? value : {};
}

/** The objects of a list; what else is in it is left out. */
export function partsAt(resource: Resource, ...names: string[]): Resource[] {
  const value = valueAt(resource, ...names);
  return Array.isArray(value) ? value.filter(isResource) : [];
}

/** A text, of one line and bounded; '' where there is none. Numbers are written out, for some BMCs give a serial as one. */
export function textAt(resource: Resource, ...names: string[]): string {
  const value = valueAt(resource, ...names);
  if (typeof value === 'string') return cleanText(value);
  return typeof value === 'number' && Number.isFinite(value) ? String(value) : '';
}

/** A finite number at the end of these names; undefined for anything else. */
export function numberAt(resource: Resource, ...names: string[]): number | undefined {
  const value = valueAt(resource, ...names);
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined;
}

/** The texts of a list, such as allowed values; undefined where there is no list. */
export function textsAt(resource: Resource, ...names: string[]): string[] | undefined {
  const value = valueAt(resource, ...names);
  if (!Array.isArray(value)) return undefined;
  return value.filter((one): one is string => typeof one === 'string').map((one) => cleanText(one));
}

/** The path that a link `{'@odata.id': path}` leads to; undefined where there is none, or where it leads elsewhere. */
export function linkAt(resource: Resource, ...names: string[]): string | undefined {
  return pathOf(valueAt(resource, ...names, '@odata.id'));
}

/**
 * A reference as a path on the BMC that gave it, without its fragment. Undefined for what is none, is too long, has
 * characters that no request line can carry, or names a host.
 */
export function pathOf(value: unknown): string | undefined {
  if (typeof value !== 'string' || value.length > LINK_LIMIT) return undefined;
  const path = value.split('#', 1)[0] as string;
  return /^\/(?!\/)[\x21-\x7e]*$/.test(path) ? path : undefined;
}

/** Text of a stranger, fit to be shown: one line, without control characters, bounded. */
export function cleanText(text: string, limit = TEXT_LIMIT): string {
  const line = text
    .slice(0, limit * 4)
    .replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\s]+/gu, ' ')
    .trim();
  return line.length > limit ? `${line.slice(0, limit - 1)}…` : line;
}
