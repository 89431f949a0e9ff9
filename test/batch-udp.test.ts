import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { closeSync, cpSync, fstatSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import koffi from 'koffi';
import {
  type BatchDatagram,
  type BatchUdp,
  BatchUdpError,
  type BatchUdpOptions,
  openBatchUdp,
  openPlainUdp,
} from '../src/batch-udp.ts';
import { inNamespace } from '../src/sockets.ts';
import type { Ipv4 } from '../src/wire/address.ts';
import { until } from './until.ts';

const libc = koffi.load('libc.so.6');
const c = {
  socket: libc.func('int socket(int, int, int)'),
  bind: libc.func('int bind(int, const void *, uint32_t)'),
  connect: libc.func('int connect(int, const void *, uint32_t)'),
  getsockname: libc.func('int getsockname(int, void *, void *)'),
  setsockopt: libc.func('int setsockopt(int, int, int, const void *, uint32_t)'),
};
const [AF_INET, AF_INET6, STREAM, DATAGRAM, NONBLOCK, SO_SNDBUF, SO_RCVBUF] = [2, 10, 1, 2, 0o4000, 7, 8];
const LOOPBACK = '127.0.0.1' as Ipv4;

type Open = (fd: number, options?: BatchUdpOptions) => BatchUdp;
const openers: Record<'batched' | 'plain', Open> = {
  batched: openBatchUdp,
  plain: (fd, options) => openPlainUdp(fd, options),
};

test('the batched calls are there, so that what follows tests them', (t) => {
  const { udp } = openServer(t, openBatchUdp);
  assert.equal(udp.plainBecause, undefined);
  assert.equal(openServer(t, openers.plain).udp.plainBecause, 'it was asked for');
});

for (const [name, open] of Object.entries(openers)) {
  test(`${name}: all datagrams of a burst arrive once, in order and with their source`, async (t) => {
    const { udp, port } = openServer(t, (fd) => open(fd, { batch: 20 }));
    const peers = [await openPeer(t), await openPeer(t)] as const;
    for (let index = 0; index < 500; index++)
      await sendFrom(peers[index % 2] as Socket, Buffer.from(`datagram ${index}`), port);
    const batches = listen(udp);
    await until(() => batches.flat().length >= 500);
    await sleep(20); // for one that comes twice
    assert.deepEqual(
      batches.flat().map((one) => [one.bytes.toString(), one.address, one.port]),
      Array.from({ length: 500 }, (_, index) => [`datagram ${index}`, LOOPBACK, peers[index % 2]?.address().port]),
    );
    assert.ok(batches.every((batch) => batch.length >= 1 && batch.length <= 20));
  });

  test(`${name}: a datagram that is kept stays as it came while others arrive`, async (t) => {
    const { udp, port } = openServer(t, open);
    const peer = await openPeer(t);
    const batches = listen(udp);
    await sendFrom(peer, Buffer.from('the first'), port);
    await until(() => batches.length === 1);
    for (let index = 0; index < 100; index++) await sendFrom(peer, Buffer.from('others'), port);
    await until(() => batches.flat().length === 101);
    assert.equal(batches[0]?.[0]?.bytes.toString(), 'the first');
  });

  test(`${name}: answers reach who asked, in order, and their bytes may be changed as soon as they are sent`, async (t) => {
    const { udp, port } = openServer(t, open);
    const peer = await openPeer(t);
    const answers: string[] = [];
    peer.on('message', (bytes) => answers.push(bytes.toString()));
    udp.listen((batch) => {
      const { failed } = udp.send(batch);
      assert.deepEqual(failed, []);
      for (const one of batch) one.bytes.fill(0);
    });
    for (let index = 0; index < 200; index++) await sendFrom(peer, Buffer.from(`request ${index}`), port);
    await until(() => answers.length >= 200);
    assert.deepEqual(
      answers,
      Array.from({ length: 200 }, (_, index) => `request ${index}`),
    );
  });

  test(`${name}: a batch longer than one call of the kernel is sent whole`, async (t) => {
    const { udp } = openServer(t, open);
    const peer = await openPeer(t);
    const heard: number[] = [];
    peer.on('message', (bytes) => heard.push(bytes.length));
    const lengths = Array.from({ length: 150 }, (_, index) => (index * 7) % 300);
    const result = udp.send(lengths.map((length) => datagram(Buffer.alloc(length), peer.address().port)));
    assert.equal(result.sent + result.waiting, 150);
    await until(() => heard.length >= 150);
    assert.deepEqual(heard, lengths);
  });

  test(`${name}: a listener that throws loses its own batch only, and the error is told`, async (t) => {
    const { udp, port, errors } = openServer(t, open);
    const peer = await openPeer(t);
    const heard: string[] = [];
    udp.listen((batch) => {
      const texts = batch.map((one) => one.bytes.toString());
      if (texts.includes('bad')) throw new Error('this one is bad');
      heard.push(...texts);
    });
    await sendFrom(peer, Buffer.from('bad'), port);
    await until(() => errors.length === 1);
    await sendFrom(peer, Buffer.from('good'), port);
    await until(() => heard.length === 1);
    assert.equal(errors[0]?.message, 'this one is bad');
    assert.deepEqual(heard, ['good']);
  });

  test(`${name}: close in the middle of a burst ends it, and gives the descriptor back`, async (t) => {
    const { udp, port, fd, errors } = openServer(t, open);
    const peer = await openPeer(t);
    for (let index = 0; index < 200; index++) await sendFrom(peer, Buffer.from('x'), port);
    let heard = 0;
    udp.listen((batch) => {
      heard += batch.length;
      udp.close();
    });
    await until(() => heard > 0);
    await sendFrom(peer, Buffer.from('late'), port);
    await sleep(30);
    assert.ok(heard <= 64, `${heard} heard`);
    const late = datagram(Buffer.from('y'), peer.address().port);
    assert.deepEqual(udp.send([late]), {
      sent: 0,
      waiting: 0,
      failed: [{ datagram: late, error: `UDP descriptor ${fd} is closed` }],
    });
    udp.close();
    assert.deepEqual(errors, []);
    assert.throws(() => fstatSync(fd), { code: 'EBADF' });
  });

  test(`${name}: a datagram that is too long is cut to datagramBytes, an empty one is heard`, async (t) => {
    const { udp, port } = openServer(t, open);
    const peer = await openPeer(t);
    const batches = listen(udp);
    for (const length of [4096, 4097, 4098, 9000, 0, 1])
      await sendFrom(peer, Buffer.alloc(length, `${length % 10}`), port);
    await until(() => batches.flat().length === 6);
    const heard = batches.flat().map((one) => one.bytes);
    assert.deepEqual(
      heard.map((bytes) => bytes.length),
      [4096, 4097, 4097, 4097, 0, 1],
    );
    assert.deepEqual(heard[3], Buffer.alloc(4097, '0'));
  });

  test(`${name}: one that cannot be sent is skipped and named, the rest is sent`, async (t) => {
    const { udp, errors } = openServer(t, open);
    const peer = await openPeer(t);
    const heard: string[] = [];
    peer.on('message', (bytes) => heard.push(bytes.toString()));
    const { port } = peer.address();
    const result = udp.send([
      datagram(Buffer.from('1'), port),
      datagram(Buffer.from('broadcast'), port, '255.255.255.255'), // without SO_BROADCAST: socket(7)
      datagram(Buffer.from('2'), port),
      datagram(Buffer.alloc(4098), port),
      datagram(Buffer.from('no port'), 0),
      datagram(Buffer.from('no address'), port, '10.0.0.256'),
      datagram(Buffer.from('broadcast'), port, '255.255.255.255'),
      datagram(Buffer.from('3'), port),
    ]);
    await until(() => heard.length === 3 && result.failed.length + failedLater(errors).length === 5);
    assert.deepEqual(heard, ['1', '2', '3']);
    assert.deepEqual(
      [...result.failed, ...failedLater(errors)].map((one) => [one.datagram.bytes.length, one.error]).sort(),
      [
        [10, '10.0.0.256 is not an IPv4 address'],
        [4098, '4098 bytes are more than the 4097 of one datagram'],
        [7, '0 is not a UDP port'],
        [9, 'EACCES'],
        [9, 'EACCES'],
      ],
    );
    assert.equal(result.sent + result.waiting + result.failed.length, 8);
    if (udp.plainBecause === undefined) assert.equal(result.sent, 3);
  });

  test(`${name}: an ICMP error from earlier is told, and the next datagrams are heard`, async (t) => {
    const { udp, fd, port, errors } = openServer(t, open);
    const peer = createSocket('udp4');
    t.after(() => closePeer(peer));
    const peerPort = await freePort();
    c.connect(fd, sockaddr(LOOPBACK, peerPort), 16); // only a connected socket hears of ICMP: udp(7)
    const batches = listen(udp);
    udp.send([datagram(Buffer.from('nobody is there'), peerPort)]);
    await until(() => errors.length > 0);
    assert.match(errors[0]?.message ?? '', /ECONNREFUSED/);
    peer.bind(peerPort, LOOPBACK);
    await once(peer, 'listening');
    await sendFrom(peer, Buffer.from('now somebody is'), port);
    await until(() => batches.length === 1);
    assert.equal(errors.length, 1);
  });

  test(`${name}: what is no IPv4 UDP socket is refused with its number`, (t) => {
    const opened = (fd: number): number => {
      t.after(() => {
        try {
          closeSync(fd);
        } catch {
          // the plain one closed it
        }
      });
      return fd;
    };
    const six = opened(c.socket(AF_INET6, DATAGRAM, 0) as number);
    assert.throws(() => open(six), {
      name: 'BatchUdpError',
      message: new RegExp(`^descriptor ${six} is not an IPv4 UDP`),
    });
    const tcp = opened(c.socket(AF_INET, STREAM, 0) as number);
    assert.throws(() => open(tcp), {
      name: 'BatchUdpError',
      message: new RegExp(`^descriptor ${tcp} is not an .*UDP`),
    });
    assert.throws(() => open(999), { name: 'BatchUdpError', message: /^descriptor 999 is not an open / });
  });
}

test('options that make no sense are refused with their value', () => {
  const { fd } = openFd();
  for (const open of [openBatchUdp, openPlainUdp]) {
    assert.throws(() => open(fd, { batch: 0 }), { message: 'batch is 0: it must be 1 to 1024 datagrams' });
    assert.throws(() => open(fd, { batch: 1025 }), { message: 'batch is 1025: it must be 1 to 1024 datagrams' });
    assert.throws(() => open(fd, { datagramBytes: 65508 }), {
      message: 'datagramBytes is 65508: it must be 1 to 65507',
    });
  }
  closeSync(fd);
});

test('what waits in the kernel comes in full batches, and timers have their turn after eight', async (t) => {
  const { udp, port } = openServer(t, (fd) => openBatchUdp(fd, { batch: 32 }));
  const peer = await openPeer(t);
  for (let index = 0; index < 600; index++) await sendFrom(peer, Buffer.alloc(300), port);
  const lengths: number[] = [];
  let heardInOneTurn = 0;
  udp.listen((batch) => {
    if (lengths.length === 0)
      setImmediate(() => {
        heardInOneTurn = lengths.reduce((sum, length) => sum + length);
      });
    lengths.push(batch.length);
  });
  await until(() => lengths.reduce((sum, length) => sum + length, 0) === 600);
  assert.deepEqual(lengths, [...Array.from({ length: 18 }, () => 32), 24]);
  assert.equal(heardInOneTurn, 8 * 32);
});

test('what an error listener throws is an uncaught exception of its own, and timers go on', () => {
  const { fd, port } = openFd();
  const script = `
    const { openBatchUdp } = await import(${JSON.stringify(join(import.meta.dirname, '../src/batch-udp.ts'))});
    const udp = openBatchUdp(3);
    udp.listen(() => { throw new Error('listener'); });
    udp.onError(() => { throw new Error('error listener'); });
    process.on('uncaughtException', (error) => console.log(error.message));
    udp.send([{ bytes: Buffer.from('x'), address: '${LOOPBACK}', port: ${port} }]);
    setTimeout(() => { console.log('timer'); udp.close(); }, 100);
  `;
  const { stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'ignore', fd],
    encoding: 'utf8',
    timeout: 5000,
  });
  closeSync(fd);
  assert.equal(stdout, 'error listener\ntimer\n');
});

