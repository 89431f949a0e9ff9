import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setImmediate as nextTurn, setTimeout as pause } from 'node:timers/promises';
import koffi from 'koffi';
import { createApi } from '../src/api/server.ts';
import type { BatchDatagram, BatchUdp } from '../src/batch-udp.ts';
import { createBootHttpServer } from '../src/boot/http-server.ts';
import { assetPaths, type Library, openLibrary } from '../src/boot/library.ts';
import { LOADERS } from '../src/boot/loaders.ts';
import type { OpenedFile } from '../src/boot/open.ts';
import { understandDhcp } from '../src/dhcp/request.ts';
import type { DhcpSockets } from '../src/dhcp/server.ts';
import type { DhcpRequest, Door } from '../src/dhcp/view.ts';
import type { Event } from '../src/model/event.ts';
import type { Machine, MachineState } from '../src/model/machine.ts';
import type { Subnet } from '../src/model/network.ts';
import type { Instant } from '../src/model/time.ts';
import type { Arrival } from '../src/model/view.ts';
import type { Job } from '../src/model/workflow.ts';
import { joinParts } from '../src/parts.ts';
import { openAssets } from '../src/store/assets.ts';
import type { NewLink } from '../src/store/bmcs.ts';
import { loadContent } from '../src/store/content.ts';
import { openDb } from '../src/store/db.ts';
import type { SyncFile } from '../src/store/flush.ts';
import { openSecrets } from '../src/store/secrets.ts';
import { openTokens } from '../src/store/tokens.ts';
import { type Ipv4, type Mac, macToBytes, parseCidr } from '../src/wire/address.ts';
import { setOption } from '../src/wire/dhcp-options.ts';
import { type DhcpPacket, decodeDhcp, encodeDhcp } from '../src/wire/dhcp-packet.ts';
import type { MessageType } from '../src/wire/dhcp-shapes.ts';

/** In memory where there is such a place: migrations wait for the disk otherwise. */
const PLACE = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();
export const REPOSITORY = join(import.meta.dirname, '..');
export const SERVER = '10.77.0.1' as Ipv4;
export const MAC = '52:54:00:aa:bb:01' as Mac;
export const ARRIVAL: Arrival = { interface: 'rack1', serverAddress: SERVER, url: `http://${SERVER}` };

export type Options = {
  /** An earlier harness's folder: a restart with the same data. */
  folder?: string;
  subnet?: Partial<Omit<Subnet, 'id'>>;
  unknownBoots?: 'scout' | 'local';
  acceptAutomatically?: boolean;
  /** Asset paths and loaders that are not there. */
  lacks?: readonly string[];
  /** A disk that takes its time, or fails. */
  sync?: SyncFile;
  log?: (line: string) => void;
};

/** A disk that is done at once: an answer is there in the turn that made it. */
const syncAtOnce: SyncFile = (_fd, done) => {
  done(null);
};

/** BMCs are given all the time they need, and none of it passes: what is waited for has passed at once. */
function powerAtOnce() {
  let now = Date.UTC(2026, 0, 1, 12);
  return {
    clock: () => now as Instant,
    steady: () => now,
    sleep: async (ms: number, signal?: AbortSignal) => {
      await nextTurn(undefined, signal ? { signal } : {});
      now += ms;
    },
    settings: { spacingMs: 0, polls: false },
  };
}

