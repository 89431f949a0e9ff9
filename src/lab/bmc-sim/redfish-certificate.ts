import { generateKeyPairSync, randomBytes, sign } from 'node:crypto';

/** A private key and a certificate that it signed itself, both PEM, as a BMC makes them when it is first started. */
export type Certificate = { key: string; cert: string };

/** A fresh certificate for `name`, good for ten years before and after `at` (milliseconds since 1970). RFC 5280 4.1, version 1. */
export function makeCertificate(name: string, at: number): Certificate {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const decade = 10 * 365 * 24 * 3600 * 1000;
  const algorithm = der(SEQUENCE, ECDSA_WITH_SHA256);
  const subject = der(SEQUENCE, der(SET, der(SEQUENCE, COMMON_NAME, der(UTF8_STRING, Buffer.from(name)))));
  const serial = Buffer.concat([Buffer.of(0x01), randomBytes(8)]); // positive, whatever follows
  const body = der(
    SEQUENCE,
    der(INTEGER, serial),
    algorithm,
    subject,
    der(SEQUENCE, time(at - decade), time(at + decade)),
    subject,
    publicKey.export({ type: 'spki', format: 'der' }),
  );
  const signature = der(BIT_STRING, Buffer.of(0), sign('sha256', body, privateKey));
  const bytes = der(SEQUENCE, body, algorithm, signature);
  const lines = (bytes.toString('base64').match(/.{1,64}/g) ?? []).join('\n');
  return {
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
    cert: `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`,
  };
}

const INTEGER = 0x02;
const BIT_STRING = 0x03;
const UTF8_STRING = 0x0c;
const GENERALIZED_TIME = 0x18;
const SEQUENCE = 0x30;
const SET = 0x31;
const ECDSA_WITH_SHA256 = Buffer.from('06082a8648ce3d040302', 'hex'); // RFC 5758 3.2
const COMMON_NAME = Buffer.from('0603550403', 'hex'); // RFC 5280 A.1: id-at-commonName

/** X.690 8.1: a tag, the length in its short or long form, and the content. */
function der(tag: number, ...parts: Buffer[]): Buffer {
  const content = Buffer.concat(parts);
  const hex = content.length.toString(16);
  const length = Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, 'hex');
  const head = content.length < 0x80 ? Buffer.of(tag, content.length) : Buffer.of(tag, 0x80 | length.length, ...length);
  return Buffer.concat([head, content]);
}

function time(at: number): Buffer {
  const text = new Date(at).toISOString().replace(/\.\d+|[-:T]/g, '');
  return der(GENERALIZED_TIME, Buffer.from(text));
}
