import assert from 'node:assert/strict';
import { afterEach, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { judgeForeign, watcherOf, watchMark } from '../../src/dhcp/foreign.ts';
import { createWatch, type Watch, type WatchChange } from '../../src/dhcp/watch.ts';
import type { Instant } from '../../src/model/time.ts';
import { type Ipv4, type Mac, macToBytes } from '../../src/wire/address.ts';
import { getOption, setOption } from '../../src/wire/dhcp-options.ts';
import { type DhcpPacket, decodeDhcp, encodeDhcp } from '../../src/wire/dhcp-packet.ts';
import type { MessageType } from '../../src/wire/dhcp-shapes.ts';
import type { OverheardDhcp } from '../../src/wire/ipv4-packet.ts';
import { encodePxe } from '../../src/wire/pxe.ts';

const NONE = '0.0.0.0' as Ipv4;
const OWN = { addresses: ['10.77.0.1' as Ipv4], instance: 'a1b2' };
const FROM = { address: '10.77.0.2' as Ipv4, mac: '52:54:00:aa:bb:02' as Mac };
const CARD = '52:54:00:aa:bb:01' as Mac;

type Said = {
  type?: MessageType;
  yiaddr?: string;
  siaddr?: string;
  file?: string;
  sname?: string;
  server?: string;
  vendorClass?: string;
  pxe?: Buffer;
  bootFileName?: string;
  tftpServerName?: string;
  noProxies?: boolean;
  router?: string;
};

function reply(said: Said, xid = 1): DhcpPacket {
  const options = new Map<number, Buffer>();
  setOption(options, 'messageType', said.type ?? 'offer');
  setOption(options, 'serverId', (said.server ?? '10.77.0.2') as Ipv4);
  if (said.vendorClass) setOption(options, 'vendorClass', said.vendorClass);
  if (said.pxe) setOption(options, 'vendorEncapsulated', said.pxe);
  if (said.bootFileName) setOption(options, 'bootFileName', said.bootFileName);
  if (said.tftpServerName) setOption(options, 'tftpServerName', said.tftpServerName);
  if (said.noProxies) setOption(options, 'ipxe', { skipProxyDhcp: true, features: [] });
  if (said.router) setOption(options, 'routers', [said.router as Ipv4]);
  setOption(options, 'leaseSeconds', 600);
  const yiaddr = (said.yiaddr ?? '10.77.0.150') as Ipv4;
  return {
    op: 'reply',
    htype: 1,
    hops: 0,
    xid,
    secs: 0,
    broadcast: true,
    ciaddr: NONE,
    yiaddr,
    siaddr: (said.siaddr ?? NONE) as Ipv4,
    giaddr: NONE,
    chaddr: macToBytes(CARD),
    sname: said.sname ?? '',
    file: said.file ?? '',
    options,
  };
}

describe('what a reply says of its server', () => {
  test('everything that it offers is told, printable', () => {
    const server = judgeForeign(
      reply({
        siaddr: '10.77.0.9',
        file: 'pxe\x1b[31m',
        vendorClass: 'PXEClient',
        pxe: encodePxe({ discoveryControl: 8 }),
        bootFileName: 'pxelinux.0',
        tftpServerName: '10.77.0.9',
        router: '10.77.0.254',
      }),
      FROM,
      OWN,
    );
    assert.deepEqual(server, {
      ...FROM,
      serverId: '10.77.0.2',
      offers: {
        address: '10.77.0.150',
        nextServer: '10.77.0.9',
        bootFile: 'pxe\\x1b[31m',
        vendorClass: 'PXEClient',
        vendorOptions: '060108ff',
        tftpServerName: '10.77.0.9',
        bootFileName: 'pxelinux.0',
        routers: ['10.77.0.254'],
        leaseSeconds: 600,
      },
      isFirstlight: false,
      spoils: server?.spoils,
    });
  });

  test('we are no foreign server: by our address and card, by our name through a relay, by our mark', () => {
    const own = { ...OWN, macs: [CARD] };
    assert.equal(judgeForeign(reply({}), { address: '10.77.0.1' as Ipv4 }, own), undefined);
    assert.equal(judgeForeign(reply({}), { address: '10.77.0.1' as Ipv4, mac: CARD }, own), undefined);
    assert.equal(judgeForeign(reply({ server: '10.77.0.1' }), { address: '10.99.0.254' as Ipv4 }, OWN), undefined);
    assert.equal(judgeForeign(reply({ sname: watchMark('a1b2') }), FROM, OWN), undefined);
  });

  test('a server with our own address on a card that is not ours is a foreign one', () => {
    const from = { address: '10.77.0.1' as Ipv4, mac: FROM.mac };
    const server = judgeForeign(reply({ server: '10.77.0.1' }), from, { ...OWN, macs: [CARD] });
    assert.deepEqual([server?.serverId, server?.mac], ['10.77.0.1', FROM.mac]);
  });

  test('a request is no server', () => {
    assert.equal(judgeForeign({ ...reply({}), op: 'request' }, FROM, OWN), undefined);
  });

  test('another Firstlight is known by its mark, and a host of the name firstlight is none', () => {
    const other = judgeForeign(reply({ sname: watchMark('c3d4') }), FROM, OWN);
    assert.deepEqual([other?.isFirstlight, other?.instance], [true, 'c3d4']);
    assert.equal(judgeForeign(reply({ sname: 'firstlight' }), FROM, OWN)?.isFirstlight, false);
  });

  test('a BOOTP server, which has no option 54, goes by its address', () => {
    const packet = reply({});
    packet.options.clear();
    assert.equal(judgeForeign(packet, FROM, OWN)?.serverId, '10.77.0.2');
  });
});

describe('what spoils a boot beside us as a proxy', () => {
  const complete = encodePxe({ discoveryControl: 8 });
  const menu = encodePxe({ discoveryControl: 3, menu: [{ type: 1, text: 'Install' }] });
  const proxy = NONE;
  for (const [what, said, rules] of [
    ['an address and nothing else', {}, []],
    ['a next server without a file, as every dnsmasq', { siaddr: '10.77.0.2', tftpServerName: '10.77.0.2' }, []],
    ['a boot file in the header', { file: 'pxelinux.0' }, ['boot-file']],
    ['a boot file in option 67', { bootFileName: 'pxelinux.0' }, ['boot-file']],
    ['option 60 with 43', { vendorClass: 'PXEClient', pxe: complete, file: 'x' }, ['complete-pxe-offer']],
    ['option 60 with a menu', { vendorClass: 'PXEClient', pxe: menu }, ['complete-pxe-offer']],
    ['option 60 without 43', { vendorClass: 'PXEClient', file: 'x' }, ['binl-offer']],
    ['option 60 with a 43 that is not of PXE', { vendorClass: 'PXEClient', pxe: Buffer.of(128, 1, 5) }, ['binl-offer']],
    [
      'a proxy that is complete',
      { yiaddr: proxy, vendorClass: 'PXEClient', pxe: complete, file: 'x' },
      ['other-proxy'],
    ],
    ['a proxy with port 4011', { yiaddr: proxy, vendorClass: 'PXEClient' }, ['other-proxy-4011']],
    ['HTTP boot', { vendorClass: 'HTTPClient', bootFileName: 'http://x/y.efi' }, ['http-offer']],
    ['HTTP boot without a URI', { vendorClass: 'HTTPClient' }, []],
    [
      'a proxy for HTTP boot',
      { yiaddr: proxy, vendorClass: 'HTTPClient', bootFileName: 'http://x' },
      ['other-http-proxy'],
    ],
    ['a menu for whoever believes it', { pxe: menu }, ['menu-without-class']],
    ['a 43 of access points', { pxe: Buffer.of(241, 4, 10, 77, 0, 3) }, []],
    ['no proxies for iPXE', { noProxies: true }, ['proxies-forbidden']],
  ] as [string, Said, string[]][])
    test(`${what}: ${rules.join(', ') || 'nothing'}`, () => {
      const server = judgeForeign(decodeDhcp(encodeDhcp(reply(said)).bytes), FROM, OWN);
      assert.deepEqual(
        server?.spoils.map(({ rule }) => rule),
        rules,
      );
    });
});

/** A wire with other servers on it, that answer the watch's questions as a test says. */
class Wire {
  now = Date.UTC(2026, 0, 1) as Instant;
  readonly questions: DhcpPacket[] = [];
  readonly changes: WatchChange[] = [];
  isUp = true;
  answer: (question: DhcpPacket) => Said[] = () => [];
  #heard: OverheardDhcp[] = [];

  readonly sockets = {
    interface: 'wire0',
    mac: CARD,
    sendDhcp: (message: Buffer): boolean => {
      if (!this.isUp) return false;
      const question = decodeDhcp(message);
      this.questions.push(question);
      for (const said of this.answer(question)) this.say(said, question.xid);
      return true;
    },
    hearDhcp: () => this.#heard.splice(0),
  };

  watch(everyMs = 3_600_000): Watch {
    const tell = (change: WatchChange): void => void this.changes.push(change);
    const watch = createWatch({ sockets: this.sockets, own: OWN, clock: () => this.now, tell, everyMs, lookMs: 1 });
    opened.push(watch);
    return watch;
  }

  say(said: Said, xid = 99): void {
    const address = (said.server ?? '10.77.0.2') as Ipv4;
    this.#heard.push({ bytes: encodeDhcp(reply(said, xid)).bytes, address, mac: FROM.mac });
  }

  bytes(bytes: Buffer): void {
    this.#heard.push({ bytes, address: FROM.address, mac: FROM.mac });
  }

  get kinds(): string[] {
    return this.changes.map(({ kind }) => kind);
  }

  async until(done: () => boolean): Promise<void> {
    for (let wait = 0; wait < 2000 && !done(); wait++) await sleep(2);
    assert.ok(done(), `not seen: ${JSON.stringify(this.changes.map(({ text }) => text))}`);
  }
}

const opened: Watch[] = [];
afterEach(() => {
  for (const watch of opened.splice(0)) watch.close();
});

/** Longer than the watch waits for the answers to all questions. */
const settled = () => sleep(60);

describe('the watch', () => {
  test('asks as every kind of client, as a client without an address, and is known as our own', async () => {
    const wire = new Wire();
    wire.watch();
    await wire.until(() => wire.questions.length === 4);
    await settled();
    assert.equal(wire.questions.length, 4, 'no more until the next round');
    assert.deepEqual(
      wire.questions.map((question) => getOption(question, 'vendorClass')?.slice(0, 20)),
      ['PXEClient:Arch:00007', 'PXEClient:Arch:00000', 'HTTPClient:Arch:0001', undefined],
    );
    assert.deepEqual(
      wire.questions.map((question) => getOption(question, 'clientArchitectures')?.[0]),
      [7, 0, 16, undefined],
    );
    assert.equal(new Set(wire.questions.map(({ xid }) => xid)).size, 4);
    for (const question of wire.questions) {
      assert.equal(getOption(question, 'messageType'), 'discover');
      assert.deepEqual([question.broadcast, question.ciaddr], [true, NONE]);
      assert.deepEqual(question.chaddr, macToBytes(CARD));
      assert.equal(watcherOf(question), 'a1b2');
      assert.equal(watcherOf({ ...question, op: 'reply' }), undefined);
    }
  });

  test('tells of a server once, with what it tells whom, and lists it with when it was seen', async () => {
    const wire = new Wire();
    wire.answer = (question) => {
      const architecture = getOption(question, 'clientArchitectures')?.[0];
      return architecture === 0
        ? [{ file: 'pxelinux.0', vendorClass: 'PXEClient', pxe: encodePxe({ discoveryControl: 8 }) }]
        : [{ file: architecture === 7 ? 'grub.efi' : 'other.efi' }];
    };
    const watch = wire.watch();
    await wire.until(() => wire.changes.length > 0);
    wire.now = (wire.now + 5000) as Instant;
    wire.say({ file: 'pxelinux.0' });
    await settled();
    assert.deepEqual(wire.kinds, ['appeared']);
    const [server] = watch.list();
    assert.deepEqual(
      { ...server, offers: server?.offers.bootFile, offersTo: Object.keys(server?.offersTo ?? {}).length },
      {
        ...FROM,
        serverId: '10.77.0.2',
        interface: 'wire0',
        isFirstlight: false,
        isGone: false,
        firstSeen: Date.UTC(2026, 0, 1),
        lastSeen: wire.now,
        seen: 5,
        offers: 'grub.efi',
        offersTo: 4,
        spoils: server?.spoils,
      },
    );
    assert.equal(server?.offersTo['BIOS PXE']?.bootFile, 'pxelinux.0');
    assert.deepEqual(
      server?.spoils.map(({ rule, text }) => [rule, text.split('; told to: ').at(-1)]),
      [
        ['complete-pxe-offer', 'BIOS PXE'],
        ['boot-file', 'UEFI PXE, UEFI HTTP boot, system'],
      ],
    );
    assert.equal(
      wire.changes[0]?.text,
      'another DHCP server 10.77.0.2 (52:54:00:aa:bb:02) on wire0 offers 10.77.0.150, boot file grub.efi',
    );
  });

  test('tells when a server offers something else, but not when it is only another address', async () => {
    const wire = new Wire();
    let last = 100;
    let file: string | undefined;
    wire.answer = () => [{ yiaddr: `10.77.0.${last++ % 250}`, ...(file ? { file } : {}) }];
    wire.watch(40);
    await wire.until(() => wire.questions.length > 12);
    await settled();
    assert.deepEqual(wire.kinds, ['appeared']);
    file = 'pxelinux.0';
    await wire.until(() => wire.changes.length > 1);
    assert.deepEqual(wire.kinds, ['appeared', 'changed']);
    assert.match(wire.changes[1]?.text ?? '', /^the DHCP server .* now offers .*, boot file pxelinux\.0$/);
  });

  test('tells that a server is gone when it was silent for three rounds, and that it is back', async () => {
    const wire = new Wire();
    const office = { server: '10.77.0.3' };
    wire.answer = () => [{}, office];
    const watch = wire.watch(40);
    await wire.until(() => wire.changes.length === 2);
    wire.answer = () => [office];
    const asked = wire.questions.length;
    await wire.until(() => wire.changes.length > 2);
    assert.ok(wire.questions.length - asked >= 12, 'after three rounds');
    assert.deepEqual([wire.kinds[2], wire.changes[2]?.server.serverId], ['gone', '10.77.0.2']);
    assert.equal(wire.changes[2]?.text, 'the DHCP server 10.77.0.2 (52:54:00:aa:bb:02) on wire0 has fallen silent');
    assert.deepEqual(
      watch.list().map(({ serverId, isGone }) => [serverId, isGone]),
      [
        ['10.77.0.2', true],
        ['10.77.0.3', false],
      ],
    );
    wire.answer = () => [{}, office];
    await wire.until(() => wire.changes.length > 3);
    assert.deepEqual(wire.kinds.slice(2), ['gone', 'appeared']);
  });

  test('a wire on which nothing could be asked makes nobody gone', async () => {
    const wire = new Wire();
    wire.answer = () => [{}];
    wire.watch(20);
    await wire.until(() => wire.changes.length === 1);
    wire.isUp = false;
    await sleep(400);
    assert.deepEqual(wire.kinds, ['appeared']);
  });

  test('an answer that a server gives no longer is forgotten, though the server is still there', async () => {
    const wire = new Wire();
    wire.answer = (question) => (question.options.has(60) ? [{ file: 'pxelinux.0' }] : [{}]);
    const watch = wire.watch(40);
    await wire.until(() => wire.changes.length === 1);
    assert.equal(watch.list()[0]?.spoils.length, 1);
    wire.answer = (question) => (question.options.has(60) ? [] : [{}]);
    await wire.until(() => wire.changes.length === 2);
    assert.equal(wire.kinds[1], 'changed');
    assert.deepEqual(Object.keys(watch.list()[0]?.offersTo ?? {}), ['system']);
    assert.deepEqual(watch.list()[0]?.spoils, []);
  });

  test('a server that answers only those it knows is noticed by what it tells them, each harm once', async () => {
    const wire = new Wire();
    const watch = wire.watch();
    await wire.until(() => wire.questions.length === 4);
    wire.say({ type: 'ack' });
    await wire.until(() => wire.changes.length === 1);
    for (let round = 0; round < 3; round++) {
      wire.say({ type: 'ack', file: 'pxelinux.0' });
      wire.say({ type: 'ack', vendorClass: 'PXEClient', yiaddr: '10.77.0.151' });
      wire.say({ type: 'nak', yiaddr: NONE });
      await settled();
    }
    assert.deepEqual(wire.kinds, ['appeared', 'changed']);
    assert.deepEqual(
      watch.list()[0]?.spoils.map(({ rule }) => rule),
      ['binl-offer', 'boot-file'],
    );
    assert.match(watch.list()[0]?.spoils[0]?.text ?? '', /told to: somebody$/);
  });

  test('another Firstlight is one, even if only some of its replies say so', async () => {
    const wire = new Wire();
    wire.answer = (question) =>
      getOption(question, 'clientArchitectures')?.[0] === 0 ? [{ sname: watchMark('c3d4') }] : [{}];
    const watch = wire.watch();
    await wire.until(() => wire.questions.length === 4);
    wire.say({});
    await wire.until(() => wire.changes.length === 1);
    assert.equal(watch.list()[0]?.isFirstlight, true);
    assert.match(wire.changes[0]?.text ?? '', /^another Firstlight \(c3d4\) 10\.77\.0\.2 /);
  });

  test('a flood of made-up servers is bounded, and what is broken is passed over', async () => {
    const wire = new Wire();
    const watch = wire.watch();
    wire.bytes(Buffer.from('not DHCP'));
    for (let one = 0; one < 5000; one++) wire.say({ server: `10.${one >> 8}.${one & 255}.7` });
    await wire.until(() => wire.changes.length > 0);
    await settled();
    assert.equal(watch.list().length, 32);
    assert.equal(wire.changes.length, 32);
  });

  test('one that fails when it is told does not end the watch', async (context) => {
    const complaints: string[] = [];
    const { error } = console;
    console.error = (text: string) => void complaints.push(text);
    context.after(() => {
      console.error = error;
    });
    const wire = new Wire();
    const tell = (): void => {
      throw new Error('the disk is full');
    };
    opened.push(createWatch({ sockets: wire.sockets, own: OWN, clock: () => wire.now, tell, everyMs: 20, lookMs: 1 }));
    wire.say({});
    await wire.until(() => complaints.length > 0);
    const asked = wire.questions.length;
    await wire.until(() => wire.questions.length > asked + 4);
    assert.match(complaints[0] ?? '', /a change of 10\.77\.0\.2 could not be told: Error: the disk is full/);
  });

  test('a closed watch asks and tells nothing more', async () => {
    const wire = new Wire();
    const watch = wire.watch(20);
    await wire.until(() => wire.questions.length > 4);
    watch.close();
    const asked = wire.questions.length;
    wire.say({});
    await settled();
    assert.deepEqual([wire.questions.length, wire.changes.length], [asked, 0]);
  });
});
