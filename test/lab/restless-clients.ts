/**
 * Many DHCP clients behind one relay, which take, confirm and give back their addresses as fast as the server answers, and keep
 * what was acknowledged over any silence of it. Run in a namespace that has the relay's address:
 *
 *   restless-clients.ts RELAY SERVER COUNT
 *
 * Each line of its output is a fact, written before anything follows from it: `+ADDRESS MAC` acknowledged, `-ADDRESS MAC` about to
 * be given back, `=ADDRESS MAC` confirmed, `TWICE ...` or `LOST ...` where the server broke its word.
 */
import { createSocket } from 'node:dgram';
import { writeSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Ipv4, macFromBytes, parseIpv4, parseMac } from '../../src/wire/address.ts';
import { getOption } from '../../src/wire/dhcp-options.ts';
import { decodeDhcp } from '../../src/wire/dhcp-packet.ts';
import type { MessageType } from '../../src/wire/dhcp-shapes.ts';
import { type Ask, buildRequest } from '../harness.ts';

type Answer = { type: MessageType | undefined; address: Ipv4; server: Ipv4 | undefined };

/** After this a client asks again, with a new number: the server may be gone. */
const PATIENCE_MS = 150;
const MOST_REST_MS = 60;

const [relay, server, count] = [
  parseIpv4(process.argv[2] ?? ''),
  parseIpv4(process.argv[3] ?? ''),
  Number(process.argv[4]),
];
const socket = createSocket('udp4');
const waiting = new Map<number, (answer: Answer) => void>();
const holders = new Map<Ipv4, string>();
let lastXid = 0;

socket.on('message', (bytes) => {
  const packet = decodeDhcp(bytes);
  waiting.get(packet.xid)?.({
    type: getOption(packet, 'messageType'),
    address: packet.yiaddr,
    server: getOption(packet, 'serverId'),
  });
});
// the port is closed while the server is gone
socket.on('error', () => undefined);
await new Promise<void>((resolve) => socket.bind(67, relay, resolve));
await Promise.all(
  Array.from({ length: count }, (_, index) => live(macFromBytes(Buffer.from([2, 0, 0, 9, index >> 8, index & 255])))),
);

async function live(mac: string): Promise<never> {
  for (;;) {
    const address = await take(mac);
    for (let confirmations = Math.floor(Math.random() * 4); confirmations > 0; confirmations--) {
      await rest();
      await confirm(mac, address);
    }
    await rest();
    say(`-${address} ${mac}`);
    holders.delete(address);
    send(mac, { type: 'release', has: address, names: server });
    await rest();
  }
}

/** DISCOVER to ACK, from the beginning again until it succeeds. */
async function take(mac: string): Promise<Ipv4> {
  for (;;) {
    const offer = await ask(mac, { type: 'discover' });
    if (offer?.type !== 'offer') continue;
    const answer = await ask(mac, { type: 'request', asks: offer.address, names: offer.server ?? server });
    if (answer?.type !== 'ack') continue;
    const holder = holders.get(answer.address);
    if (holder !== undefined) say(`TWICE ${answer.address} ${holder} and ${mac}`);
    holders.set(answer.address, mac);
    say(`+${answer.address} ${mac}`);
    return answer.address;
  }
}

/** INIT-REBOOT, until there is an answer. */
async function confirm(mac: string, address: Ipv4): Promise<void> {
  for (;;) {
    const answer = await ask(mac, { type: 'request', asks: address });
    if (!answer) continue;
    if (answer.type !== 'ack' || answer.address !== address)
      say(`LOST ${address} ${mac}: ${answer.type} ${answer.address}`);
    else say(`=${address} ${mac}`);
    return;
  }
}

async function ask(mac: string, what: Omit<Ask, 'mac'>): Promise<Answer | undefined> {
  const xid = send(mac, what);
  const answer = new Promise<Answer>((resolve) => waiting.set(xid, resolve));
  try {
    return await Promise.race([answer, sleep(PATIENCE_MS, undefined)]);
  } finally {
    waiting.delete(xid);
  }
}

function send(mac: string, what: Omit<Ask, 'mac'>): number {
  const xid = ++lastXid;
  const bytes = buildRequest({ ...what, mac: parseMac(mac), relay });
  bytes.writeUInt32BE(xid, 4);
  socket.send(bytes, 67, server, () => undefined);
  return xid;
}

function rest(): Promise<void> {
  return sleep(Math.random() * MOST_REST_MS);
}

/** At once: what is not written when this process is ended did not happen. */
function say(line: string): void {
  writeSync(1, `${line}\n`);
}
