/**
 * The measuring client: how long whole exchanges (DISCOVER, OFFER, REQUEST, ACK) take at a steady rate. Runs inside the clients'
 * namespace as `node bench/exchange.ts RATE SECONDS FIRST-MAC CLIENTS` and prints a Spread as JSON. It is a relay, as perfdhcp
 * is. Open loop: an exchange begins when it is due, whatever became of those before, and its time counts from then, so that a
 * server which stands still for a moment is charged with everything that had to wait.
 */
import { createSocket } from 'node:dgram';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Ipv4, Mac } from '../src/wire/address.ts';
import { macToBytes } from '../src/wire/address.ts';
import { getOption, setOption } from '../src/wire/dhcp-options.ts';
import { type DhcpPacket, decodeDhcp, encodeDhcp } from '../src/wire/dhcp-packet.ts';
import { clientMac } from './clients.ts';
import { RELAY, SERVER } from './net.ts';
import { spreadOf } from './spread.ts';

type Exchange = { place: number; due: number; isRequested: boolean };

/** The first seconds are not measured: the server, and this program, are still being compiled. */
const WARM_UP_SECONDS = 3;
/** What takes longer is lost: a client has asked again by then. */
const PATIENCE_MS = 2000;
const NOWHERE = '0.0.0.0' as Ipv4;
/** Subnet mask, router, DNS, domain name, lease time: what most clients ask for. */
const WANTED = [1, 3, 6, 15, 51];

const [, , rateText, secondsText, firstMac, countText] = process.argv;
const [rate, seconds, clients] = [Number(rateText), Number(secondsText), Number(countText)];
if (!rate || !seconds || !firstMac || !clients)
  throw new Error(`exchange.ts wants RATE SECONDS FIRST-MAC CLIENTS, not '${process.argv.slice(2).join(' ')}'`);

const waiting = new Map<number, Exchange>();
const times: number[] = [];
const socket = createSocket({ type: 'udp4', recvBufferSize: 1 << 20 });
socket.on('message', receive);
// a REQUEST or DISCOVER that finds no server is a lost exchange, counted as such
socket.on('error', (error) => console.error(`bench: ${error.message}`));
await new Promise<void>((resolve) => socket.bind(67, RELAY, resolve));

const firstMeasured = rate * WARM_UP_SECONDS;
const count = firstMeasured + rate * seconds;
const start = performance.now();
for (let place = 0; place < count; ) {
  for (const now = performance.now(); place < count && dueOf(place) <= now; place++) begin(place);
  await sleep(1);
}
await sleep(PATIENCE_MS);
socket.close();
console.log(JSON.stringify(spreadOf(times, count - firstMeasured - times.length)));

function dueOf(place: number): number {
  return start + (place * 1000) / rate;
}

function begin(place: number): void {
  const xid = place + 1;
  waiting.set(xid, { place, due: dueOf(place), isRequested: false });
  const packet = packetOf(xid, place);
  setOption(packet.options, 'messageType', 'discover');
  send(packet);
}

function receive(bytes: Buffer): void {
  const reply = decodeDhcp(bytes);
  const exchange = waiting.get(reply.xid);
  if (!exchange) return;
  const type = getOption(reply, 'messageType');
  if (type === 'offer' && !exchange.isRequested) {
    exchange.isRequested = true;
    const serverId = getOption(reply, 'serverId');
    const packet = packetOf(reply.xid, exchange.place);
    setOption(packet.options, 'messageType', 'request');
    if (serverId) setOption(packet.options, 'serverId', serverId);
    setOption(packet.options, 'requestedAddress', reply.yiaddr);
    send(packet);
  } else if (type === 'ack') {
    waiting.delete(reply.xid);
    const took = performance.now() - exchange.due;
    if (exchange.place >= firstMeasured && took <= PATIENCE_MS) times.push(took);
  }
}

function packetOf(xid: number, place: number): DhcpPacket {
  const chaddr = macToBytes(clientMac({ firstMac: firstMac as Mac, count: clients }, place));
  const options = new Map<number, Buffer>();
  setOption(options, 'clientId', Buffer.concat([Buffer.of(1), chaddr]));
  setOption(options, 'parameterRequestList', WANTED);
  return {
    ...{ op: 'request', htype: 1, hops: 1, xid, secs: 0, broadcast: false },
    ...{ ciaddr: NOWHERE, yiaddr: NOWHERE, siaddr: NOWHERE, giaddr: RELAY },
    ...{ chaddr, sname: '', file: '', options },
  };
}

function send(packet: DhcpPacket): void {
  socket.send(encodeDhcp(packet).bytes, 67, SERVER);
}
