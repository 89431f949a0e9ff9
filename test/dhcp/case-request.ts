import { understandDhcp } from '../../src/dhcp/request.ts';
import type { DhcpRequest } from '../../src/dhcp/view.ts';
import { parseIpv4, parseMac } from '../../src/wire/address.ts';
import { type OptionName, type OptionValue, setOption } from '../../src/wire/dhcp-options.ts';
import { type MessageType, type RelayInformation, relayInformation } from '../../src/wire/dhcp-shapes.ts';
import { ARRIVAL, type Ask, buildRequest, CLIENTS } from '../harness.ts';
import type { Datagram } from './tap.ts';

/** A request of a case: what the client asks, what its relay adds, how it comes, and how the result is to be shown. */
export type CaseRequest = {
  ask: Ask;
  options: [number, Buffer][];
  /** What the relay writes into option 82. */
  added: RelayInformation;
  /** The UDP port it comes from; 68, or 67 from a relay, when nothing else is said. */
  port?: number;
  interface?: string;
  isFlaggedBroadcast?: boolean;
  hardware?: { type: number; address: Buffer };
  show?: 'in full' | 'as sent';
};
type Phrase = [RegExp, (...words: string[]) => Partial<Omit<CaseRequest, 'ask'>> & { ask?: Partial<Ask> }];

/** What a request can say of itself, comma by comma. A later one counts before an earlier one; options and 82 add up. */
const PHRASES: readonly Phrase[] = [
  [
    /^(DISCOVER|REQUEST|DECLINE|RELEASE|INFORM|OFFER|ACK|NAK)$/,
    (word) => ({ ask: { type: word.toLowerCase() as MessageType } }),
  ],
  [/^from (\S+)$/, (mac) => ({ ask: { mac: parseMac(mac) } })],
  [/^as architecture (\d+)$/, (code) => ({ ask: { as: Number(code) } })],
  [/^as (\S+)$/, (name) => ({ ask: { as: clientNamed(name) } })],
  [/^asks for (\S+)$/, (address) => ({ ask: { asks: parseIpv4(address) } })],
  [/^names (\S+)$/, (address) => ({ ask: { names: parseIpv4(address) } })],
  [/^has (\S+)$/, (address) => ({ ask: { has: parseIpv4(address) } })],
  [/^wants ([\d ]+)$/, (codes) => ({ ask: { wants: codes.split(' ').map(Number) } })],
  [/^takes (\d+) bytes$/, (bytes) => option('maxMessageSize', Number(bytes))],
  [/^with client id ([0-9a-f]+)$/, (hex) => option('clientId', Buffer.from(hex, 'hex'))],
  [/^with UUID (\S+)$/, (uuid) => option('clientMachineId', uuid)],
  [
    /^with option (\d+)(?: ([0-9a-f]+))?$/,
    (code, hex) => ({ options: [[Number(code), Buffer.from(hex ?? '', 'hex')]] }),
  ],
  [
    /^with hardware (\d+)(?: ([0-9a-f]+))?$/,
    (type, hex) => ({ hardware: { type: Number(type), address: Buffer.from(hex ?? '', 'hex') } }),
  ],
  [/^flagged broadcast$/, () => ({ isFlaggedBroadcast: true })],
  [/^unicast from (\S+)$/, (address) => ({ ask: { unicast: true, source: parseIpv4(address) } })],
  [/^from UDP port (\d+)$/, (port) => ({ port: Number(port) })],
  [/^on interface (\S+)$/, (name) => ({ interface: name })],
  [/^on port 4011$/, () => ({ ask: { door: 'boot-server' } })],
  [/^beside a foreign server$/, () => ({ ask: { door: 'proxy' } })],
  [
    /^through relay (\S+)$/,
    (relay) => ({ port: 67, ask: { relay: parseIpv4(relay), unicast: true, source: parseIpv4(relay) } }),
  ],
  [/^at port (\S+)$/, (circuit) => ({ added: { circuitId: Buffer.from(circuit) } })],
  [
    /^at port (\S+) of (\S+)$/,
    (circuit, remote) => ({ added: { circuitId: Buffer.from(circuit), remoteId: Buffer.from(remote) } }),
  ],
  [/^on link (\S+)$/, (address) => ({ added: { linkSelection: parseIpv4(address) } })],
  [/^on subnet (\S+)$/, (address) => option('subnetSelection', parseIpv4(address))],
  [/^with stand-in (\S+)$/, (address) => ({ added: { serverId: parseIpv4(address) } })],
  [/^answered at UDP port (\d+)$/, (port) => ({ port: Number(port), added: { sourcePort: true } })],
  [/^shown (in full|as sent)$/, (how) => ({ show: how as 'in full' | 'as sent' })],
];

function clientNamed(name: string): keyof typeof CLIENTS {
  if (!(name in CLIENTS)) throw new Error(`there is no client ${name}`);
  return name as keyof typeof CLIENTS;
}

function option<N extends OptionName>(name: N, value: OptionValue<N>): { options: [number, Buffer][] } {
  const options = new Map<number, Buffer>();
  setOption(options, name, value);
  return { options: [...options] };
}

/** The request that a line tells of; throws on a phrase that nobody understands. */
export function parseRequest(text: string): CaseRequest {
  let request: CaseRequest = { ask: { type: 'discover' }, options: [], added: {} };
  for (const phrase of text.split(', ')) {
    const found = PHRASES.map(([pattern, read]) => ({ match: pattern.exec(phrase), read })).find((one) => one.match);
    if (!found?.match) throw new Error(`nobody understands ${phrase} in the request ${text}`);
    const said = found.read(...found.match.slice(1));
    request = {
      ...request,
      ...said,
      ask: { ...request.ask, ...said.ask },
      options: [...request.options, ...(said.options ?? [])],
      added: { ...request.added, ...said.added },
    };
  }
  return request;
}

/** The request as its datagram. */
export function datagramOf({ ask, options, added, port, isFlaggedBroadcast, hardware }: CaseRequest): Datagram {
  const agent = relayInformation.encode(added);
  const bytes = buildRequest({ ...ask, options: agent.length > 0 ? [...options, [82, agent]] : options });
  if (isFlaggedBroadcast) bytes.writeUInt16BE(0x8000, 10);
  if (hardware) {
    bytes.writeUInt8(hardware.type, 1);
    bytes.writeUInt8(hardware.address.length, 2);
    bytes.fill(0, 28, 44);
    hardware.address.copy(bytes, 28);
  }
  const { source, unicast, door } = ask;
  return {
    bytes,
    ...(source ? { source } : {}),
    ...(port !== undefined ? { port } : {}),
    ...(unicast ? { unicast } : {}),
    ...(door ? { door } : {}),
  };
}

/** The request as the rim understands it; throws for one that the rim throws away. */
export function understand(request: CaseRequest): DhcpRequest {
  const { bytes, source, port, unicast, door } = datagramOf(request);
  const understood = understandDhcp({
    bytes,
    arrival: { ...ARRIVAL, ...(request.interface ? { interface: request.interface } : {}) },
    door: door ?? 'server',
    unicast: unicast ?? false,
    from: { address: source ?? '0.0.0.0', port: port ?? 68 },
  });
  if (!understood) throw new Error('the rim throws this datagram away: such ones stand in malformed.test.ts');
  return understood;
}
