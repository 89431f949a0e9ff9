import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { createSocket, type Socket } from 'node:dgram';
import { createServer } from 'node:https';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import { type ScanAnswer, type ScanOptions, type ScanSummary, scanBmcs } from '../../src/bmc/scan.ts';
import { readReply, suitesOf } from '../../src/bmc/scan-ipmi.ts';
import { parseScanRange, RANGE_LIMIT } from '../../src/bmc/scan-range.ts';
import { readRoot } from '../../src/bmc/scan-redfish.ts';
import { type IpmiBmcOptions, startIpmiBmc } from '../../src/lab/bmc-sim/ipmi.ts';
import { parseFaults } from '../../src/lab/bmc-sim/ipmi-faults.ts';
import { openRedfishSim } from '../../src/lab/bmc-sim/redfish.ts';
import { makeCertificate } from '../../src/lab/bmc-sim/redfish-certificate.ts';
import { ipv4FromNumber, isIpv4 } from '../../src/wire/address.ts';
import { decodeAsf, decodeRmcp, encodeAsf, encodeRmcp } from '../../src/wire/rmcp.ts';
import { freePort, missing, startIpmiSim } from './ipmi-sim.ts';

/** Things on loopback addresses that are stopped when the test ends, all on the same two ports. */
class Site {
  readonly #stops: (() => Promise<unknown>)[] = [];
  ipmiPort = 0;
  httpsPort = 0;

