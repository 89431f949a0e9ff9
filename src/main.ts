import { createHash } from 'node:crypto';
import {
  chmodSync,
  closeSync,
  existsSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readFileSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { hostname } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { createApi } from './api/server.ts';
import { hostAptMirror } from './boot/apt-sources.ts';
import { createBootHttpServer, formatBytes, type HttpRoute } from './boot/http-server.ts';
import { LOADERS } from './boot/loaders.ts';
import { createMirror } from './boot/mirror.ts';
import { missingLoaders } from './boot/open.ts';
import { MIRROR_PATH, parseBootPath, SECURITY_MIRROR_PATH } from './boot/paths.ts';
import { openShelf } from './boot/shelf.ts';
import { createTftpServer, type TftpEvent } from './boot/tftp-server.ts';
import { type Config, type ServedSubnet, VERSION } from './config.ts';
import { createProber } from './dhcp/probe.ts';
import { createWatch, type Watch, type WatchChange } from './dhcp/watch.ts';
import { newSubnet, type Subnet } from './model/network.ts';
import { wallClock } from './model/time.ts';
import type { Arrival } from './model/view.ts';
import { joinParts } from './parts.ts';
import { dropPrivileges } from './privileges.ts';
import { openProbeSockets, type ProbeSockets } from './probe-sockets.ts';
import { lockFile, openServedSockets, type ServedSockets, SocketError } from './sockets.ts';
import { StartError } from './start-error.ts';
import { openDb } from './store/db.ts';
import type { Network } from './store/network.ts';
import { KEY_VARIABLE, openSecrets } from './store/secrets.ts';
import { openTokens } from './store/tokens.ts';
import { cidrToText } from './wire/address.ts';

/** A running Firstlight. */
export type Appliance = { close(): Promise<void> };

/** TFTP transfers at once on one interface; a client that comes when all are taken asks again (T-14 of the study). */
const TFTP_TRANSFERS = 64;
/** More than the log grows to between two checkpoints, but in a storm. */
const LOG_BYTES = 32 << 20;
const HOUSEKEEPING_MS = 60 * 60 * 1000;

/** Build every part in order, tell where it can be reached, and give the one that stops them in reverse. */
export async function startAppliance(config: Config, log: (line: string) => void): Promise<Appliance> {
  const clock = wallClock;
  mkdirSync(config.data, { recursive: true, mode: 0o700 });
  chmodSync(config.data, 0o700);
  const lock = takeLock(config.data);

  // What needs privilege comes first, and all of it: sockets, then the user.
  const sockets: ServedSockets[] = [];
  for (const subnet of config.subnets)
    sockets.push(
      openServedSockets({
        interface: subnet.interface,
        address: subnet.cidr.address,
        namespace: config.namespace,
        httpPort: config.httpPort,
        tftpTransfers: TFTP_TRANSFERS,
        proxy: config.proxy,
      }),
    );

  const probes = sockets.map((one) => openProbes(one, config, log));

  const db = openDb(config.data, { logBytes: LOG_BYTES });
  const secrets = openSecrets(config.data, process.env[KEY_VARIABLE]);
  const tokens = openTokens(db);
  const isFirstStart = tokens.isEmpty();
  const adminToken = isFirstStart ? tokens.issue('admin', clock()) : undefined;
  const apiUrl = `http://${config.api.host}:${config.api.port}`;
  if (adminToken && config.credentials) saveCredentials(config.credentials, { url: apiUrl, token: adminToken });
  const privilege = dropPrivileges(config.user, {
    own: config.data,
    read: [config.content, config.assets, config.loaders],
  });
  log(privilege.text);

  const shelf = await openShelf({
    content: config.content,
    assets: config.assets,
    tell: (problem) => log(`content: ${problem}`),
  });
  const archive = config.mirrorUpstream ?? (await hostAptMirror());
  const securityArchive = config.securityUpstream ?? (await hostAptMirror('bookworm-security'));
  if (!archive) log('no mirror: the host has no Debian apt source; name one with --mirror-upstream');
  const arrivals = sockets.map((one): Arrival => {
    const port = config.httpPort === 80 ? '' : `:${config.httpPort}`;
    return {
      interface: one.interface,
      serverAddress: one.address,
      url: `http://${one.address}${port}`,
      isProxy: config.proxy,
    };
  });
  const own = { addresses: sockets.map((one) => one.address), instance: instanceOf(config.data) };
  const parts = joinParts({
    db,
    secrets,
    library: shelf.library,
    settings: { unknownBoots: config.unknownBoots, acceptAutomatically: config.acceptAutomatically },
    clock,
    steady: () => performance.now(),
    instance: own.instance,
    arrivals,
    loadersFolder: config.loaders,
    consoleFolder: join(config.data, 'console'),
    hasSecurityMirror: securityArchive !== undefined,
    power: { settings: { execFolder: config.execFolder, ...(config.stagger ? { stagger: config.stagger } : {}) } },
  });
  const { network, leases, bmcs, jobs, events, supervisor, consoles, runner, files, door, dhcp } = parts;
  const resealed = bmcs.reseal();
  if (resealed > 0) log(`${resealed} passwords were sealed anew with the newest key`);
  for (const served of config.subnets) network.putSubnet(subnetToServe(served, config, network));

  const routes: HttpRoute[] = [{ prefix: '/run/', handle: door.handle }];
  const mirrors = [
    { path: MIRROR_PATH, upstream: archive, cacheFolder: join(config.data, 'mirror') },
    { path: SECURITY_MIRROR_PATH, upstream: securityArchive, cacheFolder: join(config.data, 'mirror-security') },
  ].flatMap(({ path, upstream, cacheFolder }) => {
    if (!upstream) return [];
    const mirror = createMirror({ upstream, cacheFolder, onEvent: (event) => void events.emit(event) });
    routes.push({ prefix: `${path}/`, handle: (request, response, rest) => mirror.handle(request, response, rest) });
    return [mirror];
  });
  const fileServers = sockets.map((one, index) => {
    const arrival = arrivals[index] as Arrival;
    const http = createBootHttpServer({ listenFd: one.httpFd, arrival, files, routes, events });
    const tftp = createTftpServer({
      listen: one.tftp,
      transfers: one.tftpTransfers,
      open: async (name, from) => (await files.open({ name, from: from.address, arrival, by: 'TFTP' })).file,
      onEvent: (event) => tellTftp(event),
    });
    return { http, tftp };
  });

  let watches: Watch[] = [];
  const api = await createApi({
    ...parts,
    tokens,
    version: VERSION,
    problems: shelf.problems,
    foreignServers: () => watches.flatMap((watch) => watch.list()),
    interfaces: () => config.subnets.map((one) => ({ name: one.interface, cidr: one.cidr })),
  });
  await api.listen(config.api);

  // Only now is a request answered: everything it could need is there.
  watches = sockets.flatMap((one, index) => {
    const found = probes[index];
    dhcp.serve(one, arrivals[index] as Arrival, found && createProber({ sockets: found, clock }));
    return found ? [createWatch({ sockets: found, own, clock, tell: tellForeign })] : [];
  });
  supervisor.start();
  consoles.start();
  runner.wake();
  const houseTimer = setInterval(() => jobs.dropExpiredRuns(clock()), HOUSEKEEPING_MS);
  events.emit({
    kind: 'appliance.started',
    text: `Firstlight ${VERSION} serves ${arrivals.map((one) => `${one.interface} (${one.serverAddress})`).join(', ')}`,
  });
  const missing = missingLoaders(
    config.loaders,
    LOADERS.map((one) => one.file),
  );
  if (missing.length > 0)
    log(
      `loaders are missing: ${missing.join(', ')} in ${config.loaders}; install the package ipxe, or name another folder with --loaders`,
    );
  for (const arrival of arrivals)
    log(
      `serves ${arrival.interface}${config.namespace ? ` in namespace ${config.namespace}` : ''}: ${config.proxy ? 'proxyDHCP' : 'DHCP'}, TFTP and ${arrival.url}`,
    );
  const plain = sockets[0]?.pxe.plainBecause;
  if (plain) log(`DHCP datagrams are sent and received one by one: ${plain}`);
  for (const one of sockets) if (one.portTaken) log(`${one.portTaken}; boot clients are answered on port 4011 only`);
  log(`page and API at ${apiUrl}`);
  if (adminToken) log(`admin token, told only this once: ${adminToken}`);
  log('ready');

  function tellForeign({ server, text }: WatchChange): void {
    events.emit({
      kind: 'dhcp.server',
      text,
      because: server.spoils,
      data: { address: server.address, serverId: server.serverId, interface: server.interface },
    });
  }

  function tellTftp(event: TftpEvent): void {
    if (event.kind === 'trouble') return log(`TFTP: ${event.text}`);
    const path = parseBootPath(event.name);
    const mac = (path && 'mac' in path ? path.mac : undefined) ?? leases.macAt(event.address);
    if (!mac) return;
    const data = { name: event.name, by: 'TFTP' };
    if (event.kind === 'done')
      events.emit({
        kind: 'file.served',
        text: `${event.name}, ${formatBytes(event.bytes)} by TFTP`,
        mac,
        data: { ...data, bytes: event.bytes, ms: event.ms, blockSize: event.blockSize, retransmits: event.retransmits },
      });
    if (event.kind === 'probe')
      events.emit({ kind: 'file.probed', text: `${event.name}: asked for its size by TFTP`, mac, data });
    if (event.kind === 'failed')
      events.emit({ kind: 'file.failed', text: `${event.name} by TFTP broke off: ${event.reason}`, mac, data });
  }

  return {
    async close() {
      shelf.close();
      clearInterval(houseTimer);
      runner.stop();
      await consoles.close();
      await supervisor.close();
      door.stop();
      for (const { http, tftp } of fileServers) {
        tftp.close();
        http.close();
        http.closeAllConnections();
      }
      await api.close();
      await Promise.all(mirrors.map((mirror) => mirror.close()));
      for (const watch of watches) watch.close();
      dhcp.close();
      for (const one of probes) one?.close();
      for (const one of sockets)
        for (const socket of [one.dhcp, one.dhcpBroadcast, one.pxe, one.pxeBroadcast, one.tftp, ...one.tftpTransfers])
          socket?.close();
      events.emit({ kind: 'appliance.stopped', text: `Firstlight ${VERSION} stops` });
      db.close();
      closeSync(lock);
    },
  };
}

/** What asks the wire about addresses and other servers; without it both go unasked. */
function openProbes(one: ServedSockets, config: Config, log: (line: string) => void): ProbeSockets | undefined {
  try {
    return openProbeSockets({ interface: one.interface, address: one.address, namespace: config.namespace });
  } catch (error) {
    if (!(error instanceof SocketError)) throw error;
    log(`no conflict detection and no look-out for other DHCP servers on ${one.interface}: ${error.message}`);
    return undefined;
  }
}

/** The same at each start, and another one for another folder or host. */
function instanceOf(folder: string): string {
  const host = hostname()
    .replace(/[^A-Za-z0-9-]/g, '')
    .slice(0, 30);
  return `${host}-${createHash('sha256')
    .update(`${hostname()} ${resolve(folder)}`)
    .digest('hex')
    .slice(0, 8)}`;
}

/** The subnet of a served interface: as it is in the store, or as usual, with what the flags say. */
function subnetToServe(served: ServedSubnet, config: Config, network: Network): Omit<Subnet, 'id'> {
  const present = network.subnets().find((one) => cidrToText(one.cidr) === cidrToText(served.cidr));
  // a subnet of that name elsewhere keeps it; one of this interface's earlier networks gives it up, see putSubnet
  const isTaken = network.subnets().some((one) => one.name === served.interface && one.interface !== served.interface);
  const name = isTaken ? `${served.interface} ${cidrToText(served.cidr)}` : served.interface;
  const usual = newSubnet({ name, cidr: served.cidr });
  return {
    ...usual,
    ...present,
    interface: served.interface,
    cidr: served.cidr,
    ...(served.pool ? { pools: [served.pool] } : {}),
    relays: [...new Set([...(present?.relays ?? []), ...served.relays])],
    ...(config.gateway ? { gateway: config.gateway } : {}),
    ...(config.dns ? { dns: config.dns } : {}),
    ...(config.domain !== undefined ? { domain: config.domain } : {}),
    ...(config.leaseSeconds !== undefined ? { leaseSeconds: config.leaseSeconds } : {}),
  };
}

/** One appliance for one data folder. The lock goes with the process, however it ends. */
function takeLock(folder: string): number {
  const path = join(folder, 'lock');
  const fd = openSync(path, existsSync(path) ? 'r+' : 'w+', 0o600);
  if (!lockFile(fd)) {
    const holder = readFileSync(path, 'utf8').trim();
    closeSync(fd);
    throw new StartError(
      `another Firstlight (process ${holder || 'unknown'}) uses ${folder} already: stop it first, or name another folder with --data`,
    );
  }
  ftruncateSync(fd);
  writeSync(fd, `${process.pid}\n`);
  return fd;
}

function saveCredentials(path: string, credentials: { url: string; token: string }): void {
  const folder = dirname(path);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  writeFileSync(path, `${JSON.stringify(credentials)}\n`, { mode: 0o600 });
  chmodSync(path, 0o600);
}
