import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { createProber, type ProbeAnswer, type Prober, type ProberOptions } from '../../src/dhcp/probe.ts';
import type { Ipv4, Mac } from '../../src/wire/address.ts';

const HOLDER = '52:54:00:aa:bb:09' as Mac;
const address = (last: number): Ipv4 => `10.77.0.${last}` as Ipv4;

const opened: Prober[] = [];
afterEach(() => {
  for (const prober of opened.splice(0)) prober.close();
});

/** A wire with a clock that tests move, on which some hosts answer at once, and others when told to. */
class Wire {
  now = 1000;
  readonly steady = (): number => this.now;
  readonly asked: string[] = [];
  looks = 0;
  isUp = true;
  readonly hosts = new Set<Ipv4>();
  #claims: { address: Ipv4; mac: Mac }[] = [];
  #echoes: Ipv4[] = [];

  readonly sockets = {
    askArp: (wanted: Ipv4): boolean => this.#ask('arp', wanted),
    askEcho: (wanted: Ipv4): boolean => this.#ask('icmp', wanted),
    hearArp: () => {
      this.looks++;
      return this.#claims.splice(0);
    },
    hearEcho: () => this.#echoes.splice(0),
  };

  prober(options: Pick<ProberOptions, 'waitMs' | 'limit'> = {}): Prober {
    const prober = createProber({ sockets: this.sockets, steady: this.steady, ...options });
    opened.push(prober);
    return prober;
  }

  answers(how: 'arp' | 'icmp', of: Ipv4): void {
    if (how === 'arp') this.#claims.push({ address: of, mac: HOLDER });
    else this.#echoes.push(of);
  }

  #ask(how: 'arp' | 'icmp', wanted: Ipv4): boolean {
    if (!this.isUp) return false;
    this.asked.push(`${how} ${wanted}`);
    if (this.hosts.has(wanted)) this.answers(how, wanted);
    return true;
  }

  /** Lets the prober look after `ms` have passed on its clock. */
  async pass(ms: number): Promise<void> {
    this.now += ms;
    const seen = this.looks;
    for (let wait = 0; wait < 100 && this.looks === seen; wait++) await sleep(2);
  }
}

/** What an ask was told, in the order of the telling. */
function asking(prober: Prober): {
  told: [Ipv4, ProbeAnswer][];
  ask: (of: Ipv4, how?: 'arp' | 'icmp') => ReturnType<Prober['ask']>;
} {
  const told: [Ipv4, ProbeAnswer][] = [];
  return { told, ask: (of, how = 'arp') => prober.ask(of, how, (answer) => told.push([of, answer])) };
}

test('an address that a host on the wire claims is in use, with the MAC of that host', async () => {
  const wire = new Wire();
  wire.hosts.add(address(9));
  const prober = wire.prober();
  const { told, ask } = asking(prober);
  assert.equal(ask(address(9)), 'asked');
  assert.deepEqual(told, [], 'not before ask returns');
  await wire.pass(1);
  assert.deepEqual(told, [[address(9), { inUse: true, mac: HOLDER }]]);
  assert.equal(prober.inFlight(), 0);
  assert.deepEqual(wire.asked, [`arp ${address(9)}`]);
});

test('an address behind a relay that answers an echo is in use, and whose it is nobody knows', async () => {
  const wire = new Wire();
  wire.hosts.add(address(9));
  const { told, ask } = asking(wire.prober());
  assert.equal(ask(address(9), 'icmp'), 'asked');
  await wire.pass(1);
  assert.deepEqual(told, [[address(9), { inUse: true }]]);
});

test('an address that nobody claims is asked for twice, and is free when the time is up', async () => {
  const wire = new Wire();
  const prober = wire.prober({ waitMs: 100 });
  const { told, ask } = asking(prober);
  ask(address(8));
  await wire.pass(49);
  assert.deepEqual(wire.asked, [`arp ${address(8)}`]);
  await wire.pass(1);
  await wire.pass(49);
  assert.deepEqual(wire.asked, [`arp ${address(8)}`, `arp ${address(8)}`]);
  assert.deepEqual([told, prober.inFlight()], [[], 1]);
  await wire.pass(1);
  assert.deepEqual([told, prober.inFlight()], [[[address(8), { inUse: false }]], 0]);
});

