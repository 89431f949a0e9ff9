import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Ipv4, Mac } from '../../src/wire/address.ts';
import { ARRIVAL, buildRequest, type Harness, MAC, SERVER, withHarness } from '../harness.ts';
import { openTap } from './tap.ts';

const macOf = (index: number): Mac => `02:00:00:00:00:${index.toString(16).padStart(2, '0')}` as Mac;
const OF_ONE = { pools: [{ first: '10.77.0.100' as Ipv4, last: '10.77.0.100' as Ipv4 }] };
const WIDE = { pools: [{ first: '10.77.0.20' as Ipv4, last: '10.77.0.250' as Ipv4 }] };
const UNKNOWN_ARCHITECTURE = 27;

const texts = (harness: Harness): string[] =>
  harness.told.map(({ kind, mac, text }) => `${kind} ${mac ?? '-'}: ${text}`);

async function take(harness: Harness, mac: Mac): Promise<void> {
  const offer = await harness.ask({ type: 'discover', mac });
  await harness.ask({ type: 'request', mac, names: SERVER, asks: offer?.yiaddr });
}

test('a full pool is told once a minute on the timeline of the appliance, and each refusal is counted', () =>
  withHarness({ subnet: OF_ONE }, async (harness) => {
    await take(harness, macOf(0));
    harness.told.length = 0;
    for (let index = 1; index < 50; index++) await harness.ask({ type: 'discover', mac: macOf(index) });
    assert.deepEqual(texts(harness), ['dhcp.refused -: subnet rack1 has no free address']);
    assert.deepEqual(harness.dhcp.counts.refused, { 'pool-full': 49 });
    harness.pass(60_000);
    await harness.ask({ type: 'discover', mac: macOf(1) });
    assert.equal(
      texts(harness)[1],
      'dhcp.refused -: subnet rack1 has no free address; it was refused 48 times since this was last told',
    );
    assert.deepEqual(
      harness.history.readOfAppliance({}).map(({ kind }) => kind),
      ['dhcp.refused', 'dhcp.refused'],
    );
  }));

test('a full share of strangers and a storm of DECLINEs are told and counted, each once a minute', () =>
  withHarness(
    { subnet: { guests: 1, pools: [{ first: '10.77.0.100' as Ipv4, last: '10.77.0.150' as Ipv4 }] } },
    async (harness) => {
      for (let index = 0; index < 23; index++) {
        const mac = macOf(index);
        const offer = await harness.ask({ type: 'discover', mac });
        await harness.ask({ type: 'request', mac, names: SERVER, asks: offer?.yiaddr });
        await harness.ask({ type: 'decline', mac, names: SERVER, asks: offer?.yiaddr });
      }
      assert.equal(harness.dhcp.counts.refused['decline-storm'], 1);
      assert.equal(harness.dhcp.counts.refused['guests-full'], 2);
      const refused = texts(harness).filter((text) => text.startsWith('dhcp.refused'));
      assert.match(refused[0] ?? '', /20 addresses of rack1 were declined in the last minute/);
      assert.match(refused[1] ?? '', /strangers hold all addresses of rack1/);
      assert.equal(refused.length, 2);
    },
  ));

test('a machine that is refused the same again and again is told of once a minute, with how often', () =>
  withHarness({ subnet: { pools: [] } }, async (harness) => {
    harness.addMachine('vm-01');
    const silences = () => harness.told.filter(({ kind, mac }) => kind === 'dhcp.silent' && mac === MAC);
    for (let asked = 0; asked < 200; asked++) await harness.ask({ type: 'discover' });
    assert.equal(silences().length, 1);
    harness.pass(60_000);
    await harness.ask({ type: 'discover' });
    assert.equal(silences().length, 2);
    assert.match(silences()[1]?.text ?? '', /no free address \(199 times more since this was last told\)$/);
    await harness.ask({ type: 'request', names: '10.77.0.9' as Ipv4, asks: '10.77.0.100' as Ipv4 });
    assert.equal(silences().length, 3, 'another reason is told at once');
    assert.equal(harness.dhcp.counts.refused['pool-full'], 201);
  }));

test('firmware of an unknown architecture is told of when it asks, once a minute for each card', () =>
  withHarness({}, async (harness) => {
    const ask = (mac: Mac) => harness.ask({ type: 'discover', as: UNKNOWN_ARCHITECTURE, mac });
    for (let asked = 0; asked < 5; asked++) await ask(MAC);
    await ask(macOf(1));
    const told = harness.told.filter(({ because }) => because?.some(({ rule }) => rule === 'unknown-architecture'));
    assert.deepEqual(
      told.map(({ kind, mac }) => [kind, mac]),
      [
        ['dhcp.offered', MAC],
        ['dhcp.offered', macOf(1)],
      ],
    );
    harness.pass(60_000);
    await ask(MAC);
    assert.equal(harness.told.length, 3);
    await harness.ask({ type: 'discover', as: 'uefi', mac: macOf(2) });
    assert.equal(harness.told.length, 3, 'of other strangers an offer is not told');
  }));

test('beside a foreign server what an unknown machine is answered is told, once a minute', () =>
  withHarness({}, async (harness) => {
    const tap = openTap(harness, { ...ARRIVAL, isProxy: true });
    const ask = async (mac: Mac, as: 'uefi' | 'bios' | 'os' | number) =>
      tap({ bytes: buildRequest({ type: 'discover', mac, as }) });
    for (let asked = 0; asked < 3; asked++) await ask(macOf(1), 'uefi');
    await ask(macOf(2), UNKNOWN_ARCHITECTURE);
    await ask(macOf(3), 'os');
    const rules = harness.told.map(({ kind, mac, because }) => [kind, mac, because?.at(-1)?.rule]);
    assert.deepEqual(rules, [
      ['dhcp.offered', macOf(1), 'loader'],
      ['dhcp.silent', macOf(2), 'unknown-architecture'],
    ]);
  }));

test('a flood of cards of an unknown architecture gets the lines that strangers have, and no more', () =>
  withHarness({ subnet: WIDE }, async (harness) => {
    const tap = openTap(harness);
    harness.hear(
      Array.from({ length: 200 }, (_, index) =>
        buildRequest({ type: 'discover', as: UNKNOWN_ARCHITECTURE, mac: macOf(index) }),
      ),
    );
    for (let turns = 0; turns < 6; turns++) await new Promise((resolve) => setImmediate(resolve));
    assert.equal(harness.told.filter(({ mac }) => mac !== undefined).length, 20);
    harness.pass(1000);
    const late = macOf(199);
    await tap({ bytes: buildRequest({ type: 'discover', as: UNKNOWN_ARCHITECTURE, mac: late }) });
    assert.ok(
      harness.told.some(({ mac }) => mac === late),
      'one that found no line is told of when it asks again',
    );
  }));