test('without koffi the same is done by node:dgram, and says why', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'firstlight-udp-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const source = join(import.meta.dirname, '../src');
  for (const file of ['batch-udp.ts', 'mmsg.ts', 'plain-udp.ts', 'wire/address.ts', 'wire/bytes.ts'])
    cpSync(join(source, file), join(folder, file), { recursive: true });
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}');
  const without = (await import(join(folder, 'batch-udp.ts'))) as typeof import('../src/batch-udp.ts');
  const { udp, port } = openServer(t, without.openBatchUdp);
  assert.match(udp.plainBecause ?? '', /^koffi is not usable: .*koffi/);
  const peer = await openPeer(t);
  const batches = listen(udp);
  await sendFrom(peer, Buffer.from('hello'), port);
  await until(() => batches.flat().length === 1);
});

test('a full send buffer', async (t) => {
  if (!canAddNamespace()) return t.skip('needs root, for a network namespace');
  const rack = openStuckRack();
  t.after(rack.remove);

  for (const [name, open] of Object.entries(openers))
    await t.test(`${name}: holds datagrams back until there is room, and sends them in order`, async (t) => {
      const { udp, errors } = openServer(t, open, rack.near, 4096);
      const peer = rack.openPeer();
      t.after(() => closePeer(peer));
      t.after(rack.forget);
      const heard: string[] = [];
      peer.on('message', (bytes) => heard.push(bytes.toString('latin1', 0, 3)));
      const batch = Array.from({ length: 40 }, (_, index) => datagram(numbered(index), peer.address().port, rack.far));
      const first = udp.send(batch.slice(0, 30));
      assert.ok(first.waiting > 0, JSON.stringify(first));
      assert.equal(first.sent + first.waiting, 30);
      await sleep(50);
      assert.deepEqual(heard, []);
      rack.resolve();
      // there is room from here on, and still these may not overtake those that wait
      assert.deepEqual(udp.send(batch.slice(30)), { sent: 0, waiting: 10, failed: [] });
      for (const one of batch) one.bytes.fill(0);
      await until(() => heard.length >= 40);
      assert.deepEqual(
        heard,
        Array.from({ length: 40 }, (_, index) => numbered(index).toString('latin1', 0, 3)),
      );
      assert.deepEqual(errors, []);
      if (udp.plainBecause === undefined)
        assert.equal(udp.send([datagram(numbered(40), peer.address().port, rack.far)]).sent, 1);
    });

  await t.test('that empties little by little takes each datagram once', async (t) => {
    if (!rack.slowDown()) return t.skip('the kernel has no tbf queue');
    t.after(rack.forget);
    rack.resolve();
    const { udp } = openServer(t, openBatchUdp, rack.near, 4096);
    const peer = rack.openPeer();
    t.after(() => closePeer(peer));
    const heard: string[] = [];
    peer.on('message', (bytes) => heard.push(bytes.toString('latin1', 0, 3)));
    udp.send(Array.from({ length: 100 }, (_, index) => datagram(numbered(index), peer.address().port, rack.far)));
    await until(() => heard.length >= 100);
    assert.deepEqual(
      heard,
      Array.from({ length: 100 }, (_, index) => numbered(index).toString('latin1', 0, 3)),
    );
  });

  await t.test('that stays full is given up after a second, and no more than 1024 wait for it', async (t) => {
    const { udp, errors } = openServer(t, openBatchUdp, rack.near, 4096);
    const batch = Array.from({ length: 1100 }, (_, index) => datagram(numbered(index), 9, rack.far));
    const started = performance.now();
    const { sent, waiting, failed } = udp.send(batch);
    assert.equal(waiting, 1024);
    assert.equal(failed.length, 1100 - 1024 - sent);
    assert.ok(failed.every((one) => one.error === 'EAGAIN'));
    await until(() => errors.length > 0);
    assert.ok(performance.now() - started > 900);
    assert.equal(failedLater(errors).length, 1024);
    assert.match(errors[0]?.message ?? '', /1024 waiting datagrams were not sent: EAGAIN$/);
  });

  await t.test('is given up by close', (t) => {
    const { udp, fd, errors } = openServer(t, openBatchUdp, rack.near, 4096);
    const { waiting } = udp.send(Array.from({ length: 30 }, (_, index) => datagram(numbered(index), 9, rack.far)));
    udp.close();
    assert.equal(failedLater(errors).length, waiting);
    assert.equal(failedLater(errors)[0]?.error, `UDP descriptor ${fd} is closed`);
  });
});

