import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createAdoption } from '../../src/bmc/adopt.ts';
import { findBmc } from '../../src/bmc/find.ts';
import { openBmc } from '../../src/bmc/index.ts';
import { openIpmi } from '../../src/bmc/ipmi.ts';
import type { MachineFacts } from '../../src/bmc/redfish/match.ts';
import { type Harness, inventory, withHarness } from '../harness.ts';
import { freePort } from './ipmi-sim.ts';
import { startWireBmc } from './wire-bmc.ts';

const ADDRESS = '10.9.0.7';
const SERIAL = 'R1-07';

type Scene = Pick<Harness, 'bmcs' | 'told'> & {
  bmc: Awaited<ReturnType<typeof startWireBmc>>;
  machineId: number;
  /** The scout reports the machine, and what it leads to has ended. */
  report: (times?: number) => Promise<void>;
  /** Whether its BMC is on the network; nothing answers for Redfish. */
  plug: (isThere: boolean) => void;
  /** What was asked for of the machine behind the BMC. */
  asked: MachineFacts[];
  /** What was told of BMCs, without what each way said. */
  said: () => string[];
};

/** A machine that was accepted, whose scout reports a BMC with the login admin, s3cret. */
async function withScene(check: (scene: Scene) => Promise<void>): Promise<void> {
  const bmc = await startWireBmc();
  const nobody = await freePort();
  try {
    await withHarness({}, async ({ bmcs, events, machines, discovery, supervisor, told, addMachine }) => {
      await supervisor.close(); // it would adopt too
      const { id: machineId } = addMachine('vm-01');
      const asked: MachineFacts[] = [];
      const running: Promise<unknown>[] = [];
      let port = bmc.port;
      const open: typeof openBmc = (target) =>
        target.driver === 'ipmi'
          ? openIpmi({ ...target, address: '127.0.0.1', port }, { patience: { firstMs: 300, lastMs: 300, sends: 2 } })
          : openBmc({ ...target, address: '127.0.0.1', port: nobody });
      const adoption = createAdoption({
        machines,
        bmcs,
        events,
        find: (address, logins, facts) => {
          asked.push({ ...(facts.uuid && { uuid: facts.uuid }), ...(facts.serial && { serial: facts.serial }) });
          const found = findBmc(address, logins, { open, call: (_address, work) => work() }, facts);
          running.push(found);
          return found;
        },
      });
      await check({
        bmcs,
        told,
        bmc,
        machineId,
        asked,
        report: async (times = 1) => {
          const found = { ...inventory({ serial: SERIAL }), bmc: { address: ADDRESS, mac: '' } };
          for (let time = 0; time < times; time++) discovery.saveInventory(machineId, found);
          await Promise.all(running);
          await new Promise((resolve) => setImmediate(resolve));
        },
        plug: (isThere) => {
          port = isThere ? bmc.port : nobody;
        },
        said: () =>
          told.filter(({ kind }) => kind.startsWith('bmc.')).map(({ kind, text }) => `${kind} ${text.split(': ')[0]}`),
      });
      adoption.close();
    });
  } finally {
    await bmc.stop();
  }
}

test('a BMC that the scout reports is found by the credentials, as that of this machine', () =>
  withScene(async ({ bmcs, machineId, report, asked, said }) => {
    bmcs.putCredential('racks', 'admin', 's3cret');
    await report();
    assert.deepEqual(
      bmcs.chain(machineId).map(({ driver, credential }) => [driver, credential]),
      [['ipmi', 'racks']],
    );
    assert.deepEqual(asked, [{ serial: SERIAL }]);
    assert.deepEqual(said(), [`bmc.changed its BMC at ${ADDRESS} was found by itself`]);
  }));

test('a BMC that is away is told as such, and tried again at the next report', () =>
  withScene(async ({ bmcs, machineId, report, plug, said }) => {
    bmcs.putCredential('racks', 'admin', 's3cret');
    plug(false);
    await report();
    plug(true);
    await report();
    assert.equal(bmcs.chain(machineId).length, 1);
    assert.deepEqual(said(), [
      `bmc.unreachable its BMC at ${ADDRESS} does not answer, and is tried again when the scout reports next`,
      `bmc.answers its BMC at ${ADDRESS} answers now`,
      `bmc.changed its BMC at ${ADDRESS} was found by itself`,
    ]);
  }));

test('a login that was refused is tried once only, and new ones are tried', () =>
  withScene(async ({ bmc, bmcs, machineId, report, told, said }) => {
    bmcs.putCredential('old', 'admin', 'a wrong one');
    await report();
    await report();
    assert.equal(bmc.consoleIds.length, 1, 'one login of the wrong password');
    bmcs.putCredential('new', 'admin', 's3cret');
    await report();
    assert.equal(bmc.consoleIds.length, 2, 'and one of the right one');
    assert.equal(bmcs.chain(machineId)[0]?.credential, 'new');
    const refuses = `bmc.refuses its BMC at ${ADDRESS} lets in none of the credentials`;
    assert.deepEqual(said(), [refuses, refuses, `bmc.changed its BMC at ${ADDRESS} was found by itself`]);
    assert.ok(
      told.some(({ text }) => text.includes('ipmi: credential old was refused before, and is not tried again')),
    );
  }));

test('a credential with another password than the one that was refused is tried', () =>
  withScene(async ({ bmcs, machineId, report }) => {
    bmcs.putCredential('racks', 'admin', 'a wrong one');
    await report();
    bmcs.putCredential('racks', 'admin', 's3cret');
    await report();
    assert.equal(bmcs.chain(machineId).length, 1);
  }));

test('two reports at once try each login once', () =>
  withScene(async ({ bmc, bmcs, report }) => {
    bmcs.putCredential('racks', 'admin', 'a wrong one');
    await report(2);
    assert.equal(bmc.consoleIds.length, 1);
  }));
