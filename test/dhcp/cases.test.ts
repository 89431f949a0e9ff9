import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { decideDhcp } from '../../src/dhcp/decide.ts';
import type { DhcpDecision } from '../../src/dhcp/view.ts';
import type { MachineState } from '../../src/model/machine.ts';
import type { ClientKey, LeaseState, Subnet } from '../../src/model/network.ts';
import { after } from '../../src/model/time.ts';
import { type Ipv4, type Mac, parseIpv4, parseMac } from '../../src/wire/address.ts';
import { describeOption, optionCode } from '../../src/wire/dhcp-options.ts';
import type { MessageType } from '../../src/wire/dhcp-shapes.ts';
import { type Ask, CLIENTS, type Harness, SERVER, withHarness } from '../harness.ts';

/**
 * Cases as text, `test/cases/dhcp/*.txt`. Each begins with `=== its name` and has the sections state, request, reply and
 * because. State says what differs from a network of one subnet, 10.77.0.1/24, pool 10.77.0.100 to 109, authoritative, with
 * no machine. UPDATE=1 writes reply and because anew; review the difference.
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
  await withHarness(
    {
      subnet: subnetOf(one.state),
      unknownBoots: one.state.includes('unknown machines boot local') ? 'local' : 'scout',
    },
    async (harness) => {
      for (const line of one.state) await setState(harness, line);
      const { ask, isInFull } = parseRequest(one.request);
      const request = harness.understand(ask);
      const decision = decideDhcp(request, harness.dhcp.look(request, harness.clock()).view);
      result = formatResult(
        describeReply(decision, harness.clock(), isInFull),
        decision.because.map((reason) => `${reason.rule}: ${reason.text}`),
      );
    },
  );
  return result;
}

function subnetOf(state: readonly string[]): Partial<Subnet> {
  const pool = state.map((line) => /^pool (\S+) to (\S+)$/.exec(line)).find((match) => match);
  return {
    ...(state.includes('not authoritative') ? { authoritative: false } : {}),
    ...(pool ? { poolFirst: pool[1] as Ipv4, poolLast: pool[2] as Ipv4 } : {}),
    ...(state.includes('with router, name servers and domain')
      ? { gateway: '10.77.0.254' as Ipv4, dns: ['10.77.0.2', '10.77.0.3'] as Ipv4[], domain: 'rack.example' }
      : {}),
  };
}

type StateLine = [RegExp, (harness: Harness, ...words: string[]) => unknown];

const STATE: readonly StateLine[] = [
  [/^(not authoritative|pool .*|with router.*|unknown machines boot local)$/, () => undefined],
  [
    /^machine (\S+) (\S+) is (\w+)(?:, its disks are (empty|used))?(, locked)?$/,
    ({ addMachine }, name, mac, state, disks, locked) =>
      addMachine(name as string, {
        mac: parseMac(mac as string),
        state: state as MachineState,
        locked: locked !== undefined,
        ...(disks ? { disks: disks as 'empty' | 'used' } : {}),
      }),
  ],
  [
    /^(\S+) is to be installed with (\S+)$/,
    (harness, name, bootenv) => harness.install(harness.machines.named(name as string), bootenv as string),
  ],
  [
    /^(\S+) was started (\d+) times on its ticket$/,
    ({ db }, _name, times) => db.sql.prepare('UPDATE ticket SET attempts = ?, last_boot = 0').run(times),
  ],
  [
    /^reserved (\S+) for (\S+)$/,
    ({ network, subnet }, address, mac) =>
      network.addReservation(subnet.id, parseMac(mac as string), parseIpv4(address as string)),
  ],
  [
    /^lease (\S+) of (\S+), (bound|released|declined)(?: until (-?\d+) s)?$/,
    ({ network, subnet, clock }, address, mac, state, seconds) =>
      network.putLease({
        subnetId: subnet.id,
        address: parseIpv4(address as string),
        ...(state === 'declined' ? {} : { client: `hw:1:${mac?.replaceAll(':', '')}` as ClientKey, mac: mac as Mac }),
        hostname: '',
        state: state as LeaseState,
        expiresAt: after(clock(), Number(seconds ?? 0) * 1000),
      }),
  ],
  [
    /^(\S+) was offered to (\S+)$/,
    ({ ask }, address, mac) => ask({ type: 'discover', mac: mac as Mac, asks: address as Ipv4 }),
  ],
];

async function setState(harness: Harness, line: string): Promise<void> {
  for (const [pattern, set] of STATE) {
    const match = pattern.exec(line);
    if (match) return void (await set(harness, ...match.slice(1)));
  }
  throw new Error(`nobody understands the state ${line}`);
}

const PHRASES: readonly [RegExp, (word: string) => Partial<Ask>][] = [
  [/^(DISCOVER|REQUEST|DECLINE|RELEASE|INFORM|OFFER)$/, (word) => ({ type: word.toLowerCase() as MessageType })],
  [/^from (\S+)$/, (word) => ({ mac: parseMac(word) })],
  [/^as architecture (\d+)$/, (word) => ({ as: Number(word) })],
  [/^as (\S+)$/, (word) => ({ as: word as keyof typeof CLIENTS })],
  [/^asks for (\S+)$/, (word) => ({ asks: parseIpv4(word) })],
  [/^names (\S+)$/, (word) => ({ names: parseIpv4(word) })],
  [/^has (\S+)$/, (word) => ({ has: parseIpv4(word) })],
  [/^unicast from (\S+)$/, (word) => ({ unicast: true, source: parseIpv4(word) })],
  [/^through relay (\S+)$/, (word) => ({ relay: parseIpv4(word) })],
  [/^wants ([\d ]+)$/, (word) => ({ wants: word.split(' ').map(Number) })],
  [/^with option (\d+ [0-9a-f]+)$/, (word) => ({ options: [option(word)] })],
  [/^shown in full$/, () => ({})],
];

function option(text: string): [number, Buffer] {
  const [code, hex = ''] = text.split(' ');
  return [Number(code), Buffer.from(hex, 'hex')];
}

function parseRequest(text: string): { ask: Ask; isInFull: boolean } {
  const ask: Ask = { type: 'discover' };
  for (const phrase of text.split(', ')) {
    const found = PHRASES.map(([pattern, make]) => ({ match: pattern.exec(phrase), make })).find((one) => one.match);
    if (!found) throw new Error(`nobody understands ${phrase} in the request ${text}`);
    Object.assign(ask, found.make(found.match?.[1] ?? ''));
    if (typeof ask.as === 'string' && !(ask.as in CLIENTS)) throw new Error(`there is no client ${ask.as}`);
  }
  return { ask, isInFull: text.includes('shown in full') };
}

/** What every ordinary reply has; told by their codes alone, but for the cases that are about them. */
const ORDINARY = (['leaseSeconds', 'renewalSeconds', 'rebindingSeconds', 'subnetMask', 'serverId'] as const).map(
  optionCode,
);

