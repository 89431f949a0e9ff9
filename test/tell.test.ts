import assert from 'node:assert/strict';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { createTftpServer, type TftpEvent } from '../src/boot/tftp-server.ts';
import { createForeignTeller, createTftpTeller } from '../src/tell.ts';
import type { Ipv4 } from '../src/wire/address.ts';
import { encodeTftp } from '../src/wire/tftp.ts';
import { MAC, SERVER, withHarness } from './harness.ts';

const STRANGER = '10.77.0.200' as Ipv4;
const BUSY = { kind: 'refused', code: 'busy', text: 'all 64 transfers are taken', name: 'b/x', port: 1024 } as const;
const MINUTES = 60_000;

/** A teller in a world where one machine has a lease, and what it has told. */
async function withTeller(
  check: (world: {
    tell: (event: TftpEvent) => void;
    lines: string[];
    kinds: () => string[];
    pass: (ms: number) => void;
    address: Ipv4;
  }) => void | Promise<void>,
): Promise<void> {
  await withHarness({}, async (harness) => {
    harness.addMachine('vm-01');
    const offer = await harness.ask({ type: 'discover' });
    const ack = await harness.ask({ type: 'request', names: SERVER, asks: offer?.yiaddr });
    const lines: string[] = [];
    let now = 0;
    const before = harness.told.length;
    const tell = createTftpTeller({ ...harness, log: (line) => void lines.push(line), steady: () => now });
    await check({
      tell,
      lines,
      kinds: () => harness.told.slice(before).map((event) => `${event.kind} ${event.mac}: ${event.text}`),
      pass: (ms) => {
        now += ms;
      },
      address: ack?.yiaddr as Ipv4,
    });
  });
}

test('what a machine was sent by TFTP stands on its timeline, found by its name or by its lease', () =>
  withTeller(({ tell, kinds, address }) => {
    const done = { kind: 'done', bytes: 1200, ms: 5, blockSize: 1468, retransmits: 0, confirmed: true } as const;
    tell({ ...done, name: 'b/52-54-00-aa-bb-01/snponly.efi', address: STRANGER, port: 1024 });
    tell({ kind: 'probe', bytes: 1200, name: 'autoexec.ipxe', address, port: 1025 });
    tell({ kind: 'failed', reason: 'nothing came', name: 'autoexec.ipxe', address, port: 1026 });
    tell({ ...done, name: 'autoexec.ipxe', address: STRANGER, port: 1027 });
    assert.deepEqual(kinds(), [
      `file.served ${MAC}: b/52-54-00-aa-bb-01/snponly.efi, 1.2 kB by TFTP`,
      `file.probed ${MAC}: autoexec.ipxe: asked for its size by TFTP`,
      `file.failed ${MAC}: autoexec.ipxe by TFTP broke off: nothing came`,
    ]);
  }));

test('a full TFTP server and what it cannot take are told on the log, once in a while for each client and kind', () =>
  withTeller(({ tell, lines, kinds, pass, address }) => {
    const illegal = { ...BUSY, code: 'illegal', text: 'this server is read-only' } as const;
    for (let again = 0; again < 100; again++) {
      tell({ ...BUSY, address, port: 1024 + again });
      tell({ ...illegal, address: STRANGER, port: 1024 + again });
      tell({ ...BUSY, address: STRANGER });
      pass(1000);
    }
    const told = [
      `TFTP: ${address} asked for b/x: all 64 transfers are taken`,
      `TFTP: ${STRANGER} asked for b/x: this server is read-only`,
      `TFTP: ${STRANGER} asked for b/x: all 64 transfers are taken`,
    ];
    assert.deepEqual(lines, told);
    pass(10 * MINUTES);
    tell({ ...BUSY, address });
    assert.deepEqual(lines, [...told, told[0]]);
    assert.deepEqual(kinds(), [], 'no machine failed: it asks again');
  }));

test('what was refused by a decision is told where it was decided, and not once more', () =>
  withTeller(({ tell, lines, kinds, address }) => {
    for (const code of ['not-found', 'declined', 'forbidden'] as const) tell({ ...BUSY, code, address });
    assert.deepEqual([lines, kinds()], [[], []]);
  }));

test('a flood of clients that are made up does not fill the log', () =>
  withTeller(({ tell, lines, pass }) => {
    const flood = (): void => {
      for (let host = 0; host < 10_000; host++)
        tell({ ...BUSY, name: 'x'.repeat(60_000), address: `10.${host >> 8}.${host & 255}.7` as Ipv4 });
    };
    flood();
    assert.equal(lines.length, 64);
    assert.match(lines[63] ?? '', /; more of this is not told for 10 minutes$/);
    assert.ok(lines.every((line) => line.length < 300));
    pass(10 * MINUTES);
    flood();
    assert.equal(lines.length, 128, 'and it is told again when it has not ended');
  }));

test('a write to the TFTP server comes to the log', () =>
  withTeller(async ({ tell, lines }) => {
    const sockets: Socket[] = [];
    for (let count = 0; count < 3; count++) {
      const socket = createSocket('udp4').bind(0, '127.0.0.1');
      await once(socket, 'listening');
      sockets.push(socket);
    }
    const [listen, transfer, client] = sockets as [Socket, Socket, Socket];
    const open = async () => ({ kind: 'refused', code: 'not-found', text: 'no' }) as const;
    const server = createTftpServer({ listen, transfers: [transfer], open, onEvent: tell });
    const answered = once(client, 'message');
    const write = Buffer.from('\0\x02evil\x1b.txt\0octet\0', 'latin1');
    client.send(write, (listen.address() as AddressInfo).port, '127.0.0.1');
    const [answer] = await answered;
    assert.deepEqual(answer, encodeTftp({ kind: 'error', code: 4, text: 'this server is read-only' }));
    server.close();
    for (const socket of sockets) socket.close();
    assert.deepEqual(lines, ['TFTP: 127.0.0.1 asked for evil\\x1b.txt: this server is read-only']);
  }));

test('a DHCP server that is not ours is told on the timeline of the appliance', () =>
  withHarness({}, (harness) => {
    const server = {
      address: '10.77.0.9' as Ipv4,
      serverId: '10.77.0.9' as Ipv4,
      interface: 'rack1',
      spoils: [{ rule: 'x', text: 'its file wins' }],
    };
    createForeignTeller(harness.events)({ server, text: '10.77.0.9 answers too' } as never);
    const { kind, text, because, mac } = harness.told.at(-1) ?? {};
    assert.deepEqual([kind, text, because, mac], ['dhcp.server', '10.77.0.9 answers too', server.spoils, undefined]);
  }));
