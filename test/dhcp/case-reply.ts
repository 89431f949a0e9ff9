import assert from 'node:assert/strict';
import type { DhcpDecision } from '../../src/dhcp/view.ts';
import { optionCode } from '../../src/wire/dhcp-options.ts';
import { relayInformation } from '../../src/wire/dhcp-shapes.ts';
import { SERVER } from '../harness.ts';
import { describeOption } from '../wire/describe-option.ts';
import type { CaseRequest } from './case-request.ts';
import type { Sent } from './tap.ts';

/** What every ordinary reply has; told by their codes alone, but for the cases that are about them. */
const ORDINARY = (['leaseSeconds', 'renewalSeconds', 'rebindingSeconds', 'subnetMask', 'serverId'] as const).map(
  optionCode,
);

/** A decision in lines: the answer, then what is to be remembered. */
export function describeReply(decision: DhcpDecision, now: number, show: CaseRequest['show']): string[] {
  const lines: string[] = [];
  if (decision.kind === 'silent') lines.push('none');
  else if (decision.kind === 'probe') lines.push(`asks the wire for ${decision.address}`);
  else {
    const { packet, to } = decision;
    const { yiaddr, ciaddr, siaddr, giaddr } = packet;
    const told = Object.entries({ yiaddr, ciaddr, siaddr, giaddr }).filter(([, address]) => address !== '0.0.0.0');
    lines.push(`${decision.type.toUpperCase()} to ${to.address}:${to.port} (${to.why})`);
    lines.push(told.map(([name, address]) => `${name} ${address}`).join(', ') || 'no address');
    if (packet.broadcast) lines.push('flagged broadcast');
    if (packet.file !== '') lines.push(`file ${packet.file}`);
    const shown = [...packet.options].filter(([code]) => code !== optionCode('messageType'));
    for (const [code, value] of shown)
      if (show === 'in full' || !ORDINARY.includes(code)) lines.push(describe(code, value));
    const left = shown.map(([code]) => code).filter((code) => ORDINARY.includes(code));
    if (show !== 'in full') lines.push(`options ${left.sort((a, b) => a - b).join(' ')}`);
    const name = packet.options.get(optionCode('bootFileName'));
    assert.ok(!name || name.at(-1) === 0, 'option 67 ends with a NUL: ROMs read on past it otherwise (2.6 Q1 to Q3)');
    assert.equal(packet.siaddr === SERVER, decision.type !== 'nak', 'siaddr is ours, but for a NAK');
  }
  if (decision.lease) {
    const { lease } = decision.lease;
    const seconds = (lease.expiresAt - now) / 1000;
    lines.push(`lease ${lease.address} of ${lease.client ?? 'nobody'}, ${lease.state} until ${seconds} s`);
    if (lease.giaddr) lines.push(`which came through relay ${lease.giaddr}`);
    if (lease.relayInformation) lines.push(`which said ${describe(82, lease.relayInformation)}`);
  }
  if (decision.lease?.kind === 'bind')
    for (const { address } of decision.lease.givesUp) lines.push(`lease ${address} given up`);
  if (decision.offer?.kind === 'hold')
    lines.push(`offer ${decision.offer.offer.address} until ${(decision.offer.offer.expiresAt - now) / 1000} s`);
  if (decision.offer?.kind === 'forget') lines.push('offer forgotten');
  return lines;
}

/** In words; an option 82 that says more than we understand, or nonsense, in its bytes: it has to come back as they are. */
function describe(code: number, value: Buffer): string {
  if (code !== optionCode('relayInformation')) return describeOption(code, value);
  const understood = relayInformation.decode(value);
  return understood && relayInformation.encode(understood).equals(value)
    ? describeOption(code, value)
    : `relayInformation (82): ${value.toString('hex') || 'empty'}`;
}

/** The answer as its bytes lie: the options by their codes in each area, and how large it is. */
export function describeLayout(sent: Sent | undefined): string[] {
  assert.ok(sent, 'the server sends what was decided');
  const { bytes } = sent;
  const main = codesIn(bytes, 240, bytes.length);
  const overload = main.values.get(52)?.[0] ?? 0;
  const lines = [`${bytes.length} bytes: ${main.codes.join(' ')}`];
  if (overload & 1) lines.push(`in file: ${codesIn(bytes, 108, 236).codes.join(' ')}`);
  if (overload & 2) lines.push(`in sname: ${codesIn(bytes, 44, 108).codes.join(' ')}`);
  return lines;
}

function codesIn(
  bytes: Buffer,
  start: number,
  end: number,
): { codes: (number | 'end')[]; values: Map<number, Buffer> } {
  const codes: (number | 'end')[] = [];
  const values = new Map<number, Buffer>();
  for (let at = start; at < end; ) {
    const code = bytes[at] as number;
    if (code === 255) return { codes: [...codes, 'end'], values };
    const next = at + 2 + (bytes[at + 1] as number);
    assert.ok(code !== 0 && next < end, `option ${code} at ${at} does not end before ${end}`);
    codes.push(code);
    values.set(code, bytes.subarray(at + 2, next));
    at = next;
  }
  return assert.fail(`the options from ${start} on have no end`);
}
