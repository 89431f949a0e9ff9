/**
 * `scripts/bench udp`: how many 300-byte datagrams a second one process echoes on loopback, and for how much CPU, by node:dgram as
 * it is, by openBatchUdp and by its fallback. Needs two idle cores; the flood is blocking calls without work per datagram.
 *
 *   node bench/udp.ts [--quick] [--seconds 5] [--windows 1,16,256] [--modes dgram,batched,plain] [--profile]
 *
 * A window is the most datagrams that are under way at once: 1 is a single client, 256 a storm. --profile adds where the server's
 * time goes in the last window, by its CPU profile, which makes it slower.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import koffi from 'koffi';
import { openBatchUdp, openPlainUdp } from '../src/batch-udp.ts';

const BYTES = 300;
const libc = koffi.load('libc.so.6');
const c = {
  socket: libc.func('int socket(int, int, int)'),
  bind: libc.func('int bind(int, const void *, uint32_t)'),
  connect: libc.func('int connect(int, const void *, uint32_t)'),
  getsockname: libc.func('int getsockname(int, void *, void *)'),
  setsockopt: libc.func('int setsockopt(int, int, int, const void *, uint32_t)'),
  recvmmsg: libc.func('int recvmmsg(int, void *, uint32_t, int, void *)'),
  sendmmsg: libc.func('int sendmmsg(int, void *, uint32_t, int)'),
};
const AF_INET = 2;
const SOCK_DGRAM = 2;
const SOCK_NONBLOCK = 0o4000;
const SOL_SOCKET = 1;
const SO_RCVBUF = 8;
const SO_RCVTIMEO = 20;
const MSG_WAITFORONE = 0x10000;

type ServerReport = { packets: number; userMicroseconds: number; systemMicroseconds: number; calls: number };
type FloodReport = { packets: number; seconds: number; lost: number };

/** Each gives a function that tells how many datagrams were echoed, in how many calls of the listener. */
const SERVERS: Record<string, (fd: number) => () => { packets: number; calls: number }> = {
  dgram: (fd) => {
    let packets = 0;
    const socket = createSocket('udp4');
    socket.on('message', (bytes, from) => {
      packets++;
      socket.send(bytes, from.port, from.address, (error) => error && console.error(error));
    });
    socket.bind({ fd });
    return () => ({ packets, calls: packets });
  },
  batched: (fd) => echo(openBatchUdp(fd)),
  plain: (fd) => echo(openPlainUdp(fd)),
};

function echo(udp: ReturnType<typeof openBatchUdp>) {
  let packets = 0;
  let calls = 0;
  udp.listen((batch) => {
    packets += batch.length;
    calls++;
    for (const { error } of udp.send(batch).failed) console.error(error);
  });
  return () => ({ packets, calls });
}