function canAddNamespace(): boolean {
  const name = `fl-test-udp-${process.pid}`;
  try {
    for (const verb of ['add', 'del']) execFileSync('ip', ['netns', verb, name], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

/**
 * Two namespaces and a cable on which nobody answers ARP: what is sent to the far end stays in the send buffer (arp(7),
 * unres_qlen) until `resolve` says where that end is.
 */
function openStuckRack() {
  const [near, far] = [`fl-test-udp-${process.pid}-a`, `fl-test-udp-${process.pid}-b`];
  const ip = (...words: string[]): string => execFileSync('ip', words, { encoding: 'utf8' });
  ip('netns', 'add', near);
  ip('netns', 'add', far);
  ip('-n', near, 'link', 'add', 'near', 'type', 'veth', 'peer', 'name', 'far', 'netns', far);
  ip('-n', far, 'link', 'set', 'far', 'address', '02:00:00:00:00:02', 'arp', 'off', 'up');
  ip('-n', far, 'address', 'add', '10.79.0.2/24', 'dev', 'far');
  ip('-n', near, 'address', 'add', '10.79.0.1/24', 'dev', 'near');
  ip('-n', near, 'link', 'set', 'near', 'up');
  const neighbour = (what: string, ...more: string[]) =>
    ip('-n', near, 'neigh', what, '10.79.0.2', 'dev', 'near', ...more);
  return {
    near: { namespace: near, address: '10.79.0.1' as Ipv4 },
    far: '10.79.0.2' as Ipv4,
    resolve: () => neighbour('replace', 'lladdr', '02:00:00:00:00:02', 'nud', 'permanent'),
    /** To 2 Mbit/s, some 700 datagrams of 300 bytes a second: tc-tbf(8). */
    slowDown: () => {
      const words = 'tc qdisc replace dev near root tbf rate 2mbit burst 2kb limit 100kb';
      return spawnSync('ip', ['netns', 'exec', near, ...words.split(' ')]).status === 0;
    },
    forget: () => neighbour('del'),
    openPeer: () => {
      const socket = createSocket('udp4');
      socket.bind({ fd: inNamespace(far, () => bound('10.79.0.2' as Ipv4)) });
      return socket;
    },
    remove: () => {
      ip('netns', 'del', near);
      ip('netns', 'del', far);
    },
  };
}

type Place = { namespace?: string; address: Ipv4 };

function openServer(
  t: TestContext,
  open: (fd: number) => BatchUdp,
  place: Place = { address: LOOPBACK },
  buffer = 1 << 20,
) {
  const { fd, port } = openFd(place, buffer);
  const udp = open(fd);
  const errors: Error[] = [];
  udp.onError((error) => errors.push(error));
  t.after(() => udp.close());
  return { udp, fd, port, errors };
}

function openFd(place: Place = { address: LOOPBACK }, buffer = 1 << 20): { fd: number; port: number } {
  const fd = inNamespace(place.namespace, () => bound(place.address));
  const bytes = Buffer.alloc(4);
  bytes.writeInt32LE(buffer);
  for (const option of [SO_SNDBUF, SO_RCVBUF]) c.setsockopt(fd, 1, option, bytes, 4);
  const name = Buffer.alloc(16);
  c.getsockname(fd, name, Buffer.from([16, 0, 0, 0]));
  return { fd, port: name.readUInt16BE(2) };
}

function bound(address: Ipv4): number {
  const fd = c.socket(AF_INET, DATAGRAM | NONBLOCK, 0) as number;
  assert.equal(c.bind(fd, sockaddr(address, 0), 16), 0, `bind to ${address}`);
  return fd;
}

function sockaddr(address: Ipv4, port: number): Buffer {
  return Buffer.from([AF_INET, 0, port >> 8, port & 255, ...address.split('.').map(Number), 0, 0, 0, 0, 0, 0, 0, 0]);
}

async function openPeer(t: TestContext): Promise<Socket> {
  const socket = createSocket('udp4');
  socket.bind(0, LOOPBACK);
  t.after(() => closePeer(socket));
  await once(socket, 'listening');
  return socket;
}

function closePeer(socket: Socket): void {
  try {
    socket.close();
  } catch {
    // it is closed
  }
}

async function freePort(): Promise<number> {
  const socket = createSocket('udp4');
  socket.bind(0, LOOPBACK);
  await once(socket, 'listening');
  const { port } = socket.address();
  socket.close();
  await once(socket, 'close');
  return port;
}

function listen(udp: BatchUdp): BatchDatagram[][] {
  const batches: BatchDatagram[][] = [];
  udp.listen((batch) => batches.push(batch));
  return batches;
}

function sendFrom(socket: Socket, bytes: Buffer, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.send(bytes, port, LOOPBACK, (error) => (error ? reject(error) : resolve()));
  });
}

function datagram(bytes: Buffer, port: number, address: string = LOOPBACK): BatchDatagram {
  return { bytes, port, address: address as Ipv4 };
}

/** 300 bytes that begin with `000`, `001`, ... */
function numbered(index: number): Buffer {
  return Buffer.alloc(300, String(index).padStart(3, '0'));
}

function failedLater(errors: readonly Error[]) {
  return errors.flatMap((error) => (error instanceof BatchUdpError ? error.failed : []));
}
