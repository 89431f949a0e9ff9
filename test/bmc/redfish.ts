import assert from 'node:assert/strict';
import { BmcError, type BmcErrorKind } from '../../src/bmc/driver.ts';
import type { RedfishPatience } from '../../src/bmc/redfish/retry.ts';
import { openRedfish, type RedfishDriver, type RedfishOptions } from '../../src/bmc/redfish.ts';
import { openRedfishSim, type RedfishSim, type RedfishSimOptions } from '../../src/lab/bmc-sim/redfish.ts';

export const PASSWORD = 's3cret';

/** Long enough that a loaded computer loses nothing; waits between tries cost nothing, for the clock is ours. */
export const STEADY: RedfishPatience = {
  connectMs: 20_000,
  answerMs: 20_000,
  tries: 5,
  firstMs: 1000,
  lastMs: 8000,
  budgetMs: 90_000,
  callMs: 600_000,
};

/** A clock that stands still but for the waits that are asked of it; those are kept. */
export function makeTime() {
  let now = 0;
  const waits: number[] = [];
  const sleep = async (ms: number) => {
    waits.push(ms);
    now += ms;
  };
  return { waits, sleep, steady: () => now };
}

export type Opened = { driver: RedfishDriver; sim: RedfishSim; waits: number[]; ids: () => string[] };

export function open(
  port: number,
  wanted: { user?: string; password?: string; settings?: Record<string, string>; options?: RedfishOptions } = {},
): RedfishDriver {
  const { user = 'admin', password = PASSWORD, settings = {}, options = {} } = wanted;
  const target = { driver: 'redfish', address: '127.0.0.1', port, user, password, settings } as const;
  return openRedfish(target, { patience: STEADY, ...options });
}

/** Runs `check` with a BMC of ours and a driver for it. Whatever happens, no session may stay and no two requests may overlap. */
export async function withBmc(
  wanted: RedfishSimOptions & { settings?: Record<string, string>; patience?: RedfishPatience },
  check: (opened: Opened) => Promise<void>,
): Promise<void> {
  const { settings = {}, patience = STEADY, ...simOptions } = wanted;
  const sim = await openRedfishSim(simOptions);
  const { waits, ...time } = makeTime();
  try {
    const driver = open(sim.port, { settings, options: { patience, ...time } });
    await check({ driver, sim, waits, ids: () => driver.quirks().map(({ id }) => id) });
    await driver.close();
    assert.equal(sim.openSessions(), 0, 'sessions left open');
    assert.ok(sim.mostAtOnce() <= 1, 'requests in flight at once');
  } finally {
    await sim.stop();
  }
}

/** That it fails so, with a text that names the BMC, what happened and what to do, and without a secret in it. */
export async function assertBmcError(promise: Promise<unknown>, kind: BmcErrorKind, text: RegExp): Promise<void> {
  await assert.rejects(promise, (error) => {
    assert.ok(error instanceof BmcError, String(error));
    assert.match(error.text, text);
    assert.equal(error.kind, kind, error.text);
    assert.match(
      error.text,
      /^BMC 127\.0\.0\.1 port \d+ .+\. [A-Z].+[^.]\.$/,
      'names the BMC, what happened and what to do',
    );
    assertNoSecret(String(error.stack));
    return true;
  });
}

export function assertNoSecret(text: string): void {
  assert.ok(!text.includes(PASSWORD) && !text.includes('a wrong one'), text);
  assert.ok(!text.includes(Buffer.from(`admin:${PASSWORD}`).toString('base64')), text);
}
