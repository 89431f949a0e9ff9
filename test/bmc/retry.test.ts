import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { BmcErrorKind } from '../../src/bmc/driver.ts';
import { judgeFailure, type Verdict } from '../../src/bmc/retry.ts';

/** Fails again and again; the waits, and what is done in the end. */
function failForever(kind: BmcErrorKind, hasNext: boolean): { waits: number[]; end: Verdict } {
  const waits: number[] = [];
  for (let sinceMs = 0; ; sinceMs += waits.at(-1) as number) {
    const verdict = judgeFailure(kind, { count: waits.length + 1, sinceMs }, hasNext);
    if (verdict.kind !== 'retry') return { waits, end: verdict };
    waits.push(verdict.inMs);
  }
}

const CASES: [BmcErrorKind, number[], Verdict['kind'], boolean][] = [
  ['unreachable', [], 'next-driver', false],
  ['busy', [5000, 10_000, 20_000, 30_000], 'next-driver', false],
  ['no-session-slot', [10_000, 20_000, 40_000, 60_000], 'next-driver', false],
  ['no-such-user', [], 'next-driver', true],
  ['wrong-password', [], 'next-driver', true],
  ['privilege', [], 'next-driver', false],
  ['wrong-cipher-suite', [], 'next-driver', true],
  ['certificate', [], 'give-up', true],
  ['refused', [], 'next-driver', false],
  ['unsupported', [], 'next-driver', false],
  ['protocol', [], 'next-driver', false],
];
for (const [kind, waits, end, refuses] of CASES)
  test(`${kind}: ${waits.length} retries, then ${end}${refuses ? ', and not again by itself' : ''}`, () => {
    assert.deepEqual(failForever(kind, true), { waits, end: { kind: end, refuses } });
    assert.deepEqual(failForever(kind, false).end, { kind: 'give-up', refuses });
  });

test('a BMC that does not answer is tried for half a minute where there is no other way, and longer after a command', () => {
  assert.deepEqual(failForever('unreachable', false).waits, [2000, 4000, 8000, 10_000]);
  const late = { count: 5, sinceMs: 60_000 };
  assert.equal(judgeFailure('unreachable', late, false).kind, 'give-up');
  assert.equal(judgeFailure('unreachable', { ...late, isSettling: true }, false).kind, 'retry');
});
