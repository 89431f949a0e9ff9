import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { decideDhcp } from '../../src/dhcp/decide.ts';
import { withHarness } from '../harness.ts';
import { describeLayout, describeReply } from './case-reply.ts';
import { datagramOf, parseRequest, understand } from './case-request.ts';
import { harnessOptions, setState, viewOf, type World } from './case-state.ts';
import { openTap } from './tap.ts';

/**
 * Cases as text, `test/cases/dhcp/*.txt`. Each begins with `=== its name` and has the sections state, request, reply and
 * because. State says what differs from a network of one subnet, rack1, 10.77.0.1/24, pool 10.77.0.100 to 109, authoritative,
 * with no machine; what it may say stands in case-state.ts, what a request may say in case-request.ts. UPDATE=1 writes reply
 * and because anew; review the difference.
 */
const FOLDER = join(import.meta.dirname, '../cases/dhcp');
type Case = { name: string; state: string[]; request: string; expected: string };

for (const file of readdirSync(FOLDER).filter((name) => name.endsWith('.txt'))) {
  const { heading, cases } = parseCases(readFileSync(join(FOLDER, file), 'utf8'));
  const results: string[] = [];
  for (const one of cases)
    test(`${file.replace('.txt', '')}: ${one.name}`, async () => {
      const present = await runCase(one);
      results.push(formatCase(one, present));
      if (process.env.UPDATE === '1') {
        if (results.length === cases.length)
          writeFileSync(
            join(FOLDER, file),
            [heading.trimEnd(), ...results].join('\n\n').replace(/\n+/g, (gap) => gap.slice(0, 2)),
          );
      } else assert.equal(present, one.expected);
    });
}

test('a line of state or request that nobody understands is an error', async () => {
  await assert.rejects(
    runCase({ name: '', state: ['lease somewhere'], request: 'DISCOVER', expected: '' }),
    /lease some/,
  );
  await assert.rejects(runCase({ name: '', state: [], request: 'DISCOVER, dances', expected: '' }), /dances/);
  await assert.rejects(
    runCase({ name: '', state: ['subnet rack2 10.78.0.0/24, in blue'], request: 'DISCOVER', expected: '' }),
    /in blue/,
  );
});

function parseCases(text: string): { heading: string; cases: Case[] } {
  const [heading = '', ...parts] = text.split(/^=== /m);
  const cases = parts.map((part): Case => {
    const [name = '', ...lines] = part.split('\n');
    const sections = new Map<string, string[]>();
    let present: string[] = [];
    for (const line of lines) {
      if (/^\w/.test(line)) {
        present = [];
        sections.set(line, present);
      } else if (line.trim() !== '') present.push(line.trim());
    }
    const section = (wanted: string): string[] => sections.get(wanted) ?? [];
    const expected = formatResult(section('reply'), section('because'));
    return { name, state: section('state'), request: section('request').join(', '), expected };
  });
  return { heading, cases };
}

function formatCase(one: Case, result: string): string {
  const lines = (title: string, body: readonly string[]): string =>
    [title, ...body.map((line) => `  ${line}`)].join('\n');
  const state = one.state.length > 0 ? `${lines('state', one.state)}\n` : '';
  return `=== ${one.name}\n${state}${lines('request', [one.request])}\n${result}`;
}

function formatResult(reply: readonly string[], because: readonly string[]): string {
  return `reply\n${reply.map((line) => `  ${line}\n`).join('')}because\n${because.map((line) => `  ${line}\n`).join('')}`;
}

async function runCase(one: Case): Promise<string> {
  let result = '';
  await withHarness(harnessOptions(one.state), async (harness) => {
    const world: World = { harness, tap: openTap(harness), asked: new Set(), isJustStarted: false };
    harness.pass(61_000); // the server has been running for a while
    for (const line of one.state) await setState(world, line);
    const asked = parseRequest(one.request);
    const request = understand(asked);
    const decision = decideDhcp(request, viewOf(world, harness.dhcp.look(request, harness.clock()).view));
    const layout = asked.show === 'as sent' ? describeLayout(await world.tap(datagramOf(asked))) : undefined;
    result = formatResult(
      layout ?? describeReply(decision, harness.clock(), asked.show),
      layout ? [] : decision.because.map((reason) => `${reason.rule}: ${reason.text}`),
    );
  });
  return result;
}
