import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isDisturbed, isKept, isShort, probeOf } from '../../bench/probe.ts';
import { describeFindings, type Finding, type Findings, judgeAims, summarize } from '../../bench/result.ts';
import { dnsmasq, kea } from '../../bench/servers.ts';

const DELAY = { min: 0.1, average: 0.5, max: 20 };
const SECONDS = 5;

/** A probe in which `lost` REQUESTs of 5 seconds stayed without an answer. */
function probe(rate: number, lost = 0) {
  const sent = rate * SECONDS;
  const report = {
    discover: { sent, received: sent, delay: DELAY },
    request: { sent, received: sent - lost, delay: DELAY },
  };
  return probeOf(rate, SECONDS, report, { cpuSeconds: 2, peakRssMiB: 100 }, 0.05);
}

function finding(rate: number | undefined, p99: number | undefined): Finding {
  const lost = p99 === undefined ? 500 : 0;
  return {
    ...(rate === undefined ? {} : { best: { ...probe(rate), offered: rate + 5 } }),
    spread: { count: 1000, lost, p50: 1, p90: 2, max: 30, ...(p99 === undefined ? {} : { p99 }) },
  };
}

const FINDINGS: Findings = {
  firstlight: [finding(6000, 4), finding(9000, 40), finding(6600, 5)],
  firstlight10000: [finding(6500, 4), finding(6270, 4), finding(100, 5)],
  firstlightMachines: [finding(3300, 4), finding(3300, 4), finding(3400, 5)],
  keaSingle: [finding(3000, 2), finding(3100, 2), finding(3000, 2)],
  keaMulti: [finding(4000, 2), finding(3900, 2), finding(4400, 2)],
  dnsmasq: [finding(300, undefined), finding(undefined, undefined), finding(320, 900)],
};

test('the rate of a server is the median of the rounds, and Kea is measured by its better half', () => {
  assert.deepEqual(summarize(FINDINGS), {
    rounds: 3,
    rates: {
      firstlight: 6600,
      firstlight10000: 6270,
      firstlightMachines: 3300,
      keaSingle: 3000,
      keaMulti: 4000,
      dnsmasq: 300,
    },
    ratios: { toKea: 1.65, toDnsmasq: 22, with10000: 0.95, withMachines: 0.5 },
    p99Ms: { firstlight: 5, firstlight10000: 4, firstlightMachines: 4, keaSingle: 2, keaMulti: 2, dnsmasq: null },
  });
});

test('each aim says whether it was reached', () => {
  const summary = summarize(FINDINGS);
  const judged = (change: Partial<typeof summary>) =>
    judgeAims({ ...summary, ...change }).map((line) => line.slice(0, 3));
  assert.deepEqual(judged({}), ['yes', 'yes', 'yes', 'yes']);
  assert.deepEqual(judged({ ratios: { toKea: 1.49, toDnsmasq: 9.9, with10000: 0.9, withMachines: 0.4 } }), [
    'NO ',
    'NO ',
    'yes',
    'NO ',
  ]);
  assert.deepEqual(judged({ p99Ms: { ...summary.p99Ms, firstlight: null } }), ['yes', 'yes', 'NO ', 'yes']);
});

test('a server that was too slow for anything makes no ratio that could count as reached', () => {
  const slow = summarize({ ...FINDINGS, firstlight: [finding(undefined, undefined)] });
  assert.deepEqual(
    judgeAims(slow).map((line) => line.slice(0, 3)),
    ['NO ', 'NO ', 'NO ', 'NO '],
  );
});

test('a rate is kept when under 1 % of both halves is lost', () => {
  assert.equal(isKept(probe(1000, 49)), true);
  assert.equal(isKept(probe(1000, 50)), false);
});

test('a rate that perfdhcp itself did not offer is not kept, and told from one that the server missed', () => {
  const short = { ...probe(1000), offered: 900 };
  assert.deepEqual([isKept(short), isShort(short)], [false, true]);
  assert.equal(isShort(probe(1000, 4000)), false);
});

test('a probe is disturbed when others took more than a tenth of the processors', () => {
  assert.equal(isDisturbed(probe(1000)), false);
  assert.equal(isDisturbed({ ...probe(1000), others: 0.11 }), true);
});

test('the table has a row for each server and says what it persists', () => {
  const lines = describeFindings([kea('multi'), dnsmasq], FINDINGS, SECONDS).split('\n');
  assert.match(
    lines[1] as string,
    /^Kea, multi-threaded +4005 +4000 +0\.00 +0\.50\/20 +0\.50\/20 +2\.00 +100 +100 +5 +1\.00\/2\.00\/2\.00\/30\.00 +0$/,
  );
  assert.match(lines[2] as string, /^dnsmasq +315 +310 /);
  assert.match(lines.at(-1) as string, /^ {2}dnsmasq: writes its whole lease file anew, with fsync$/);
});
