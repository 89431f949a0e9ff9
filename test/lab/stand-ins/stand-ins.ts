/**
 * An upstream for the caching mirror that adds one suite to a real Debian archive: `dists/stand-ins`, whose
 * debian-installer component is the real one with stand-ins for what the archive does not serve. Everything else
 * passes through untouched, so that apt and debootstrap see the real, signed archive.
 */
import { createHash } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { createServer, get, type IncomingMessage, request, type ServerResponse } from 'node:http';
import { get as getTls, request as requestTls } from 'node:https';
import type { AddressInfo } from 'node:net';
import { gunzipSync, gzipSync } from 'node:zlib';
import { dispensable, makeUdeb, readUdeb, type StandIn, standIns } from './udebs.ts';

const suite = 'stand-ins';
const component = 'main/debian-installer/binary-amd64';

/** Kernel arguments with which an installer uses the stand-ins: their suite is unsigned, and only theirs. */
export const standInArguments = `mirror/udeb/suite=${suite} debian-installer/allow_unauthenticated=true`;

/** Kernel arguments that make an install faster under emulation and change nothing that a template decides. */
export const fastArguments =
  'base-installer/kernel/image=linux-image-cloud-amd64 base-installer/initramfs-tools/driver-policy=dep ' +
  'base-installer/debootstrap_variant=minbase ' +
  'base-installer/includes=debconf-i18n,ifupdown,isc-dhcp-client,iproute2,systemd-sysv,udev';

/**
 * Opens the server on loopback. `upstream` is the base URL of a Debian archive, `folder` keeps what was built.
 * `url` is the base URL to give to the mirror; `used` names the stand-ins that were wanted.
 */
export async function openStandIns({
  upstream,
  folder,
  codename = 'bookworm',
}: {
  upstream: string;
  folder: string;
  codename?: string;
}): Promise<{ url: string; used: string[]; close(): Promise<void> }> {
  const base = upstream.replace(/\/+$/, '');
  await mkdir(folder, { recursive: true });
  const { files, used } = await makeSuite(base, folder, codename);
  const server = createServer((req, res) => {
    const path = decodeURI(req.url ?? '/').replace(/^\/debian\//, '');
    const own = files.get(path);
    if (own) return sendBytes(req, res, own);
    if (path.startsWith(`dists/${suite}/`)) return res.writeHead(404, { 'Content-Length': 0 }).end();
    passThrough(`${base}/${path}`, req, res);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/debian`,
    used,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** The files of the suite by their path in the archive. */
async function makeSuite(base: string, folder: string, codename: string) {
  const packages = gunzipSync(await fetchBytes(`${base}/dists/${codename}/${component}/Packages.gz`)).toString();
  const paragraphs = packages.split('\n\n').filter((text) => text.trim() !== '');
  const served = await whichAreServed(base, paragraphs);

  const isWhole = (standIn: StandIn) => standIn.wants.every((name) => served.get(name) === true);
  const wanted = standIns.filter((standIn) => !isWhole(standIn));
  const gone = [
    ...wanted.flatMap(({ name, wants, drops }) => [name, ...wants, ...(drops ?? [])]),
    ...dispensable.filter((name) => served.get(name) !== true),
  ];
  const isGone = (name: string) =>
    gone.some((pattern) => (pattern.endsWith('*') ? name.startsWith(pattern.slice(0, -1)) : name === pattern));

  const files = new Map<string, Buffer>();
  const made = await Promise.all(
    wanted.map(async (standIn) => {
      const udeb = await makeUdeb(standIn, folder);
      const bytes = await readUdeb(udeb);
      // Caches keep what lies in pool/ for ever: the name says which build it is.
      const path = `pool/stand-ins/${standIn.name}_${hash('sha256', bytes).slice(0, 16)}.udeb`;
      files.set(path, bytes);
      const sums = `MD5sum: ${hash('md5', bytes)}\nSHA256: ${hash('sha256', bytes)}`;
      return `${udeb.control}Filename: ${path}\nSize: ${bytes.length}\n${sums}`;
    }),
  );
  const kept = paragraphs.filter((text) => !isGone(fieldOf(text, 'Package')));
  const compressed = gzipSync([...kept, ...made].map((text) => `${text.trim()}\n`).join('\n'));
  files.set(`dists/${suite}/${component}/Packages.gz`, compressed);
  const line = `${hash('sha256', compressed)} ${compressed.length} ${component}/Packages.gz`;
  const release = `Origin: Debian\nLabel: Debian\nSuite: ${suite}\nCodename: ${suite}\nArchitectures: amd64\nComponents: main\nSHA256:\n ${line}\n`;
  files.set(`dists/${suite}/Release`, Buffer.from(release));
  return { files, used: wanted.map(({ name }) => name) };
}

/** Asks the archive for the few udebs that decide which stand-ins are wanted. */
async function whichAreServed(base: string, paragraphs: string[]): Promise<Map<string, boolean>> {
  const names = new Set([...standIns.flatMap(({ wants }) => wants), ...dispensable]);
  const served = new Map<string, boolean>();
  for (const paragraph of paragraphs) {
    const name = fieldOf(paragraph, 'Package');
    if (names.has(name) && !served.has(name)) {
      served.set(name, await isServed(`${base}/${fieldOf(paragraph, 'Filename')}`));
    }
  }
  return served;
}

const fieldOf = (paragraph: string, field: string): string =>
  new RegExp(`^${field}: *(.*)$`, 'm').exec(paragraph)?.[1] ?? '';

const hash = (algorithm: string, bytes: Buffer): string => createHash(algorithm).update(bytes).digest('hex');

const isTls = (url: string): boolean => url.startsWith('https:');

function isServed(url: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    (isTls(url) ? requestTls : request)(url, { method: 'HEAD' }, (res) => {
      res.resume();
      const status = res.statusCode ?? 0;
      if (status >= 500) reject(new Error(`HEAD ${new URL(url).pathname} was answered with ${status}`));
      else resolve(status === 200);
    })
      .on('error', reject)
      .end();
  });
}

async function fetchBytes(url: string): Promise<Buffer> {
  const res = await new Promise<IncomingMessage>((resolve, reject) => {
    (isTls(url) ? getTls : get)(url, resolve).on('error', reject);
  });
  if (res.statusCode !== 200) throw new Error(`GET ${new URL(url).pathname} was answered with ${res.statusCode}`);
  const chunks: Buffer[] = [];
  for await (const chunk of res) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

function sendBytes(req: IncomingMessage, res: ServerResponse, bytes: Buffer): void {
  const tag = `"${hash('sha256', bytes).slice(0, 32)}"`;
  if (req.headers['if-none-match'] === tag) {
    res.writeHead(304, { ETag: tag }).end();
    return;
  }
  res.writeHead(200, { 'Content-Type': 'application/octet-stream', 'Content-Length': bytes.length, ETag: tag });
  res.end(req.method === 'HEAD' ? undefined : bytes);
}

function passThrough(url: string, req: IncomingMessage, res: ServerResponse): void {
  const { host: _host, connection: _connection, ...headers } = req.headers;
  const upstream = (isTls(url) ? requestTls : request)(url, { method: req.method, headers }, (answer) => {
    res.writeHead(answer.statusCode ?? 502, answer.headers);
    answer.on('error', () => res.destroy()).pipe(res);
  });
  upstream.on('error', () => (res.headersSent ? res.destroy() : res.writeHead(502, { 'Content-Length': 0 }).end()));
  res.on('close', () => upstream.destroy());
  upstream.end();
}
