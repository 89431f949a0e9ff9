import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { request as startRequest } from 'node:https';
import { isIP } from 'node:net';
import { connect, createSecureContext, type SecureContext, type TLSSocket } from 'node:tls';
import { gunzipSync } from 'node:zlib';
import { describeSocketError } from '../link.ts';
import { BODY_LIMIT, cleanText } from './json.ts';

/** One request. `path` starts with a slash and has only characters that a request line can carry. */
export type HttpRequest = {
  method: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  path: string;
  headers: Readonly<Record<string, string>>;
  body?: string;
};

/** An answer as it came; the body is whole. */
export type HttpAnswer = { status: number; headers: IncomingHttpHeaders; body: Buffer };

/**
 * Why there is no answer that can be used: `why` is the rest of a sentence. `unreachable`: nothing came. `protocol`: what came
 * is not what it should be. `isFinal`: trying again cannot help.
 */
type Loss = { kind: 'unreachable' | 'protocol'; why: string; isFinal: boolean };

/** What became of a request. `wasSent`: the BMC may have acted on it. */
export type HttpOutcome = { answered: true; answer: HttpAnswer } | ({ answered: false; wasSent: boolean } & Loss);

type HttpPeer = {
  address: string;
  port: number;
  /** `old`: TLS 1.0 and short keys are good enough (R17). */
  tls: 'modern' | 'old';
  /** For the TCP and TLS handshakes, and then for the whole answer (R18), in milliseconds. */
  connectMs: number;
  answerMs: number;
  /** Sees the SHA-256 of the peer's certificate before anything is sent; when it fails, nothing is, and the request fails so. */
  checkCertificate: (fingerprint: string) => Promise<void>;
};

const CLOSED: Loss = { kind: 'unreachable', why: 'closed the connection', isFinal: false };

/** Sends one request on a connection of its own (R1). Fails only as `checkCertificate` fails. */
export async function sendRequest(peer: HttpPeer, request: HttpRequest): Promise<HttpOutcome> {
  const opened = await openTls(peer);
  if ('why' in opened) return { answered: false, wasSent: false, ...opened };
  const { socket } = opened;
  try {
    await peer.checkCertificate(socket.getPeerX509Certificate()?.fingerprint256 ?? '');
    if (socket.destroyed) return { answered: false, wasSent: false, ...CLOSED };
    return await exchange(socket, peer, request);
  } finally {
    socket.destroy();
  }
}

/** Without the post-quantum group that OpenSSL has first since 3.5: its key alone makes the ClientHello longer than a packet (R22). */
const GROUPS = 'X25519:P-256:P-384:P-521';
/** Made once: to make one for each connection would cost a third of its handshake. */
const CONTEXTS: Readonly<Record<HttpPeer['tls'], SecureContext>> = {
  modern: createSecureContext({ minVersion: 'TLSv1.2', ecdhCurve: GROUPS }),
  old: createSecureContext({ minVersion: 'TLSv1', ciphers: 'DEFAULT@SECLEVEL=0', ecdhCurve: GROUPS }),
};

/**
 * The certificate is not checked against any authority, for BMCs make their own: its fingerprint is (R17). Old TLS has to be
 * asked for, because a stranger in between could otherwise talk us down to it.
 */
function openTls(peer: HttpPeer): Promise<{ socket: TLSSocket } | Loss> {
  const { address: host, port, tls, connectMs } = peer;
  return new Promise((resolve) => {
    const socket = connect({
      host,
      port,
      rejectUnauthorized: false,
      servername: isIP(host) ? '' : host, // RFC 6066 3: no literal addresses in SNI
      secureContext: CONTEXTS[tls],
    });
    const giveUp = (loss: Loss) => {
      clearTimeout(timer);
      socket.destroy();
      resolve(loss);
    };
    // TCP has asked again and again by then: nobody is there.
    const late = `did not open a connection within ${connectMs / 1000} s`;
    const timer = setTimeout(() => giveUp({ kind: 'unreachable', why: late, isFinal: true }), connectMs);
    socket.on('error', (error) => giveUp(lossOf(error)));
    const onClose = () => giveUp(CLOSED);
    socket.on('close', onClose);
    socket.on('secureConnect', () => {
      clearTimeout(timer);
      socket.off('close', onClose);
      resolve({ socket });
    });
  });
}

