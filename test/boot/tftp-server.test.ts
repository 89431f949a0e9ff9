import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { after, test } from 'node:test';
import { promisify } from 'node:util';
import { type BootFile, type BootRefusal, diskBootFile, textBootFile } from '../../src/boot/boot-file.ts';
import { createTftpServer, type TftpEvent, type TftpPeer, type TransferClock } from '../../src/boot/tftp-server.ts';
import { decodeTftp, encodeTftp, type TftpPacket } from '../../src/wire/tftp.ts';
import { mutate, seededRandom } from '../wire/mutate.ts';

const run = promisify(execFile);
const folder = mkdtempSync(join(tmpdir(), 'firstlight-tftp-'));
after(() => rmSync(folder, { recursive: true }));

function write(name: string, bytes: Buffer | string): Buffer {
  writeFileSync(join(folder, name), bytes);
  return Buffer.from(bytes);
}

/** Time that stands still until it is moved. */
function handClock() {
  let now = 0;
  const waiting = new Set<{ at: number; call: () => void }>();
  const clock: TransferClock = {
    now: () => now,
    after: (ms, call) => {
      const timer = { at: now + ms, call };
      waiting.add(timer);
      return () => waiting.delete(timer);
    },
  };
  const advance = (ms: number) => {
    now += ms;
    for (const timer of [...waiting]) {
      if (timer.at <= now && waiting.delete(timer)) timer.call();
    }
  };
  return { clock, advance, waiting };
}

type Open = (name: string, from: TftpPeer) => Promise<BootFile | BootRefusal>;
const fromFolder: Open = (name) => diskBootFile(name, join(folder, name), 'application/octet-stream');

async function boundSocket(): Promise<Socket> {
  const socket = createSocket('udp4');
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  return socket;
}

/** A server on loopback, what it tells, and clients to talk to it packet by packet. */
async function setUp({
  open = fromFolder,
  sockets = 2,
  clock,
}: {
  open?: Open;
  sockets?: number;
  clock?: TransferClock;
} = {}) {
  const listen = await boundSocket();
  const transfers = await Promise.all(Array.from({ length: sockets }, boundSocket));
  const events: TftpEvent[] = [];
  const watchers: (() => void)[] = [];
  const onEvent = (event: TftpEvent) => {
    events.push(event);
    for (const watcher of watchers) watcher();
  };
  const server = createTftpServer({ listen, transfers, open, onEvent, ...(clock ? { clock } : {}) });
  const clients: Client[] = [];
  return {
    server,
    port: listen.address().port,
    transferPorts: transfers.map((socket) => socket.address().port),
    events,
    /** The first event of this kind, now or when it comes. */
    event: <K extends TftpEvent['kind']>(kind: K): Promise<Extract<TftpEvent, { kind: K }>> =>
      new Promise((resolve) => {
        const look = () => {
          const found = events.find((event) => event.kind === kind);
          if (found) resolve(found as Extract<TftpEvent, { kind: K }>);
        };
        watchers.push(look);
        look();
      }),
    client: async () => {
      const client = new Client(await boundSocket(), listen.address().port);
      clients.push(client);
      return client;
    },
    close: () => {
      server.close();
      for (const socket of [listen, ...transfers]) socket.close();
      for (const client of clients) client.socket.close();
    },
  };
}

class Client {
  readonly socket: Socket;
  readonly #port: number;
  readonly #inbox: { packet: TftpPacket; port: number }[] = [];
  #wake = () => {};
  /** The server's end of the transfer: the port of the last packet. */
  peer = 0;

  constructor(socket: Socket, port: number) {
    this.socket = socket;
    this.#port = port;
    socket.on('message', (bytes, { port }) => {
      this.#inbox.push({ packet: decodeTftp(bytes), port });
      this.#wake();
    });
  }

  send(packet: TftpPacket | Buffer, port = this.peer): void {
    this.socket.send(Buffer.isBuffer(packet) ? packet : encodeTftp(packet), port, '127.0.0.1');
  }