function describeReply(decision: DhcpDecision, now: number, isInFull: boolean): string[] {
  const lines: string[] = [];
  if (decision.kind === 'silent') lines.push('none');
  else {
    const { packet, to } = decision;
    const { type: _, ...header } = { type: 0, yiaddr: packet.yiaddr, ciaddr: packet.ciaddr, siaddr: packet.siaddr };
    const told = Object.entries(header).filter(([, address]) => address !== '0.0.0.0');
    lines.push(`${decision.type.toUpperCase()} to ${to.address}:${to.port} (${to.why})`);
    lines.push(told.map(([name, address]) => `${name} ${address}`).join(', ') || 'no address');
    if (packet.file !== '') lines.push(`file ${packet.file}`);
    const shown = [...packet.options].filter(([code]) => code !== optionCode('messageType'));
    for (const [code, value] of shown)
      if (isInFull || !ORDINARY.includes(code)) lines.push(describeOption(code, value));
    const left = shown.map(([code]) => code).filter((code) => ORDINARY.includes(code));
    if (!isInFull) lines.push(`options ${left.sort((a, b) => a - b).join(' ')}`);
    assert.equal(packet.siaddr === SERVER, decision.type !== 'nak', 'siaddr is ours, but for a NAK');
  }
  if (decision.lease) {
    const { lease } = decision.lease;
    const seconds = (lease.expiresAt - now) / 1000;
    lines.push(`lease ${lease.address} of ${lease.client ?? 'nobody'}, ${lease.state} until ${seconds} s`);
  }
  if (decision.offer?.kind === 'hold')
    lines.push(`offer ${decision.offer.offer.address} until ${(decision.offer.offer.expiresAt - now) / 1000} s`);
  if (decision.offer?.kind === 'forget') lines.push('offer forgotten');
  return lines;
}
