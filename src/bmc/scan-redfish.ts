import { type IncomingHttpHeaders, type IncomingMessage, request as startRequest } from 'node:http';
import { connect } from 'node:tls';
import type { Ipv4 } from '../wire/address.ts';
import { WireError } from '../wire/bytes.ts';
import { decodeResource, partAt, textAt } from './redfish/json.ts';

/** What a service root says without a login (DSP0266, "Service root"). What it does not say is ''. */
export type RedfishRoot = { product: string; vendor: string; version: string; uuid: string };

/** What an address has on the port of HTTPS. `fingerprint` is the SHA-256 of its certificate, which nobody has checked. */
export type HttpsFinding = { fingerprint: string; latencyMs: number; root?: RedfishRoot };

/** The port, and how long an address has, in milliseconds. */
export type HttpsLimits = {
  port: number;
  /** For the TCP connection; the kernel asks twice within 2.5 s (RFC 6298 2.1). */
  connectMs: number;
  /** For the TLS handshake, which takes some BMCs seconds, and the whole answer. */
  answerMs: number;
};

const ANSWER_LIMIT = 64 * 1024;

/** How one try ended. `cut`: somebody is there who did not come to the end of it. */
type Try = { end: 'nobody' } | { end: 'cut' } | { end: 'read'; finding: HttpsFinding };

/** Reads the service root; once more when the connection was cut. Undefined when nothing there speaks HTTP over TLS. */
export async function askRedfish(
  address: Ipv4,
  limits: HttpsLimits,
  signal: AbortSignal,
): Promise<HttpsFinding | undefined> {
  for (let tries = 0; tries < 2 && !signal.aborted; tries++) {
    const result = await tryRoot(address, limits, signal);
    if (result.end === 'read') return result.finding;
    if (result.end === 'nobody') return undefined;
  }
  return undefined;
}

/** TLS as old as a BMC may have it is good enough: nothing of ours is sent. */
const ANY_TLS = { rejectUnauthorized: false, minVersion: 'TLSv1', ciphers: 'DEFAULT@SECLEVEL=0' } as const;

function tryRoot(address: Ipv4, { port, connectMs, answerMs }: HttpsLimits, signal: AbortSignal): Promise<Try> {
  return new Promise((resolve) => {
    const since = performance.now();
    const socket = connect({ host: address, port, ...ANY_TLS });
    let timer = setTimeout(() => settle({ end: 'nobody' }), connectMs);
    let isThere = false;
    const lose = () => settle({ end: isThere ? 'cut' : 'nobody' });
    const settle = (result: Try) => {
      clearTimeout(timer);
      signal.removeEventListener('abort', lose);
      resolve(result);
      socket.destroy();
    };
    signal.addEventListener('abort', lose);
    if (signal.aborted) return lose();
    socket.on('error', lose);
    socket.on('close', lose);
    socket.once('connect', () => {
      isThere = true;
      clearTimeout(timer);
      timer = setTimeout(lose, answerMs);
    });
    socket.once('secureConnect', () => {
      const latencyMs = Math.max(1, Math.round(performance.now() - since));
      const finding = { fingerprint: socket.getPeerCertificate().fingerprint256 ?? '', latencyMs };
      const headers = { Host: address, Accept: 'application/json', 'OData-Version': '4.0', Connection: 'close' };
      const request = startRequest({ createConnection: () => socket, method: 'GET', path: '/redfish/v1/', headers });
      request.on('error', lose);
      request.on('response', (response) => {
        readBody(response).then((body) => {
          const root = readRoot(response.statusCode ?? 0, response.headers, body);
          settle({ end: 'read', finding: root ? { ...finding, root } : finding });
        }, lose);
      });
      request.end();
    });
  });
}

async function readBody(response: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of response) {
    chunks.push(chunk);
    length += chunk.length;
    if (length > ANSWER_LIMIT) break; // no service root is so long
  }
  return Buffer.concat(chunks);
}

/** The service root in an answer; undefined when it is another kind of server. */
export function readRoot(status: number, headers: IncomingHttpHeaders, body: Buffer): RedfishRoot | undefined {
  // Some want a login even for the root, against DSP0266; the header tells what they are.
  const isLocked = (status === 401 || status === 403) && headers['odata-version'] !== undefined;
  if (isLocked) return { product: '', vendor: '', version: '', uuid: '' };
  if (status !== 200) return undefined;
  try {
    const root = decodeResource(body);
    const version = textAt(root, 'RedfishVersion');
    if (version === '' && !textAt(root, '@odata.type').startsWith('#ServiceRoot.')) return undefined;
    const vendor = textAt(root, 'Vendor') || (Object.keys(partAt(root, 'Oem'))[0] ?? '').slice(0, 64);
    return { product: textAt(root, 'Product'), vendor, version, uuid: textAt(root, 'UUID').toLowerCase() };
  } catch (error) {
    if (error instanceof WireError) return undefined;
    throw error;
  }
}
