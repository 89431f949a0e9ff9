import type { IncomingMessage, ServerResponse } from 'node:http';
import { gzipSync } from 'node:zlib';
import type { SimAnswer, SimRequest } from './redfish-answer.ts';

const BODY_LIMIT = 1024 * 1024;

/** A request with its body. Fails for a body that is too long or not JSON. */
export async function readRequest(incoming: IncomingMessage): Promise<SimRequest> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of incoming) {
    length += chunk.length;
    if (length > BODY_LIMIT) throw new Error(`a body of more than ${BODY_LIMIT} bytes`);
    chunks.push(chunk);
  }
  const text = Buffer.concat(chunks).toString();
  const url = incoming.url ?? '/';
  const path = (url.split('?', 1)[0] as string).replace(/(?<=.)\/$/, '');
  return {
    method: incoming.method ?? '',
    path,
    url,
    headers: incoming.headers,
    body: text === '' ? {} : JSON.parse(text),
  };
}

/** Sends an answer: bytes as they are, everything else as JSON, packed where its header says so. */
export function sendAnswer(response: ServerResponse, { status, headers, body }: SimAnswer): void {
  if (response.headersSent) return;
  const bytes = body === undefined ? Buffer.alloc(0) : Buffer.isBuffer(body) ? body : Buffer.from(JSON.stringify(body));
  const packed = headers['Content-Encoding'] === 'gzip' ? gzipSync(bytes) : bytes;
  response.writeHead(status, {
    'OData-Version': '4.0',
    'Content-Type': 'application/json',
    'Content-Length': String(packed.length),
    ...headers,
  });
  response.end(packed);
}
