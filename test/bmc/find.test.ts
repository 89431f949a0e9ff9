import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type FindOptions, findBmc, type Login } from '../../src/bmc/find.ts';
import { openBmc } from '../../src/bmc/index.ts';
import { openRedfishSim, type RedfishSim } from '../../src/lab/bmc-sim/redfish.ts';
import { startWireBmc } from './wire-bmc.ts';

const UUID = '10112233-4455-6677-8899-aabbccddeeff';
const right = { name: 'right', user: 'admin', password: 's3cret' };
const wrong = { name: 'wrong', user: 'admin', password: 'a wrong one' };

/** Two nodes behind one BMC for Redfish, and a BMC for IPMI, at one address. */
async function withBmcs(
  check: (
    find: (logins: readonly Login[], facts?: { uuid?: string }) => ReturnType<typeof findBmc>,
    sim: RedfishSim,
    bmc: Awaited<ReturnType<typeof startWireBmc>>,
  ) => Promise<void>,
): Promise<void> {
  const [sim, bmc] = await Promise.all([openRedfishSim({ systems: [{}, { uuid: UUID }] }), startWireBmc()]);
  const options: FindOptions = {
    open: (target) => openBmc({ ...target, port: target.driver === 'redfish' ? sim.port : bmc.port }),
    call: (_address, work) => work(),
  };
  try {
    await check((logins, facts) => findBmc('127.0.0.1', logins, options, facts), sim, bmc);
    assert.equal(sim.openSessions() + bmc.openSessions(), 0, 'sessions left open');
  } finally {
    await Promise.all([sim.stop(), bmc.stop()]);
  }
}

test('finds the machine among several behind one BMC by what is known of it', () =>
  withBmcs(async (find) => {
    const { chain, told } = await find([right], { uuid: UUID });
    assert.deepEqual(
      chain.map(({ driver, credential, settings }) => [driver, credential, settings]),
      [
        ['redfish', 'right', {}],
        ['ipmi', 'right', {}],
      ],
    );
    assert.match(told[0] ?? '', /^redfish: credential right is let in/);
    const blind = await find([right]);
    assert.deepEqual(
      blind.chain.map(({ driver }) => driver),
      ['ipmi'],
    );
    assert.match(blind.told[0] ?? '', /2 Systems behind it and it is not known which one is meant/);
  }));

test('tries each login once for each way, and not where it is known to be refused', () =>
  withBmcs(async (find, sim, bmc) => {
    const { chain, failures } = await find([wrong, right], { uuid: UUID });
    assert.equal(chain.length, 2);
    assert.deepEqual(
      failures.map(({ driver, login, kind }) => [driver, login.name, kind]),
      [
        ['redfish', 'wrong', 'wrong-password'],
        ['ipmi', 'wrong', 'wrong-password'],
      ],
    );
    const [asked, logins] = [sim.requestCount(), bmc.consoleIds.length];
    const again = await find([{ ...wrong, refusedBy: ['redfish', 'ipmi'] }], { uuid: UUID });
    assert.deepEqual(again, {
      chain: [],
      told: [
        'redfish: credential wrong was refused before, and is not tried again',
        'ipmi: credential wrong was refused before, and is not tried again',
      ],
      failures: [],
    });
    assert.deepEqual([sim.requestCount(), bmc.consoleIds.length], [asked, logins]);
  }));