test('an answer that came while the process was busy counts, though the time is up', async () => {
  const wire = new Wire();
  const { told, ask } = asking(wire.prober());
  ask(address(9));
  wire.answers('arp', address(9));
  await wire.pass(5000);
  assert.deepEqual(told, [[address(9), { inUse: true, mac: HOLDER }]]);
});

test('what was heard while nobody asked is no answer, and neither is a claim to another address', async () => {
  const wire = new Wire();
  const { told, ask } = asking(wire.prober());
  wire.answers('arp', address(9));
  wire.answers('icmp', address(9));
  ask(address(9));
  wire.answers('arp', address(10));
  await wire.pass(200);
  assert.deepEqual(told, [[address(9), { inUse: false }]]);
});

test('two asks for one address share one probe, and both are told', async () => {
  const wire = new Wire();
  wire.hosts.add(address(9));
  const prober = wire.prober();
  const { told, ask } = asking(prober);
  ask(address(9));
  ask(address(9));
  assert.equal(prober.inFlight(), 2);
  await wire.pass(1);
  assert.equal(told.length, 2);
  assert.equal(prober.inFlight(), 0);
  assert.deepEqual(wire.asked, [`arp ${address(9)}`]);
});

test('no more asks wait than the limit, not even for one address, and then there is room again', async () => {
  const wire = new Wire();
  const prober = wire.prober({ limit: 4 });
  const { told, ask } = asking(prober);
  const outcomes = [1, 2, 3, 3, 4, 3].map((last) => ask(address(last)));
  assert.deepEqual(outcomes, ['asked', 'asked', 'asked', 'asked', 'busy', 'busy']);
  assert.equal(prober.inFlight(), 4);
  await wire.pass(150);
  assert.equal(told.length, 4);
  assert.equal(ask(address(4)), 'asked');
});

test('a free address is known for 30 seconds, and one in use is told again without asking', async () => {
  const wire = new Wire();
  wire.hosts.add(address(9));
  const { told, ask } = asking(wire.prober());
  ask(address(8));
  ask(address(9));
  await wire.pass(150);
  assert.equal(told.length, 2);
  const before = wire.asked.length;
  wire.now += 29_999;
  assert.equal(ask(address(8)), 'known-free');
  assert.equal(ask(address(9)), 'asked');
  assert.equal(told.length, 2, 'not before ask returns');
  await sleep(1);
  assert.deepEqual(told[2], [address(9), { inUse: true, mac: HOLDER }]);
  assert.equal(wire.asked.length, before);
  wire.now += 1;
  assert.equal(ask(address(8)), 'asked');
  assert.equal(wire.asked.length, before + 1);
});

test('an interface that is down keeps nobody waiting', () => {
  const wire = new Wire();
  wire.isUp = false;
  const prober = wire.prober();
  assert.equal(asking(prober).ask(address(9)), 'busy');
  assert.equal(prober.inFlight(), 0);
});

test('nobody looks at the wire while nobody waits', async () => {
  const wire = new Wire();
  const { ask } = asking(wire.prober());
  await sleep(30);
  assert.equal(wire.looks, 0);
  ask(address(8));
  await wire.pass(150);
  const looks = wire.looks;
  await sleep(30);
  assert.equal(wire.looks, looks);
});

test('one that fails at its answer does not keep the others from theirs', async (context) => {
  const complaints: string[] = [];
  const { error } = console;
  console.error = (text: string) => void complaints.push(text);
  context.after(() => {
    console.error = error;
  });
  const wire = new Wire();
  const prober = wire.prober();
  prober.ask(address(8), 'arp', () => {
    throw new Error('the disk is full');
  });
  const { told, ask } = asking(prober);
  ask(address(8));
  ask(address(7));
  await wire.pass(150);
  assert.equal(told.length, 2);
  assert.match(complaints.join('\n'), /the disk is full/);
});

test('who is told may ask again at once', async () => {
  const wire = new Wire();
  const prober = wire.prober();
  const { told, ask } = asking(prober);
  prober.ask(address(8), 'arp', () => ask(address(7)));
  await wire.pass(150);
  assert.equal(prober.inFlight(), 1);
  await wire.pass(150);
  assert.deepEqual(told, [[address(7), { inUse: false }]]);
});

test('a closed prober tells nobody anything and takes no more', async () => {
  const wire = new Wire();
  const prober = wire.prober();
  const { told, ask } = asking(prober);
  ask(address(8));
  prober.close();
  wire.now += 1000;
  await sleep(20);
  assert.deepEqual([told, prober.inFlight(), ask(address(8))], [[], 0, 'busy']);
});