/** The parts of an appliance as main.ts joins them, without its sockets, in a folder of its own and with a clock that tests move. */
export async function startHarness(options: Options = {}) {
  const folder = options.folder ?? mkdtempSync(join(PLACE, 'firstlight-'));
  const time = { now: Date.UTC(2026, 0, 1, 12) as Instant, steady: 0 };
  const clock = (): Instant => time.now;
  const db = openDb(join(folder, 'data'), { sync: options.sync ?? syncAtOnce });
  db.sql.pragma('synchronous = OFF'); // no test cuts the power
  const tokens = openTokens(db);
  const { assets, library: opened, loadersFolder } = await contentWithout(options.lacks ?? [], folder);
  const shelf = { library: opened };
  const library = (): Library => shelf.library;
  const parts = joinParts({
    db,
    secrets: openSecrets(join(folder, 'data')),
    library,
    settings: {
      unknownBoots: options.unknownBoots ?? 'scout',
      acceptAutomatically: options.acceptAutomatically ?? false,
    },
    clock,
    steady: () => time.steady,
    instance: 'test',
    arrivals: [ARRIVAL],
    loadersFolder,
    consoleFolder: join(folder, 'data', 'console'),
    ...(options.log ? { log: options.log } : {}),
    hasSecurityMirror: true,
    power: powerAtOnce(),
  });
  const { machines, bmcs, network, events, supervisor, consoles, runner, files, door, dhcp } = parts;
  const told: Event[] = [];
  events.listen((event) => void told.push(event));
  const subnet = network.putSubnet({
    name: 'rack1',
    interface: 'rack1',
    cidr: parseCidr('10.77.0.1/24'),
    sharedNetwork: '',
    pools: [{ first: '10.77.0.100' as Ipv4, last: '10.77.0.109' as Ipv4 }],
    dns: [],
    domain: '',
    leaseSeconds: 3600,
    authoritative: true,
    relays: [],
    conflictDetection: false,
    loaders: {},
    ...options.subnet,
  });

  const closers: (() => unknown)[] = [];

  const wire = fakeWire();
  dhcp.serve(wire.sockets, ARRIVAL);

  return {
    folder,
    ...parts,
    db,
    tokens,
    /** Every event told since the start. */
    told,
    subnet,
    /** What is served; a test may put another library here. */
    shelf,
    assets,
    loadersFolder,
    /** An IPMI BMC of this host, or another one. */
    setBmc: (id: number, link: Partial<NewLink> = {}): void =>
      bmcs.put(id, [
        { driver: 'ipmi', address: '127.0.0.1', port: 623, user: 'admin', password: 's3cret', settings: {}, ...link },
      ]),
    /** Let time pass. */
    pass: (ms: number): void => {
      time.now = (time.now + ms) as Instant;
      time.steady += ms;
    },

    /** Somebody sets the clock of the host. */
    setClock: (ms: number): void => {
      time.now = (time.now + ms) as Instant;
    },

    /** A machine in this state, with disks that hold a partition or do not. */
    addMachine(
      name: string,
      wanted: { mac?: Mac; state?: MachineState; disks?: 'empty' | 'used'; locked?: boolean } = {},
    ): Machine {
      const machine = machines.create({ macs: [wanted.mac ?? MAC], name, state: wanted.state ?? 'ready' }, clock());
      if (wanted.disks) machines.saveInventory(machine, inventory({ disks: wanted.disks }), [], clock());
      if (wanted.locked) machines.setLocked(machine.id, true);
      return machines.byId(machine.id) as Machine;
    },

    /** The install of a bootenv, as the API starts it, with an open ticket. */
    install(machine: Machine, bootenvName: string, wanted: { restart?: boolean; params?: object } = {}): Job {
      return runner.start(
        {
          machineId: machine.id,
          workflow: 'install',
          bootenv: bootenvName,
          params: { ...wanted.params },
          plan: library().workflow('install')?.stages ?? [],
          createdBy: 'admin',
        },
        { opensTicket: true, restart: wanted.restart ?? false },
      );
    },

    /** What the DHCP server answers to one datagram; undefined for silence. `onSend` sees the world as it is at that moment. */
    async ask(packet: Buffer | Ask, onSend?: (reply: DhcpPacket) => void): Promise<DhcpPacket | undefined> {
      const ask = Buffer.isBuffer(packet) ? undefined : packet;
      const bytes = Buffer.isBuffer(packet) ? packet : buildRequest(packet);
      return wire.exchange(bytes, ask, onSend);
    },

    /** Datagrams that are all there before the server has its turn, as from recvmmsg; what it answers is nobody's. */
    hear: (packets: readonly Buffer[]): void =>
      wire.sockets.dhcpBroadcast.hear(packets.map((bytes) => ({ bytes, address: '0.0.0.0' as Ipv4, port: 68 }))),

    /** Every datagram that the server has sent. */
    sent: (): readonly BatchDatagram[] => wire.all,

    /** A request as the rim understands it. */
    understand: (ask: Ask): DhcpRequest =>
      understandDhcp({
        bytes: buildRequest(ask),
        arrival: ARRIVAL,
        door: ask.door ?? 'server',
        unicast: ask.unicast ?? false,
        from: { address: ask.source ?? '0.0.0.0', port: 68 },
      }) as DhcpRequest,

    /** What a machine gets for a name, by TFTP. */
    open: (name: string, from = '10.77.0.100'): Promise<OpenedFile> =>
      files.open({ name, from: from as Ipv4, arrival: ARRIVAL, by: 'TFTP' }),

    /** The machine-facing HTTP server on loopback; gives its port. URLs in what it renders are those of ARRIVAL. */
    async listen(): Promise<number> {
      const { fd, port } = await listeningFd();
      const routes = [{ prefix: '/run/', handle: door.handle }];
      const server = createBootHttpServer({ listenFd: fd, arrival: ARRIVAL, files, routes, events });
      closers.push(() => {
        door.stop();
        server.closeAllConnections();
        return new Promise((resolve) => server.close(resolve));
      });
      return port;
    },

    async openApi() {
      const api = await createApi({ ...parts, tokens, version: '0.0.0', problems: () => [] });
      closers.push(() => api.close());
      return { api, token: tokens.issue('ada', clock()) };
    },

    /** Resolves when `check` gives something, looked at again and again. */
    async until<T>(check: () => T | undefined | false): Promise<T> {
      for (;;) {
        const value = check();
        if (value !== undefined && value !== false) return value;
        await pause(2);
      }
    },

    /** Stop everything; the folder stays when it is to be opened again. */
    async close(keep: 'keep' | 'remove' = 'remove'): Promise<void> {
      runner.stop();
      await consoles.close();
      await supervisor.close();
      dhcp.close();
      for (const close of closers.reverse()) await close();
      db.close();
      if (keep === 'remove') rmSync(folder, { recursive: true });
    },
  };
}