  ask(name: string, options: Record<string, string> = {}, mode: 'octet' | 'netascii' = 'octet'): void {
    this.send({ kind: 'read', name, mode, options: new Map(Object.entries(options)) }, this.#port);
  }

  ack(block: number): void {
    this.send({ kind: 'ack', block });
  }

  raw(bytes: Buffer | string): void {
    this.send(Buffer.from(bytes as string, 'latin1'), this.#port);
  }

  async next(): Promise<TftpPacket> {
    while (this.#inbox.length === 0) await new Promise<void>((resolve) => (this.#wake = resolve));
    const { packet, port } = this.#inbox.shift()!;
    this.peer = port;
    return packet;
  }

  async download(
    name: string,
    options: Record<string, string> = {},
    mode: 'octet' | 'netascii' = 'octet',
  ): Promise<Buffer> {
    this.ask(name, options, mode);
    const parts: Buffer[] = [];
    for (let blockSize = 512; ; ) {
      const packet = await this.next();
      if (packet.kind === 'options') {
        blockSize = Number(packet.options.get('blksize') ?? 512);
        this.ack(0);
      } else if (packet.kind === 'data') {
        parts.push(packet.data);
        this.ack(packet.block);
        if (packet.data.length < blockSize) return Buffer.concat(parts);
      } else throw new Error(JSON.stringify(packet));
    }
  }

  /** Nothing unexpected came: what the server sends on `ask` would have come behind it. */
  get unread(): number {
    return this.#inbox.length;
  }
}

function errorText(packet: TftpPacket): string {
  return packet.kind === 'error' ? `${packet.code} ${packet.text}` : packet.kind;
}

test('sends a file block by block from a port of its own, and tells', async () => {
  const { client, event, transferPorts, close } = await setUp();
  const bytes = write('loader', randomBytes(1200));
  const one = await client();
  assert.deepEqual(await one.download('loader', { blksize: '1024', tsize: '0' }), bytes);
  assert.ok(transferPorts.includes(one.peer));
  const from = { address: '127.0.0.1', port: one.socket.address().port, name: 'loader' };
  const { ms, ...done } = await event('done');
  assert.deepEqual(done, { ...from, kind: 'done', bytes: 1200, blockSize: 1024, retransmits: 0 });
  assert.ok(Number.isInteger(ms));
  close();
});

test('the OACK has what was asked and no more', async () => {
  const { client, close } = await setUp();
  write('loader', Buffer.alloc(3000));
  const one = await client();
  one.ask('loader', { tsize: '0', blksize: '9000', windowsize: '4', multicast: '' });
  const oack = await one.next();
  assert.ok(oack.kind === 'options');
  assert.deepEqual(Object.fromEntries(oack.options), { tsize: '3000', blksize: '1468', windowsize: '4' });
  close();
});

test('text is sent as its bytes, and in netascii as its lines', async () => {
  const text = '#!ipxe\necho \u2603\r\n';
  const { client, close } = await setUp({ open: async (name) => textBootFile(name, text, 'text/plain'), sockets: 3 });
  assert.equal((await (await client()).download('boot.ipxe')).toString('utf8'), text);
  const lines = await (await client()).download('boot.ipxe', {}, 'netascii');
  assert.equal(lines.toString('utf8'), '#!ipxe\r\necho \u2603\r\0\r\n');
  close();
});

const refusals: [code: BootRefusal['code'], answer: string][] = [
  ['not-found', '1 there is no such thing'],
  ['declined', '1 there is no such thing'],
  ['forbidden', '2 there is no such thing'],
];
for (const [code, answer] of refusals) {
  test(`T-14 answers ${code} at once, and keeps no socket for it`, async () => {
    const open: Open = async () => ({ kind: 'refused', code, text: 'there is no such thing' });
    const { client, events, server, close } = await setUp({ open, sockets: 1 });
    for (let round = 0; round < 3; round++) {
      const one = await client();
      one.ask('x');
      assert.equal(errorText(await one.next()), answer);
    }
    assert.deepEqual(
      events.map((event) => event.kind === 'refused' && event.code),
      [code, code, code],
    );
    assert.equal(server.active(), 0);
    close();
  });
}

test('N4 N5 N6 N23 what makes no sense, and every write, is an illegal operation', async () => {
  const { client, close } = await setUp({ open: () => assert.fail('nothing is opened') });
  const one = await client();
  for (const text of [
    '\0\x01ab',
    '\0\x01a\0',
    '\0\x01\0octet\0',
    '\0\x01a\0mail\0',
    '\0\x02a\0octet\0',
    '\0\x02a\0octet\0tsize\x009\0',
  ]) {
    one.raw(text);
    assert.match(errorText(await one.next()), /^4 ./, JSON.stringify(text));
  }
  close();
});

test('N1 N2 N3 is silent to what is no request', async () => {
  const { client, close } = await setUp();
  const one = await client();
  for (const text of [
    '',
    '\0',
    '\0\x01',
    '\0\x01a',
    '\0\0ab',
    '\0\x07ab',
    '\xff\xffab',
    '\0\x03\0\x01abc',
    '\0\x04\0\0',
    '\0\x06a\0b\0',
    '\0\x05\0\0x\0',
  ]) {
    one.raw(text);
  }
  one.ask('no-such-file');
  assert.equal(errorText(await one.next()), '1 no-such-file does not exist');
  assert.equal(one.unread, 0);
  close();
});

test('N8 a name that no file has is refused without a look, and told escaped', async () => {
  const { client, events, close } = await setUp({ open: () => assert.fail('nothing is opened') });
  const one = await client();
  for (const name of ['x'.repeat(256), 'x'.repeat(2000), 'a\nb', '\x1b[31m', 'a\x7f']) {
    one.ask(name);
    assert.equal(errorText(await one.next()), '1 no file has such a name');
  }
  for (const event of events) assert.match(JSON.stringify(event), /^[\x20-\x7e]{1,500}$/);
  close();
});

test('N22 a folder, a FIFO, a device and a dangling link are not files', async () => {
  mkdirSync(join(folder, 'dir'));
  symlinkSync(join(folder, 'nowhere'), join(folder, 'dangling'));
  symlinkSync('/dev/zero', join(folder, 'device'));
  await run('mkfifo', [join(folder, 'fifo')]);
  const { client, close } = await setUp();
  const one = await client();
  for (const name of ['dir', 'dangling', 'device', 'fifo', 'dir/x']) {
    one.ask(name);
    assert.match(errorText(await one.next()), /^1 /, name);
  }
  close();
});

test('what open throws is our fault: ERROR 0 without details, and the reason for the operator', async () => {
  const { client, event, server, close } = await setUp({ open: () => Promise.reject(new Error('/secret/path broke')) });
  const one = await client();
  one.ask('x');
  assert.equal(errorText(await one.next()), '0 the server failed');
  assert.equal((await event('failed')).reason, '/secret/path broke');
  assert.equal(server.active(), 0);
  close();
});

test('T-13 a client that only wanted the size is a probe', async () => {
  const { client, event, events, close } = await setUp();
  write('loader', Buffer.alloc(3000));
  const one = await client();
  one.ask('loader', { tsize: '0' });
  await one.next();
  one.send({ kind: 'error', code: 8, text: 'User aborted the transfer' });
  assert.equal((await event('probe')).bytes, 3000);
  assert.deepEqual(
    events.map(({ kind }) => kind),
    ['probe'],
  );
  close();
});

test('N16 N17 a stranger on the port of a transfer is sent away and changes nothing', async () => {
  const { client, close } = await setUp();
  const bytes = write('loader', randomBytes(900));
  const [one, stranger] = [await client(), await client()];
  one.ask('loader');
  const first = await one.next();
  stranger.peer = one.peer;
  stranger.send({ kind: 'error', code: 0, text: 'die' });
  stranger.ack(1);
  assert.equal(errorText(await stranger.next()), '5 unknown transfer');
  one.ack(1);
  const second = await one.next();
  assert.equal(stranger.unread, 0, 'an ERROR is not answered');
  assert.ok(first.kind === 'data' && second.kind === 'data');
  assert.deepEqual(Buffer.concat([first.data, second.data]), bytes);
  close();
});

test('N19 T-12 the same request again is one transfer; another from the same port takes its place', async () => {
  const { client, event, server, close } = await setUp();
  write('loader', Buffer.alloc(3000, 1));
  write('other', Buffer.alloc(10, 2));
  const one = await client();
  for (let round = 0; round < 20; round++) one.ask('loader');
  const first = await one.next();
  assert.ok(first.kind === 'data');
  assert.equal(server.active(), 1);
  assert.ok(one.unread <= 3);
  one.ask('other');
  let packet = await one.next();
  while (packet.kind === 'data' && packet.data[0] === 1) packet = await one.next();
  assert.ok(packet.kind === 'data' && packet.data.length === 10);
  assert.match((await event('failed')).reason, /asked anew/);
  assert.equal(server.active(), 1);
  close();
});

test('Q21 T-14 when all sockets are taken a request is dropped, and answered when one has rested', async () => {
  const { clock, advance } = handClock();
  const { client, event, events, close } = await setUp({ sockets: 1, clock });
  const bytes = write('loader', randomBytes(100));
  const [one, two] = [await client(), await client()];
  one.ask('loader');
  await one.next();
  two.ask('loader');
  const busy = await event('refused');
  assert.deepEqual([busy.code, busy.text], ['busy', 'all 1 transfers are taken']);
  one.ack(1);
  await event('done');
  advance(2999);
  two.ask('loader');
  while (events.filter(({ kind }) => kind === 'refused').length < 2) await new Promise(setImmediate);
  assert.equal(two.unread, 0);
  advance(1);
  assert.deepEqual(await two.download('loader'), bytes);
  close();
});

test('T-10 N18 sends again by the clock, and gives up', async () => {
  const { clock, advance, waiting } = handClock();
  const { client, event, server, close } = await setUp({ clock });
  write('loader', Buffer.alloc(3000));
  const one = await client();
  one.ask('loader', { tsize: '0' });
  assert.equal((await one.next()).kind, 'options');
  for (const ms of [1000, 2000, 4000, 8000, 8000]) {
    advance(ms - 1);
    assert.equal(one.unread, 0);
    advance(1);
    assert.equal((await one.next()).kind, 'options');
  }
  advance(8000);
  assert.equal((await event('failed')).reason, 'the client never answered (31 s of silence)');
  assert.deepEqual([server.active(), waiting.size], [0, 0]);
  close();
});

test('N21 a large file that is cut short ends with an error', async () => {
  const { client, event, close } = await setUp();
  write('large', Buffer.alloc(6_000_000));
  const one = await client();
  one.ask('large', { blksize: '1468' });
  assert.equal((await one.next()).kind, 'options');
  truncateSync(join(folder, 'large'), 3_000_000);
  one.ack(0);
  let packet = await one.next();
  for (; packet.kind === 'data'; packet = await one.next()) one.ack(packet.block);
  assert.equal(errorText(packet), '0 the file cannot be read');
  assert.equal((await event('failed')).reason, 'large cannot be read: it was cut short while it was sent');
  close();
});

test('a file keeps its bytes when another takes its name during the transfer', async () => {
  const { client, close } = await setUp();
  const bytes = write('kernel', randomBytes(5_000_000));
  const one = await client();
  one.ask('kernel', { blksize: '1468' });
  await one.next();
  rmSync(join(folder, 'kernel'));
  write('kernel', Buffer.alloc(5_000_000));
  one.ack(0);
  const hash = createHash('sha256');
  for (;;) {
    const packet = await one.next();
    assert.ok(packet.kind === 'data');
    hash.update(packet.data);
    one.ack(packet.block);
    if (packet.data.length < 1468) break;
  }
  assert.equal(hash.digest('hex'), createHash('sha256').update(bytes).digest('hex'));
  close();
});

test('a small file is read once, however many ask for it', async () => {
  let reads = 0;
  const bytes = randomBytes(50_000);
  const open: Open = async (name) => ({
    ...textBootFile(name, '', 'application/efi'),
    size: bytes.length,
    etag: '"one"',
    text: undefined,
    read: async () => {
      reads++;
      return bytes;
    },
  });
  const { client, close } = await setUp({ open, sockets: 10 });
  const clients = await Promise.all(Array.from({ length: 10 }, client));
  for (const got of await Promise.all(clients.map((one, i) => one.download(`b/${i}/ipxe.efi`))))
    assert.deepEqual(got, bytes);
  assert.equal(reads, 1);
  close();
});

test('every file that was opened is closed, however its transfer ends', async () => {
  let open = 0;
  const counted: Open = async (name, from) => {
    const file = await fromFolder(name, from);
    if (file.kind === 'refused') return file;
    open++;
    return { ...file, close: () => file.close().finally(() => open--) };
  };
  const { client, event, server, close } = await setUp({ open: counted, sockets: 6 });
  write('big', Buffer.alloc(5_000_000));
  write('little', Buffer.alloc(100));
  const [done, aborted, replaced, left] = [await client(), await client(), await client(), await client()];
  await done.download('little');
  aborted.ask('big');
  await aborted.next();
  aborted.send({ kind: 'error', code: 0, text: 'enough' });
  await event('failed');
  left.ask('big');
  await left.next();
  replaced.ask('big');
  replaced.ask('little');
  await replaced.next();
  server.close();
  while (open > 0) await new Promise(setImmediate);
  assert.equal(server.active(), 0);
  close();
});

test('N25 a client that is gone, and any rubbish, leave the server well', async () => {
  const { client, server, port, events, close } = await setUp({ sockets: 60 });
  const bytes = write('loader', randomBytes(2000));
  for (let round = 0; round < 20; round++) {
    const gone = await boundSocket();
    const request = encodeTftp({ kind: 'read', name: 'loader', mode: 'octet', options: new Map() });
    await new Promise((resolve) => gone.send(request, port, '127.0.0.1', resolve));
    gone.close();
  }
  const one = await client();
  const random = seededRandom(42);
  for (let round = 0; round < 2000; round++) {
    one.raw(mutate(Buffer.from('\0\x01loader\0octet\0blksize\x001024\0', 'latin1'), random));
    if (round % 50 === 0) await new Promise(setImmediate);
  }
  // Datagrams may be lost on loopback when so many come: ask until there is an answer.
  const last = await client();
  const asking = setInterval(() => last.ask('loader'), 100);
  const first = await last.next();
  clearInterval(asking);
  assert.ok(first.kind === 'data');
  assert.deepEqual(first.data, bytes.subarray(0, 512));
  assert.deepEqual(
    events.filter(({ kind }) => kind === 'trouble'),
    [],
  );
  assert.ok(server.active() <= 60);
  close();
});

test('a boot file gives its ranges, its bytes and an etag that follows its content', async () => {
  const bytes = write('ranged', randomBytes(3000));
  const disk = await fromFolder('ranged', { address: '127.0.0.1' as TftpPeer['address'], port: 1 });
  const text = textBootFile('t', bytes.toString('hex'), 'text/plain');
  assert.ok(disk.kind === 'file');
  assert.deepEqual(await buffer(disk.openRange(100, 2000)), bytes.subarray(100, 2000));
  assert.deepEqual(await disk.read(2900, 500), bytes.subarray(2900));
  assert.deepEqual(await buffer(disk.openRange(5, 5)), Buffer.alloc(0));
  assert.equal((await buffer(text.openRange(2, 6))).toString(), bytes.toString('hex', 1, 3));
  assert.deepEqual(await buffer(text.openRange(5, 5)), Buffer.alloc(0));
  assert.notEqual(text.etag, textBootFile('t', 'other', 'text/plain').etag);
  assert.match(disk.etag, /^"[0-9a-z.-]+"$/);
  await disk.close();
});

for (const options of [[], ['--tftp-blksize', '1468'], ['--tftp-blksize', '8'], ['--tftp-no-options']]) {
  test(`curl ${options.join(' ')} gets the file`, async (t) => {
    if (!(await installed('curl', '--version'))) return t.skip('curl is not installed');
    const { port, event, close } = await setUp();
    const bytes = write('for-curl', randomBytes(146_800));
    const out = join(folder, 'curl-out');
    await run('curl', ['-s', ...options, '-o', out, `tftp://127.0.0.1:${port}/for-curl`]);
    assert.ok(readFileSync(out).equals(bytes));
    assert.equal((await event('done')).bytes, bytes.length);
    close();
  });
}

test('curl gets a file of more than 65535 blocks', async (t) => {
  if (!(await installed('curl', '--version'))) return t.skip('curl is not installed');
  const { port, close } = await setUp();
  const bytes = write('large-for-curl', randomBytes(65536 * 512 + 700));
  const out = join(folder, 'curl-out');
  await run('curl', ['-s', '--tftp-blksize', '512', '-o', out, `tftp://127.0.0.1:${port}/large-for-curl`]);
  assert.ok(readFileSync(out).equals(bytes));
  close();
});

for (const [mode, content, received] of [
  ['binary', 'one\ntwo\r\n', 'one\ntwo\r\n'],
  ['ascii', 'one\ntwo\n', 'one\ntwo\n'],
] as const) {
  test(`tftp-hpa gets a file in ${mode} mode`, async (t) => {
    if (!(await installed('tftp', '-V'))) return t.skip('tftp-hpa is not installed');
    const { port, close } = await setUp();
    write('for-hpa', content);
    const out = join(folder, `hpa-${mode}`);
    await run('tftp', ['-m', mode, '127.0.0.1', String(port), '-c', 'get', 'for-hpa', out]);
    assert.equal(readFileSync(out, 'utf8'), received);
    close();
  });
}

async function installed(command: string, flag: string): Promise<boolean> {
  return run(command, [flag]).then(
    () => true,
    () => false,
  );
}