  static async with(check: (site: Site) => Promise<void>): Promise<void> {
    const site = new Site();
    try {
      [site.ipmiPort, site.httpsPort] = [await freePort(), await freeTcpPort()];
      await check(site);
    } finally {
      for (const stop of site.#stops) await stop();
    }
  }

  keep(stop: () => Promise<unknown>): void {
    this.#stops.push(stop);
  }

  async ipmi(address: string, faults = '', options: IpmiBmcOptions = {}) {
    const bmc = await startIpmiBmc({ address, port: this.ipmiPort, faults: parseFaults(faults), ...options });
    this.keep(() => bmc.stop());
    return bmc;
  }

  async redfish(address: string, options: Parameters<typeof openRedfishSim>[0] = {}) {
    const sim = await openRedfishSim({ address, port: this.httpsPort, ...options });
    this.keep(() => sim.stop());
    return sim;
  }

  /** Anything that takes datagrams of IPMI, with what it got. */
  async listen(address: string, onDatagram: (datagram: Buffer, reply: (bytes: Buffer) => void) => void) {
    const socket: Socket = createSocket('udp4');
    socket.on('message', (datagram, from) =>
      onDatagram(datagram, (bytes) => socket.send(bytes, from.port, from.address)),
    );
    await new Promise<void>((resolve) => socket.bind(this.ipmiPort, address, resolve));
    this.keep(() => new Promise<void>((resolve) => socket.close(() => resolve())));
  }

  /** Takes connections and never says a word. */
  async tarpit(address: string) {
    const sockets = new Set<{ destroy(): void }>();
    let most = 0;
    let all = 0;
    const server = createTcpServer((socket) => {
      sockets.add(socket);
      all += 1;
      most = Math.max(most, sockets.size);
      socket.resume(); // or it would not see that the other side has gone
      socket.on('error', () => undefined).on('close', () => sockets.delete(socket));
    });
    await new Promise<void>((resolve) => server.listen(this.httpsPort, address, resolve));
    this.keep(() => {
      for (const socket of sockets) socket.destroy();
      return new Promise((resolve) => server.close(resolve));
    });
    return { most: () => most, all: () => all };
  }

  async scan(
    range: string,
    options: ScanOptions = {},
  ): Promise<{ summary: ScanSummary; found: Map<string, ScanAnswer> }> {
    const found = new Map<string, ScanAnswer>();
    const { ipmiPort, httpsPort } = this;
    const summary = await scanBmcs(range, {
      ipmiPort,
      httpsPort,
      connectMs: 3000,
      onAnswer: (answer) => {
        assert.ok(!found.has(answer.address), 'an address is told once');
        assert.ok(Number.isInteger(answer.latencyMs) && answer.latencyMs >= 1);
        found.set(answer.address, answer);
      },
      ...options,
    });
    return { summary, found };
  }
}

async function freeTcpPort(): Promise<number> {
  const server = createTcpServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

const whole = { ended: 'whole', unsent: 0, whyUnsent: '' } as const;

test('finds every kind of BMC in a range, and says what it is', () =>
  Site.with(async (site) => {
    const certificate = makeCertificate('bmc', Date.now());
    await site.ipmi('127.77.3.1');
    await site.ipmi('127.77.3.2', '', { suites: [3] });
    await site.redfish('127.77.3.2', { certificate, vendor: 'Maker', product: 'BMC 9' });
    await site.redfish('127.77.3.3', { tls: 'old' });
    await site.ipmi('127.77.3.4', 'only-1.5', { device: { ipmiVersion: '1.5' } });
    await site.ipmi('127.77.3.5', 'no-1.5');
    await site.ipmi('127.77.3.6', 'lost=2'); // nearly every second datagram of either way
    const { summary, found } = await site.scan('127.77.3.0/28');
    const { latencyMs: _, ...both } = found.get('127.77.3.2') as ScanAnswer;
    assert.deepEqual(both, {
      address: '127.77.3.2',
      ipmi: true,
      ipmiVersion: '2.0',
      cipherSuites: [3],
      redfish: {
        product: 'BMC 9',
        vendor: 'Maker',
        version: '1.15.0',
        uuid: '00000000-0000-0000-0000-00000000b3c0',
      },
      fingerprint: new X509Certificate(certificate.cert).fingerprint256,
    });
    const first = found.get('127.77.3.1') as ScanAnswer;
    assert.deepEqual([first.ipmiVersion, first.cipherSuites, first.redfish], ['2.0', [3, 17], undefined]);
    assert.deepEqual([found.get('127.77.3.3')?.ipmi, found.get('127.77.3.3')?.redfish?.version], [false, '1.15.0']);
    const silentOutside = found.get('127.77.3.5') as ScanAnswer;
    assert.deepEqual([silentOutside.ipmi, silentOutside.ipmiVersion], [true, undefined], 'it answers the ping alone');
    assert.equal(found.get('127.77.3.6')?.ipmi, true);
    assert.deepEqual(summary, { asked: 14, ipmi: 5, redfish: 2, both: 1, silent: 8, ...whole });
  }));

test('finds ipmi_sim', { skip: missing('ipmi_sim') }, () =>
  Site.with(async (site) => {
    const sim = await startIpmiSim();
    site.keep(() => sim.stop());
    const { summary, found } = await site.scan('127.0.0.1', { ipmiPort: sim.port });
    assert.deepEqual([found.get('127.0.0.1')?.ipmi, found.get('127.0.0.1')?.ipmiVersion], [true, '2.0']);
    assert.deepEqual(summary, { asked: 1, ipmi: 1, redfish: 0, both: 0, silent: 0, ...whole });
  }),
);

test('asks a silent address twice in both ways, and no more', () =>
  Site.with(async (site) => {
    const kinds: string[] = [];
    await site.listen('127.77.4.1', (datagram) => kinds.push(decodeRmcp(datagram).class));
    const tarpit = await site.tarpit('127.77.4.1');
    const { summary } = await site.scan('127.77.4.1', { connectMs: 1000, answerMs: 500 });
    assert.deepEqual(kinds, ['asf', 'ipmi', 'asf', 'ipmi']);
    assert.equal(tarpit.all(), 2);
    assert.deepEqual(summary, { asked: 1, ipmi: 0, redfish: 0, both: 0, silent: 1, ...whole });
  }));

test('takes for no BMC what answers something else', () =>
  Site.with(async (site) => {
    await site.listen('127.77.5.1', (_datagram, reply) => reply(Buffer.from('SSH-2.0-OpenSSH')));
    // A pong to a ping of somebody else, and one of a card that has ASF and no IPMI.
    await site.listen('127.77.5.2', (datagram, reply) => {
      const { class: kind, body } = decodeRmcp(datagram);
      if (kind !== 'asf') return;
      const { tag } = decodeAsf(body);
      reply(encodeRmcp({ class: 'asf', body: encodeAsf({ type: 'pong', tag: (tag + 1) % 256, speaksIpmi: true }) }));
      reply(encodeRmcp({ class: 'asf', body: encodeAsf({ type: 'pong', tag, speaksIpmi: false }) }));
    });
    for (const [address, status, body] of [
      ['127.77.5.3', 200, '<html>'],
      ['127.77.5.4', 404, '{"RedfishVersion":"1.0"}'],
      ['127.77.5.5', 200, '{"hello":"world"}'],
    ] as const) {
      const server = createServer(makeCertificate('web', Date.now()), (_request, response) => {
        response.writeHead(status).end(body);
      });
      await new Promise<void>((resolve) => server.listen(site.httpsPort, address, resolve));
      site.keep(() => {
        server.closeAllConnections();
        return new Promise((resolve) => server.close(resolve));
      });
    }
    const { summary, found } = await site.scan('127.77.5.1-5', { connectMs: 1000 });
    assert.deepEqual([...found.keys()], []);
    assert.deepEqual(summary, { asked: 5, ipmi: 0, redfish: 0, both: 0, silent: 5, ...whole });
  }));

test('asks so many addresses at once and no more', () =>
  Site.with(async (site) => {
    const tarpit = await site.tarpit('0.0.0.0');
    const { summary } = await site.scan('127.77.6.1-12', { connections: 3, connectMs: 300, answerMs: 200 });
    // It may see a connection begin before it sees the end of the one before.
    assert.ok(tarpit.most() >= 3 && tarpit.most() <= 6, `${tarpit.most()} at once`);
    assert.deepEqual([summary.asked, summary.silent, tarpit.all()], [12, 12, 24]);
  }));

test('ends when it is told to, with what it knows until then', () =>
  Site.with(async (site) => {
    const tarpit = await site.tarpit('0.0.0.0');
    const bmc = await site.ipmi('127.77.7.1');
    const stop = new AbortController();
    const told: string[] = [];
    // Nothing here ends by itself within a day.
    const patience = { connectMs: 86_400_000, answerMs: 86_400_000, limitMs: 86_400_000 };
    const slow = site.scan('127.77.7.0/24', {
      ...patience,
      connections: 4,
      signal: stop.signal,
      onAnswer: ({ address }) => told.push(address),
    });
    // A pong, the capabilities and the suites; then four connections wait for ever.
    while (tarpit.all() < 4 || bmc.datagrams.out < 3) await sleep(20);
    await sleep(100);
    stop.abort();
    const { summary } = await slow;
    assert.equal(summary.ended, 'aborted');
    assert.deepEqual([summary.asked, summary.ipmi, told], [1, 1, ['127.77.7.1']], 'what was cut short was not asked');
    const again = await site.scan('127.77.7.0/24', { signal: AbortSignal.abort() });
    assert.deepEqual([again.summary.ended, again.summary.asked], ['aborted', 0]);
    const late = await site.scan('127.77.7.2-9', { ...patience, limitMs: 300 });
    assert.deepEqual([late.summary.ended, late.summary.asked], ['time', 0]);
  }));

test('fails as its listener fails', () =>
  Site.with(async (site) => {
    await site.ipmi('127.77.8.1');
    const scan = site.scan('127.77.8.0/28', {
      onAnswer: () => {
        throw new Error('the disk is full');
      },
    });
    await assert.rejects(scan, { message: 'the disk is full' });
  }));

test('says why datagrams did not leave', () =>
  Site.with(async (site) => {
    // A broadcast address of the loopback interface, to which a plain socket may not send.
    const { summary } = await site.scan('127.255.255.255', { connectMs: 300 });
    assert.deepEqual([summary.silent, summary.unsent], [1, 4]);
    assert.match(summary.whyUnsent, /EACCES/);
  }));

test('reads ranges in their usual forms', () => {
  for (const [text, first, count] of [
    ['10.0.0.0/24', '10.0.0.1', 254],
    ['10.0.0.77/30', '10.0.0.77', 2],
    ['10.0.0.4/31', '10.0.0.4', 2],
    ['10.0.0.4/32', '10.0.0.4', 1],
    ['10.0.0.0/16', '10.0.0.1', 65_534],
    ['10.0.0.5-10.0.1.4', '10.0.0.5', 256],
    [' 10.0.0.5 - 90 ', '10.0.0.5', 86],
    ['10.0.0.5', '10.0.0.5', 1],
  ] as const) {
    const range = parseScanRange(text);
    assert.deepEqual([ipv4FromNumber(range.first), range.count], [first, count], text);
  }
});

for (const [text, problem] of [
  ['', /^"" is no range/],
  ['10.0.0.0/33', /^"10\.0\.0\.0\/33" is no network/],
  ['10.0.0.300', /^"10\.0\.0\.300" is no range/],
  ['10.0.0.1-300', /is no range/],
  ['10.0.0.1-2-3', /is no range/],
  ['bmc.example', /is no range/],
  ['10.0.0.9-10.0.0.2', /^the range 10\.0\.0\.9-10\.0\.0\.2 ends before it begins/],
  ['10.0.0.0/8', /has 16777214 addresses, more than 65536/],
  ['224.0.0.0/28', /addresses that no host can have/],
  ['0.0.0.0/24', /addresses that no host can have/],
  ['255.255.255.255', /addresses that no host can have/],
] as const)
  test(`refuses the range "${text}"`, async () => {
    assert.throws(() => parseScanRange(text), { name: 'AppError', code: 'bad-request', message: problem });
    await assert.rejects(scanBmcs(text), { name: 'AppError' });
  });

test('any text is a range within the bounds, or an AppError', () => {
  const part = fc.oneof(fc.ipV4(), fc.nat(400).map(String), fc.constantFrom('/', '-', '/24', ' '), fc.string());
  fc.assert(
    fc.property(fc.array(part, { maxLength: 4 }), (parts) => {
      try {
        const { first, count } = parseScanRange(parts.join(''));
        assert.ok(count >= 1 && count <= RANGE_LIMIT && isIpv4(ipv4FromNumber(first + count - 1)));
      } catch (error) {
        assert.equal((error as Error).name, 'AppError');
      }
    }),
  );
});

test('any datagram is an answer or nothing', () => {
  const head = fc.constantFrom('', '0600ff07', '0600ff06', '0600ff0700000000000000', '0600ff06000011be40');
  fc.assert(
    fc.property(head, fc.uint8Array({ maxLength: 64 }), (hex, tail) => {
      readReply(Buffer.concat([Buffer.from(hex, 'hex'), tail]), 7);
      suitesOf(Buffer.from(tail));
    }),
    { numRuns: 2000 },
  );
});

test('reads the numbers of cipher suites', () => {
  // Suite 3 and 17, one of a maker in between (22.15.1), and a record that is cut off.
  const records = Buffer.from('c01103448 1c1800102030441 81c003014181c0'.replaceAll(' ', ''), 'hex');
  assert.deepEqual(suitesOf(records), [3, 17]);
});

test('knows a service root by what it says, or by its header when it wants a login first', () => {
  const root = (status: number, body: unknown, headers = {}) =>
    readRoot(status, headers, Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)));
  assert.deepEqual(root(200, { RedfishVersion: '1.6.0', Oem: { Hpe: {} }, UUID: 'AA-BB' }), {
    product: '',
    vendor: 'Hpe',
    version: '1.6.0',
    uuid: 'aa-bb',
  });
  assert.equal(root(200, { '@odata.type': '#ServiceRoot.v1_5_0.ServiceRoot', Vendor: 'Dell' })?.vendor, 'Dell');
  assert.deepEqual(root(401, '', { 'odata-version': '4.0' }), { product: '', vendor: '', version: '', uuid: '' });
  for (const [status, body] of [
    [401, ''],
    [200, '[1]'],
    [200, '{'],
    [301, { RedfishVersion: '1' }],
  ] as const)
    assert.equal(root(status, body), undefined);
});