/** The repository's own content with small files for its assets and loaders. Without a lack, all harnesses share it. */
let complete: ReturnType<typeof prepareContent> | undefined;
function contentWithout(lacks: readonly string[], folder: string): ReturnType<typeof prepareContent> {
  if (lacks.length > 0) return prepareContent(lacks, folder);
  if (!complete) {
    const shared = mkdtempSync(join(PLACE, 'firstlight-content-'));
    process.once('exit', () => rmSync(shared, { recursive: true }));
    complete = prepareContent([], shared);
  }
  return complete;
}

async function prepareContent(lacks: readonly string[], folder: string) {
  const content = loadContent(REPOSITORY);
  const paths = [...content.bootenvs.values()].flatMap(assetPaths);
  for (const path of paths)
    if (!lacks.includes(path)) writeAsset(join(folder, 'assets'), path, `the bytes of ${path}\n`);
  const loadersFolder = join(folder, 'loaders');
  mkdirSync(loadersFolder, { recursive: true });
  for (const { file } of LOADERS)
    if (!lacks.includes(file)) writeFileSync(join(loadersFolder, file), `the loader ${file}\n`.repeat(100));
  const assets = openAssets(join(folder, 'assets'));
  await assets.check(paths);
  const { library, problems } = openLibrary(content, assets);
  if (!library || problems.length > 0) throw new Error(JSON.stringify(problems));
  return { assets, library, loadersFolder };
}

export type Harness = Awaited<ReturnType<typeof startHarness>>;

/** Run `check` with a harness of its own. */
export async function withHarness(options: Options, check: (harness: Harness) => Promise<void> | void): Promise<void> {
  const harness = await startHarness(options);
  try {
    await check(harness);
  } finally {
    await harness.close();
  }
}

/** What a client asks by DHCP. */
export type Ask = {
  type: MessageType;
  mac?: Mac;
  as?: keyof typeof CLIENTS | number;
  asks?: Ipv4 | undefined;
  names?: Ipv4 | undefined;
  has?: Ipv4 | undefined;
  relay?: Ipv4 | undefined;
  wants?: number[];
  unicast?: boolean;
  door?: Door;
  source?: Ipv4 | undefined;
  options?: [number, Buffer][];
};

/** Who can ask: options 60, 93 and 77 or 175 as the firmware of each kind sends them. */
export const CLIENTS = {
  os: {},
  bios: { vendorClass: 'PXEClient:Arch:00000:UNDI:002001', architecture: 0 },
  uefi: { vendorClass: 'PXEClient:Arch:00007:UNDI:003000', architecture: 7 },
  'uefi-http': { vendorClass: 'HTTPClient:Arch:00016:UNDI:003001', architecture: 16 },
  'ipxe-bios': { vendorClass: 'PXEClient:Arch:00000:UNDI:002001', architecture: 0, isIpxe: true },
  'ipxe-uefi': { vendorClass: 'PXEClient:Arch:00007:UNDI:003010', architecture: 7, isIpxe: true },
} as const;

export function buildRequest(ask: Ask): Buffer {
  const options = new Map<number, Buffer>();
  setOption(options, 'messageType', ask.type);
  const client: { vendorClass?: string; architecture?: number; isIpxe?: boolean } =
    typeof ask.as === 'number'
      ? {
          vendorClass: `PXEClient:Arch:${String(ask.as).padStart(5, '0')}:UNDI:003000`,
          architecture: ask.as,
        }
      : CLIENTS[ask.as ?? 'os'];
  if (client.vendorClass !== undefined) setOption(options, 'vendorClass', client.vendorClass);
  if (client.architecture !== undefined) setOption(options, 'clientArchitectures', [client.architecture]);
  if (client.isIpxe) options.set(77, Buffer.from('iPXE'));
  if (ask.asks) setOption(options, 'requestedAddress', ask.asks);
  if (ask.names) setOption(options, 'serverId', ask.names);
  if (ask.wants) setOption(options, 'parameterRequestList', ask.wants);
  for (const [code, value] of ask.options ?? []) options.set(code, value);
  const none = '0.0.0.0' as Ipv4;
  return encodeDhcp({
    op: 'request',
    htype: 1,
    hops: 0,
    xid: 0xf15b,
    secs: 0,
    broadcast: false,
    ciaddr: ask.has ?? none,
    yiaddr: none,
    siaddr: none,
    giaddr: ask.relay ?? none,
    chaddr: macToBytes(ask.mac ?? MAC),
    sname: '',
    file: '',
    options,
  }).bytes;
}

