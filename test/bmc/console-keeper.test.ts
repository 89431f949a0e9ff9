import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { type Consoles, createConsoles } from '../../src/bmc/console.ts';
import type { Watch } from '../../src/bmc/console-line.ts';
import { type LogLimits, listLogs, openBootLog } from '../../src/bmc/console-log.ts';
import { checkConsoleSetting, isNewTypist, nextTryMs } from '../../src/bmc/console-plan.ts';
import { createRecent } from '../../src/bmc/console-recent.ts';
import { type IpmiBmc, startIpmiBmc } from '../../src/lab/bmc-sim/ipmi.ts';
import type { Machine } from '../../src/model/machine.ts';
import { type Harness, withHarness } from '../harness.ts';

type Rig = {
  harness: Harness;
  consoles: Consoles;
  bmc: IpmiBmc;
  machine: Machine;
  /** Every pause before another try, in milliseconds. While `hold` is set they last until somebody ends them. */
  pauses: number[];
  hold: { isOn: boolean };
  folder: string;
};

/** A keeper over a BMC that speaks the wire. Pauses pass at once, unless they are held. */
function withKeeper(check: (rig: Rig) => Promise<void>, settings: Record<string, string> = {}): Promise<void> {
  return withHarness({}, async (harness) => {
    const bmc = await startIpmiBmc({ slots: 8 });
    const pauses: number[] = [];
    const hold = { isOn: false };
    const folder = join(harness.folder, 'data', 'console');
    const consoles = createConsoles({ ...harness, folder, ...clocks(harness, pauses, hold) });
    const machine = harness.addMachine('vm-01');
    harness.setBmc(machine.id, { port: bmc.port, settings });
    try {
      await check({ harness, consoles, bmc, machine, pauses, hold, folder });
    } finally {
      hold.isOn = false;
      await consoles.close();
      assert.equal(bmc.sessions.open, 0, 'sessions left open');
      await bmc.stop();
    }
  });
}

function clocks(harness: Harness, pauses: number[], hold: { isOn: boolean }) {
  let now = 0;
  return {
    steady: () => now,
    sleep: async (ms: number, signal?: AbortSignal) => {
      // the end of the appliance: it is no pause, and is waited for in earnest
      const isEnd = !hold.isOn && pauses.length === 0 && ms === 2000 && signal !== undefined && harness.told.length < 0;
      if (!isEnd) pauses.push(ms);
      while (hold.isOn) {
        signal?.throwIfAborted();
        await nextTurn();
      }
      now += ms;
      await nextTurn();
    },
  };
}