function openSocket(flags: number): { fd: number; port: number } {
  const fd = c.socket(AF_INET, SOCK_DGRAM | flags, 0) as number;
  const name = Buffer.from([AF_INET, 0, 0, 0, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
  c.setsockopt(fd, SOL_SOCKET, SO_RCVBUF, Buffer.from(Int32Array.of(1 << 20).buffer), 4);
  if (c.bind(fd, name, name.length) < 0) throw new Error(`cannot bind to loopback: error ${koffi.errno()}`);
  c.getsockname(fd, name, Buffer.from([16, 0, 0, 0]));
  return { fd, port: name.readUInt16BE(2) };
}

/** The child that is measured: tells its port, then at each word of its parent what it has used since the last one. */
function serve(mode: string): void {
  const { fd, port } = openSocket(SOCK_NONBLOCK);
  const count = (SERVERS[mode] as (typeof SERVERS)[string])(fd);
  let before = { ...count(), ...process.cpuUsage() };
  process.on('message', (word) => {
    if (word === 'end') process.exit();
    const now = { ...count(), ...process.cpuUsage() };
    const report: ServerReport = {
      packets: now.packets - before.packets,
      calls: now.calls - before.calls,
      userMicroseconds: now.user - before.user,
      systemMicroseconds: now.system - before.system,
    };
    before = now;
    process.send?.(report);
  });
  process.send?.(port);
}

/** The child that asks: blocks in two calls, with one payload and one place for all answers, so it is as fast as C. */
function flood(port: number, window: number, seconds: number): void {
  const { fd } = openSocket(0);
  const name = Buffer.from([AF_INET, 0, port >> 8, port & 255, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
  c.connect(fd, name, name.length);
  c.setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, Buffer.from(BigInt64Array.of(0n, 100_000n).buffer), 16); // struct timeval
  const headers = messages(window);
  const started = performance.now();
  let packets = 0;
  let lost = 0;
  for (let due = window; performance.now() - started < seconds * 1000; ) {
    for (let sent = 0; sent < due; ) sent += Math.max(0, c.sendmmsg(fd, headers, due - sent, 0) as number);
    due = c.recvmmsg(fd, headers, window, MSG_WAITFORONE, null) as number;
    if (due > 0) packets += due;
    else {
      lost += window; // nothing for a tenth of a second: none of them will come
      due = window;
    }
  }
  const report: FloodReport = { packets, seconds: (performance.now() - started) / 1000, lost };
  process.send?.(report);
  process.disconnect();
}

/** struct mmsghdr of src/mmsg.ts, all with the same buffer and, as the socket is connected, no address. */
function messages(count: number): Buffer {
  const block = Buffer.alloc(count * 64 + 16 + BYTES);
  const base = koffi.address(block);
  const iovec = count * 64;
  for (let header = 0; header < iovec; header += 64) {
    block.writeBigUInt64LE(base + BigInt(iovec), header + 16);
    block.writeBigUInt64LE(1n, header + 24);
  }
  block.writeBigUInt64LE(base + BigInt(iovec + 16), iovec);
  block.writeBigUInt64LE(BigInt(BYTES), iovec + 8);
  return block;
}

async function measure(mode: string, windows: number[], seconds: number, profileFolder?: string): Promise<void> {
  const execArgv = profileFolder ? ['--cpu-prof', `--cpu-prof-dir=${profileFolder}`] : [];
  const server = fork(import.meta.filename, ['serve', mode], { execArgv });
  const port = await hear<number>(server);
  const ask = async (window: number, forSeconds: number): Promise<FloodReport> => {
    const child = fork(import.meta.filename, ['flood', String(port), String(window), String(forSeconds)]);
    return hear<FloodReport>(child);
  };
  await ask(windows.at(-1) as number, 1); // until the code is compiled
  for (const window of windows) {
    server.send('report');
    await hear<ServerReport>(server);
    const asked = await ask(window, seconds);
    server.send('report');
    const used = await hear<ServerReport>(server);
    const each = (microseconds: number): string => (microseconds / used.packets).toFixed(2).padStart(6);
    console.log(
      [
        mode.padEnd(8),
        `window ${String(window).padStart(4)}`,
        `${String(Math.round(asked.packets / asked.seconds)).padStart(7)} packets/s`,
        `CPU us/packet: ${each(used.userMicroseconds + used.systemMicroseconds)} (user ${each(used.userMicroseconds)}, system ${each(used.systemMicroseconds)})`,
        `${(used.packets / used.calls).toFixed(1).padStart(5)} a call`,
        `${asked.lost} lost`,
      ].join('  '),
    );
  }
  server.send('end');
  await once(server, 'exit');
  if (profileFolder) printProfile(profileFolder);
}

async function hear<T>(child: ChildProcess): Promise<T> {
  const [word] = await once(child, 'message');
  return word as T;
}

type Profile = {
  nodes: { id: number; callFrame: { functionName: string; url: string; lineNumber: number } }[];
  samples: number[];
};

/** The functions with the most time of their own. What a native call uses is its caller's, or `(program)`. */
function printProfile(folder: string): void {
  const [file] = readdirSync(folder);
  const { nodes, samples } = JSON.parse(readFileSync(join(folder, file as string), 'utf8')) as Profile;
  const names = new Map(
    nodes.map(({ id, callFrame: { functionName, url, lineNumber } }) => [
      id,
      `${functionName || '(anonymous)'} ${url.split('/').at(-1)}:${lineNumber + 1}`,
    ]),
  );
  const own = new Map<string, number>();
  for (const id of samples) {
    const name = names.get(id) as string;
    if (!name.startsWith('(idle)')) own.set(name, (own.get(name) ?? 0) + 1);
  }
  const total = [...own.values()].reduce((sum, count) => sum + count, 0);
  for (const [name, count] of [...own].sort((a, b) => b[1] - a[1]).slice(0, 14))
    console.log(`  ${((100 * count) / total).toFixed(1).padStart(5)} %  ${name}`);
}

const [role, ...words] = process.argv.slice(2);
if (role === 'serve') serve(words[0] as string);
else if (role === 'flood') {
  const [port, window, seconds] = words.map(Number) as [number, number, number];
  flood(port, window, seconds);
} else {
  const { values } = parseArgs({
    options: {
      quick: { type: 'boolean', default: false },
      seconds: { type: 'string' },
      windows: { type: 'string', default: '1,16,256' },
      modes: { type: 'string', default: 'dgram,batched,plain' },
      profile: { type: 'boolean', default: false },
    },
  });
  const seconds = Number(values.seconds ?? (values.quick ? 1 : 5));
  const windows = values.windows.split(',').map(Number);
  for (const mode of values.modes.split(',')) {
    if (!SERVERS[mode]) throw new Error(`no mode ${mode}: there are ${Object.keys(SERVERS).join(', ')}`);
    const folder = values.profile ? mkdtempSync(join(tmpdir(), 'firstlight-profile-')) : undefined;
    try {
      await measure(mode, windows, seconds, folder);
    } finally {
      if (folder) rmSync(folder, { recursive: true });
    }
  }
}