/** DHCP sockets that lead nowhere: a datagram is handed in, and what is sent comes out. */
function fakeWire() {
  let sent: ((bytes: Buffer) => void) | undefined;
  const all: BatchDatagram[] = [];
  type FakeSocket = BatchUdp & { hear(batch: BatchDatagram[]): void };
  const socket = (): FakeSocket => {
    let listener: ((batch: BatchDatagram[]) => void) | undefined;
    return {
      hear: (batch) => listener?.(batch),
      listen: (wanted) => {
        listener = wanted;
      },
      send: (batch) => {
        all.push(...batch);
        for (const { bytes } of batch) sent?.(bytes);
        return { sent: batch.length, waiting: 0, failed: [] };
      },
      onError: () => undefined,
      close: () => undefined,
      plainBecause: undefined,
    };
  };
  const sockets = { dhcp: socket(), dhcpBroadcast: socket(), pxe: socket(), pxeBroadcast: socket() };
  return {
    all,
    sockets: sockets satisfies DhcpSockets as Record<keyof DhcpSockets, FakeSocket>,
    async exchange(bytes: Buffer, ask?: Ask, onSend?: (reply: DhcpPacket) => void): Promise<DhcpPacket | undefined> {
      let reply: DhcpPacket | undefined;
      let failure: unknown;
      sent = (answer) => {
        reply = decodeDhcp(answer);
        try {
          onSend?.(reply);
        } catch (error) {
          failure = error; // the server would take it for a fault of its own
        }
      };
      const isPxe = ask?.door === 'boot-server';
      const socket = ask?.unicast
        ? isPxe
          ? sockets.pxe
          : sockets.dhcp
        : isPxe
          ? sockets.pxeBroadcast
          : sockets.dhcpBroadcast;
      socket.hear([{ bytes, address: (ask?.source ?? '0.0.0.0') as Ipv4, port: 68 }]);
      await new Promise((resolve) => setImmediate(resolve)); // the server answers in one of its own, made before this one
      if (failure) throw failure;
      return reply;
    },
  };
}

const dup = koffi.load('libc.so.6').func('int dup(int)');

/** A TCP socket that listens on a free port of loopback, as main.ts hands one on. */
async function listeningFd(): Promise<{ fd: number; port: number }> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const fd = dup((server as unknown as { _handle: { fd: number } })._handle.fd) as number;
  server.close();
  return { fd, port };
}

/** Write an asset and its line of SHA256SUMS. */
export function writeAsset(folder: string, path: string, text: string): void {
  const full = join(folder, path);
  mkdirSync(dirname(full), { recursive: true });
  writeFileSync(full, text);
  const sums = join(dirname(full), 'SHA256SUMS');
  const line = `${createHash('sha256').update(text).digest('hex')}  ${path.slice(path.indexOf('/') + 1)}\n`;
  writeFileSync(sums, line, { flag: existsSync(sums) ? 'a' : 'w' });
}

/** What a scout posts of a small machine. */
export function inventory(wanted: { disks?: 'empty' | 'used'; serial?: string; uuid?: string; macs?: string[] } = {}) {
  return {
    vendor: 'QEMU',
    model: 'Standard PC',
    serial: wanted.serial ?? '',
    uuid: wanted.uuid ?? '',
    firmware: 'uefi' as const,
    secureBoot: false,
    cpu: { model: 'Xeon', sockets: 1, cores: 2, threads: 2 },
    memoryBytes: 2 ** 31,
    disks: [
      {
        name: 'sda',
        path: '/dev/sda',
        model: 'disk',
        serial: 'D1',
        wwn: '',
        sizeBytes: 8e9,
        rotational: false,
        transport: 'virtio',
        removable: false,
        blank: wanted.disks !== 'used',
      },
    ],
    nics: (wanted.macs ?? [MAC]).map((mac, index) => ({
      name: `eth${index}`,
      mac,
      link: true,
      speedMbps: null,
      driver: 'virtio_net',
    })),
    bmc: null,
  };
}

/** A TCP port of loopback that nobody listens on. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
