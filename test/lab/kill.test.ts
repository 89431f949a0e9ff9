import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { TestAppliance, whyNotHere } from './rig.ts';
import { type Program, TestNetwork } from './wires.ts';

const SERVER = '10.95.0.1';
const RELAY = '10.95.0.2';
const CLIENTS = 40;
const KILLS = 100;
const MOST_LIFE_MS = 400;
/** Few more than there are clients, so that what one gave back is soon another's. */
const RANGE = `10.95.0.10-10.95.0.${10 + CLIENTS + 4}`;

type LeaseRow = { address: string; mac?: string; state: string };

describe('kill -9 under load', { skip: whyNotHere() }, () => {
  let network: TestNetwork;
  let appliance: TestAppliance;
  let clients: Program;

  before(async () => {
    network = new TestNetwork('fl-test-kill');
    for (const host of ['server', 'client']) network.addHost(host);
    network.addSwitch('lan');
    network.plug('server', 'wire0', 'lan', { address: `${SERVER}/24` });
    network.plug('client', 'eth0', 'lan', { address: `${RELAY}/24` });
    const flags = ['--interface', 'wire0', '--range', RANGE, '--relay', RELAY];
    appliance = new TestAppliance(['--namespace', network.namespace('server'), ...flags]);
    await appliance.start();
    const program = join(import.meta.dirname, 'restless-clients.ts');
    const words = ['--disable-warning=ExperimentalWarning', program, RELAY, SERVER, String(CLIENTS)];
    clients = network.start('client', process.execPath, words);
  });

  after(async () => {
    await clients?.stop();
    await appliance?.close();
    await network?.close();
  });

  test(`after each of ${KILLS} kills every acknowledged lease is there, and no address has two holders`, async (t) => {
    for (let kill = 1; kill <= KILLS; kill++) {
      await sleep(Math.random() * MOST_LIFE_MS);
      await appliance.kill();
      const before = clients.log();
      await appliance.start();
      const kept = new Set(
        (await appliance.get<LeaseRow[]>('/api/v1/leases'))
          .filter(({ state }) => state === 'bound')
          .map(({ address, mac }) => `${address} ${mac}`),
      );
      // what was given back meanwhile need not be there
      const facts = clients.log();
      const given = new Set(lines(facts.slice(before.length), '-'));
      const lost = heldAt(before).filter((lease) => !kept.has(lease) && !given.has(lease));
      assert.deepEqual(lost, [], `lost by kill ${kill}`);
      const broken = facts.split('\n').filter((line) => /^(TWICE|LOST)/.test(line));
      assert.deepEqual(broken, [], `after kill ${kill}`);
      assert.ok(!clients.hasEnded(), facts.slice(-1000));
    }
    const facts = clients.log();
    const [taken, confirmed] = [lines(facts, '+').length, lines(facts, '=').length];
    t.diagnostic(`${taken} leases taken, ${confirmed} confirmed`);
    assert.ok(taken > KILLS && confirmed > KILLS, `only ${taken} leases taken and ${confirmed} confirmed`);
  });
});

/** `ADDRESS MAC` of each line with this mark; a last line that is not yet whole is left out. */
function lines(facts: string, mark: '+' | '-' | '='): string[] {
  return facts
    .split('\n')
    .slice(0, -1)
    .filter((line) => line.startsWith(mark))
    .map((line) => line.slice(1));
}

function heldAt(facts: string): string[] {
  const held = new Set<string>();
  for (const line of facts.split('\n').slice(0, -1)) {
    if (line.startsWith('+')) held.add(line.slice(1));
    if (line.startsWith('-')) held.delete(line.slice(1));
  }
  return [...held];
}