function exchange(
  socket: TLSSocket,
  peer: HttpPeer,
  { method, path, headers, body }: HttpRequest,
): Promise<HttpOutcome> {
  return new Promise((resolve) => {
    const settle = (outcome: HttpOutcome) => {
      clearTimeout(timer);
      resolve(outcome);
      request.destroy();
    };
    const lose = (loss: Loss) => settle({ answered: false, wasSent: true, ...loss });
    const late = `did not answer within ${peer.answerMs / 1000} s`;
    const timer = setTimeout(() => lose({ kind: 'unreachable', why: late, isFinal: false }), peer.answerMs);
    const request = startRequest({
      createConnection: () => socket,
      host: peer.address,
      port: peer.port,
      method,
      path,
      headers: body === undefined ? headers : { ...headers, 'Content-Length': String(Buffer.byteLength(body)) },
      maxHeaderSize: 64 * 1024,
    });
    socket.on('error', (error) => lose(lossOf(error)));
    request.on('error', (error) => lose(lossOf(error)));
    const onClose = () => lose(CLOSED);
    request.on('close', onClose);
    request.on('response', (response) => {
      request.off('close', onClose); // from here on the body tells whether it came whole
      readBody(response).then(
        (read) => {
          if ('why' in read) lose({ kind: 'protocol', why: read.why, isFinal: true });
          else
            settle({
              answered: true,
              answer: { status: response.statusCode ?? 0, headers: response.headers, ...read },
            });
        },
        (error: Error) => lose(lossOf(error)),
      );
    });
    request.end(body);
  });
}

/** The whole body, unpacked when it came packed, for a BMC that was asked without "identity" may do that (R2). */
async function readBody(response: IncomingMessage): Promise<{ body: Buffer } | { why: string }> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of response) {
    length += chunk.length;
    if (length > BODY_LIMIT) return { why: `answered with more than ${BODY_LIMIT} bytes` };
    chunks.push(chunk);
  }
  const body = Buffer.concat(chunks);
  const encoding = response.headers['content-encoding'] ?? 'identity';
  if (encoding === 'identity' || body.length === 0) return { body };
  if (encoding !== 'gzip')
    return { why: `answered in the encoding "${cleanText(encoding, 40)}", which was not asked for` };
  try {
    return { body: gunzipSync(body, { maxOutputLength: BODY_LIMIT }) };
  } catch {
    return { why: `answered with gzip that is broken or unpacks to more than ${BODY_LIMIT} bytes` };
  }
}

/** Codes of OpenSSL for versions, keys and digests that it takes for broken, and for peers that have nothing else. */
const OLD_TLS = /UNSUPPORTED_PROTOCOL|PROTOCOL_VERSION|KEY_TOO_SMALL|HANDSHAKE_FAILURE|MD_TOO_WEAK|UNSAFE_LEGACY/;

/** What an error of a connection means; nothing that the peer chose is in it. */
function lossOf(error: Error): Loss {
  const code = 'code' in error ? String(error.code) : '';
  const passing = (kind: Loss['kind'], why: string): Loss => ({ kind, why, isFinal: false });
  if (OLD_TLS.test(code)) {
    const why = 'has no TLS or no key that is still safe; the setting tls=old lets it be used';
    return { kind: 'protocol', why, isFinal: true };
  }
  if (['ECONNRESET', 'EPIPE', 'ERR_STREAM_PREMATURE_CLOSE'].includes(code)) return CLOSED;
  // the machine is there and nothing listens: a service that starts takes longer than anything that is tried here
  if (code === 'ECONNREFUSED') return { kind: 'unreachable', why: describeSocketError(error), isFinal: true };
  if (code === 'ETIMEDOUT') return passing('unreachable', 'did not answer');
  if (code.startsWith('HPE_')) return passing('protocol', `answered something that is not HTTP (${code})`);
  if (/^ERR_SSL|^EPROTO$/.test(code)) return passing('protocol', `answered something that is not TLS (${code})`);
  return passing('unreachable', describeSocketError(error));
}
