import { createHash } from 'node:crypto';
import { hostname } from 'node:os';
import { join, resolve } from 'node:path';
import { createApi } from './api/server.ts';
import { hostAptMirror } from './boot/apt-sources.ts';
import { createBootHttpServer, type HttpRoute } from './boot/http-server.ts';
import { LOADERS } from './boot/loaders.ts';
import { createMirror, type Mirror } from './boot/mirror.ts';
import { missingLoaders } from './boot/open.ts';
import { MIRROR_PATH, SECURITY_MIRROR_PATH } from './boot/paths.ts';
import { openShelf } from './boot/shelf.ts';
import { createTftpServer } from './boot/tftp-server.ts';
import { type Config, VERSION } from './config.ts';
import { takeDataFolder } from './data-folder.ts';
import { createProber } from './dhcp/probe.ts';
import { createWatch, type Watch } from './dhcp/watch.ts';
import type { Events } from './events.ts';
import { giveFirstToken } from './first-start.ts';
import { wallClock } from './model/time.ts';
import type { Arrival } from './model/view.ts';
import { joinParts } from './parts.ts';
import { dropPrivileges } from './privileges.ts';
import { openProbeSockets, type ProbeSockets } from './probe-sockets.ts';
import { subnetToServe } from './served-subnet.ts';
import { openServedSockets, type ServedSockets, SocketError } from './sockets.ts';
import { openDb } from './store/db.ts';
import { KEY_VARIABLE, openSecrets } from './store/secrets.ts';
import { openTokens } from './store/tokens.ts';
import { createForeignTeller, createTftpTeller } from './tell.ts';

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
  const steady = (): number => performance.now();
  const folder = takeDataFolder(config.data);

  // What needs privilege comes first, and all of it: sockets, then the user.
  const sockets = config.subnets.map((subnet) =>
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
  const apiUrl = `http://${config.api.host}:${config.api.port}`;
  giveFirstToken({ tokens, url: apiUrl, credentials: config.credentials, now: clock(), log });
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
  const archives = {
    debian: config.mirrorUpstream ?? (await hostAptMirror()),
    security: config.securityUpstream ?? (await hostAptMirror('bookworm-security')),
  };
  if (!archives.debian) log('no mirror: the host has no Debian apt source; name one with --mirror-upstream');
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
    steady,
    instance: own.instance,
    arrivals,
    loadersFolder: config.loaders,
    consoleFolder: join(config.data, 'console'),
    log,
    hasSecurityMirror: archives.security !== undefined,
    power: { settings: { execFolder: config.execFolder, ...(config.stagger ? { stagger: config.stagger } : {}) } },
  });
  const { network, leases, bmcs, jobs, events, supervisor, consoles, runner, files, door, dhcp } = parts;
  const resealed = bmcs.reseal();
  if (resealed > 0) log(`${resealed} passwords were sealed anew with the newest key`);
  for (const served of config.subnets) network.putSubnet(subnetToServe(served, config, network.subnets()));

  const mirrors = openMirrors(archives, config.data, events);
  const routes: HttpRoute[] = [
    { prefix: '/run/', handle: door.handle },
    ...mirrors.map(({ path, mirror }) => ({ prefix: `${path}/`, handle: mirror.handle })),
  ];
  const onEvent = createTftpTeller({ events, leases, log, steady });
  const fileServers = sockets.map((one, index) => {
    const arrival = arrivals[index] as Arrival;
    const http = createBootHttpServer({ listenFd: one.httpFd, arrival, files, routes, events });
    const tftp = createTftpServer({
      listen: one.tftp,
      transfers: one.tftpTransfers,
      open: async (name, from) => (await files.open({ name, from: from.address, arrival, by: 'TFTP' })).file,
      onEvent,
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
    dhcp.serve(one, arrivals[index] as Arrival, found && createProber({ sockets: found, steady }));
    return found ? [createWatch({ sockets: found, own, clock, tell: createForeignTeller(events) })] : [];
  });
  supervisor.start();
  consoles.start();
  runner.wake();
  const houseTimer = setInterval(() => jobs.dropExpiredRuns(clock()), HOUSEKEEPING_MS);
  events.emit({
    kind: 'appliance.started',
    text: `Firstlight ${VERSION} serves ${arrivals.map((one) => `${one.interface} (${one.serverAddress})`).join(', ')}`,
  });
  for (const line of describeStart(config, sockets, arrivals, apiUrl)) log(line);

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
      await Promise.all(mirrors.map(({ mirror }) => mirror.close()));
      for (const watch of watches) watch.close();
      dhcp.close();
      for (const one of probes) one?.close();
      for (const one of sockets)
        for (const socket of [one.dhcp, one.dhcpBroadcast, one.pxe, one.pxeBroadcast, one.tftp, ...one.tftpTransfers])
          socket?.close();
      events.emit({ kind: 'appliance.stopped', text: `Firstlight ${VERSION} stops` });
      db.close();
      folder.close();
    },
  };
}

/** The caching mirrors of the archives that are known, each with the path that it answers on. */
function openMirrors(
  archives: { debian?: string | undefined; security?: string | undefined },
  folder: string,
  events: Events,
): { path: string; mirror: Mirror }[] {
  return [
    { path: MIRROR_PATH, upstream: archives.debian, cacheFolder: join(folder, 'mirror') },
    { path: SECURITY_MIRROR_PATH, upstream: archives.security, cacheFolder: join(folder, 'mirror-security') },
  ].flatMap(({ path, upstream, cacheFolder }) => {
    if (!upstream) return [];
    return [{ path, mirror: createMirror({ upstream, cacheFolder, onEvent: (event) => void events.emit(event) }) }];
  });
}

/** What a person sees when everything runs: what is missing, what is served, where the page is. */
function describeStart(
  config: Config,
  sockets: readonly ServedSockets[],
  arrivals: readonly Arrival[],
  apiUrl: string,
): string[] {
  const lines: string[] = [];
  const missing = missingLoaders(
    config.loaders,
    LOADERS.map((one) => one.file),
  );
  if (missing.length > 0)
    lines.push(
      `loaders are missing: ${missing.join(', ')} in ${config.loaders}; install the package ipxe, or name another folder with --loaders`,
    );
  for (const arrival of arrivals)
    lines.push(
      `serves ${arrival.interface}${config.namespace ? ` in namespace ${config.namespace}` : ''}: ${config.proxy ? 'proxyDHCP' : 'DHCP'}, TFTP and ${arrival.url}`,
    );
  const plain = sockets[0]?.pxe.plainBecause;
  if (plain) lines.push(`DHCP datagrams are sent and received one by one: ${plain}`);
  for (const { portTaken } of sockets)
    if (portTaken) lines.push(`${portTaken}; boot clients are answered on port 4011 only`);
  return [...lines, `page and API at ${apiUrl}`, 'ready'];
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
