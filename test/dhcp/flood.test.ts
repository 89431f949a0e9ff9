import assert from 'node:assert/strict';
import { test } from 'node:test';
import { after } from '../../src/model/time.ts';
import { type Ipv4, type Mac, parseCidr } from '../../src/wire/address.ts';
import { type Ask, buildRequest, type Harness, MAC, SERVER, withHarness } from '../harness.ts';

const WIDE = {
  cidr: parseCidr('10.77.0.1/16'),
  pools: [{ first: '10.77.1.0' as Ipv4, last: '10.77.254.255' as Ipv4 }],
};
const macOf = (index: number): Mac =>
  `02:00:${[index >> 24, index >> 16, index >> 8, index].map((part) => (part & 255).toString(16).padStart(2, '0')).join(':')}` as Mac;
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** 100,000 clients that nobody knows, all within the time of one answer; `each` runs between the waves. */
async function flood(harness: Harness, ask: Partial<Ask>, each: () => Promise<void>): Promise<void> {
  for (let wave = 0; wave < 20; wave++) {
    const packets = Array.from({ length: 5000 }, (_, index) =>
      buildRequest({ type: 'discover', ...ask, mac: macOf(wave * 5000 + index) }),
    );
    harness.hear(packets);
    await each();
  }
}

const FLOODS: [string, Partial<Ask>][] = [
  ['strangers', {}],
  ['strangers that ask for an address elsewhere', { type: 'request', asks: '10.99.0.1' as Ipv4 }],
];
for (const [who, ask] of FLOODS)
  test(`a machine that we know boots in the middle of a flood of 100,000 ${who}`, () =>
    withHarness({ subnet: WIDE }, async (harness) => {
      harness.addMachine('vm-01');
      let offers = 0;
      await flood(harness, ask, async () => {
        const asked = harness.dhcp.counts.sent;
        harness.hear([buildRequest({ type: 'discover', mac: MAC, as: 'bios' })]);
        // it stands behind those that were let in before it, and before all others
        for (let turns = 0; turns < 20 && !offered(harness); turns++) await turn();
        assert.ok(harness.dhcp.counts.sent > asked);
        if (offered(harness)) offers++;
        harness.told.length = 0;
      });
      assert.equal(offers, 20, 'the machine was offered its address in every wave');
      assert.ok(harness.dhcp.counts.dropped > 50_000, `${harness.dhcp.counts.dropped} were dropped`);
      assert.equal(harness.leases.all().length, 0, 'a DISCOVER leaves no trace on disk');
      assert.equal(harness.machines.all().length, 1);
    }));

test('a machine that was offered an address before the flood gets it after 25,000 offers to strangers', () =>
  withHarness({ subnet: WIDE }, async (harness) => {
    harness.addMachine('vm-01');
    const offer = await harness.ask({ type: 'discover' });
    for (let index = 0; index < 25_000; index += 1000) {
      harness.hear(
        Array.from({ length: 1000 }, (_, step) => buildRequest({ type: 'discover', mac: macOf(index + step) })),
      );
      for (let turns = 0; turns < 20; turns++) await turn();
    }
    assert.equal(harness.dhcp.counts.dropped, 0, 'all were offered an address');
    const taken = harness.dhcp.look(harness.understand({ type: 'discover' }), harness.clock());
    assert.equal(taken.view.offer?.address, offer?.yiaddr);
  }));

function offered(harness: Harness): boolean {
  return harness.told.some((event) => event.kind === 'dhcp.offered' && event.mac === MAC);
}

test('a pool that strangers hold by offers alone gives a machine that we know its address', () =>
  withHarness({}, async (harness) => {
    harness.addMachine('vm-01');
    for (let index = 0; index < 10; index++)
      assert.ok(await harness.ask({ type: 'discover', mac: macOf(index) }), `stranger ${index} gets an offer`);
    assert.equal(await harness.ask({ type: 'discover', mac: macOf(10) }), undefined, 'the pool is full for a stranger');
    const offer = await harness.ask({ type: 'discover' });
    assert.ok(offer, 'a known machine gets the oldest of them');
    const ack = await harness.ask({ type: 'request', names: SERVER, asks: offer.yiaddr });
    assert.equal(ack?.yiaddr, offer.yiaddr);
  }));

test('an offer that a stranger has not answered in ten seconds is for the next one', () =>
  withHarness({}, async (harness) => {
    for (let index = 0; index < 10; index++) await harness.ask({ type: 'discover', mac: macOf(index) });
    harness.pass(10_000);
    const offer = await harness.ask({ type: 'discover', mac: macOf(10) });
    assert.ok(offer);
    const late = await harness.ask({ type: 'discover', mac: macOf(0) });
    assert.notEqual(late?.yiaddr, offer.yiaddr, 'its former holder is offered another one');
  }));

test('strangers hold no more addresses than their share, and machines that we know the rest', () =>
  withHarness({ subnet: { guests: 3 } }, async (harness) => {
    harness.addMachine('vm-01');
    const take = async (mac: Mac): Promise<Ipv4 | undefined> => {
      const offer = await harness.ask({ type: 'discover', mac });
      if (!offer) return undefined;
      return (await harness.ask({ type: 'request', mac, names: SERVER, asks: offer.yiaddr }))?.yiaddr;
    };
    const given = [];
    for (let index = 0; index < 5; index++) given.push(await take(macOf(index)));
    assert.equal(given.filter((address) => address !== undefined).length, 3);
    assert.ok(await take(MAC), 'the machine is no stranger');
    // who has one keeps it, and what ends makes room
    assert.equal(await take(macOf(0)), given[0]);
    harness.pass(after(0 as never, 3600_000 + 2000));
    assert.ok(await take(macOf(4)));
  }));

test('the history tells of at most twenty strangers a second, and no lease is missing', () =>
  withHarness({ subnet: WIDE }, async (harness) => {
    for (let index = 0; index < 100; index++)
      await harness.ask({ type: 'request', mac: macOf(index), asks: `10.77.1.${index}` as Ipv4 });
    assert.equal(harness.leases.all().length, 100);
    assert.equal(harness.told.filter((event) => event.kind === 'dhcp.acked').length, 20);
  }));
