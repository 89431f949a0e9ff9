/**
 * Answers without addresses: beside a DHCP server that is not ours (proxyDHCP, PXE 2.1 section 2.2), and on port 4011, where a
 * boot client asks for its file once it has an address. Neither ever refuses anything: leases are the other server's affair.
 */
import { decideBoot } from '../boot/decide.ts';
import type { PxeStyle } from '../model/machine.ts';
import type { Reason } from '../model/reason.ts';
import { getOption, setOption } from '../wire/dhcp-options.ts';
import type { MessageType } from '../wire/dhcp-shapes.ts';
import { decodePxe, encodePxe } from '../wire/pxe.ts';
import { answerBoot, type BootAnswer, wantedLoaders } from './boot.ts';
import { subnetOf } from './lease.ts';
import { composeBootReply } from './reply.ts';
import { BROADCAST, type DhcpDecision, type DhcpRequest, type DhcpView, NO_ADDRESS, type Target } from './view.ts';

const CLIENT_PORT = 68;

/** What to answer on port 67 beside a foreign server: an offer without an address, to those who want to boot. */
export function decideProxy(request: DhcpRequest, view: DhcpView): DhcpDecision {
  if (request.type !== 'discover')
    return silent({
      rule: 'proxy-not-discover',
      text: `${withArticle(request.type)} is for the DHCP server beside us`,
    });
  if (!isBootClient(request)) return silent({ rule: 'proxy-not-boot', text: 'it does not ask for a boot file' });
  // a reply goes to giaddr: without the list anybody could have us send to anybody
  if (request.relay && view.noWire) return silent(view.noWire);
  const answer = answerFor(request, view, styleFor(view));
  if (!answer) return silent({ rule: 'no-mac', text: 'a boot client without an Ethernet address' });
  const { boot, told } = answer;
  // a BIOS ROM that is told no file by anybody goes on to its disk at once; other firmware has to be told, see answerLocal
  if (told.file === undefined && !told.options.has(43) && !told.options.has(60))
    return silent(...boot.because, told.because);
  return {
    kind: 'reply',
    type: 'offer',
    // the client has no address, and there is no other way to it: the flag says so to relays and switches
    packet: { ...composeBootReply(request, 'offer', told), broadcast: true },
    to: request.relay
      ? { address: request.relay.giaddr, port: request.relay.port, why: 'to the relay' }
      : { address: BROADCAST, port: CLIENT_PORT, why: 'broadcast, the client has no address yet' },
    because: [...boot.because, told.because],
    boot,
  };
}

/** What to answer on port 4011: the file, to a client that was sent here by option 60 alone (BINL), whoever gave the address. */
export function decideBootServer(request: DhcpRequest, view: DhcpView): DhcpDecision {
  if (request.type !== 'request' && request.type !== 'inform')
    return silent({ rule: 'boot-server-type', text: `${withArticle(request.type)} does not belong on port 4011` });
  if (!isBootClient(request)) return silent({ rule: 'boot-server-not-boot', text: 'it does not ask for a boot file' });
  // what a request says of itself is where the answer goes: nobody shall have us send to strangers
  if (view.noWire) return silent(view.noWire);
  const to = backToSender(request);
  if (!to) return silent({ rule: 'boot-server-from-nowhere', text: 'it has no address to answer to' });
  if (!request.relay && !subnetOf(to.address, view.wire))
    return silent({
      rule: 'boot-server-from-elsewhere',
      text: `${to.address} is on no subnet that is served here`,
    });
  // here the file is always named: to be sent on to this very port would be a circle
  const answer = answerFor(request, view, view.boot?.machine?.pxeStyle === 'none' ? 'none' : 'direct');
  if (!answer) return silent({ rule: 'no-mac', text: 'a boot client without an Ethernet address' });
  const { boot, told } = answer;
  if (told.file === undefined) return silent(...boot.because, told.because);
  const packet = composeBootReply(request, 'ack', told);
  packet.ciaddr = request.packet.ciaddr;
  const item = bootItemOf(request);
  // the choice of the boot item comes back with it; credentials (BIS) are something we do not have
  if (item) setOption(packet.options, 'vendorEncapsulated', encodePxe({ bootItem: { ...item, credentials: false } }));
  return { kind: 'reply', type: 'ack', packet, to, because: [...boot.because, told.because], boot };
}

/** PXE and HTTP clients, and iPXE, say so in option 60 or 175; an operating system is left alone. */
function isBootClient(request: DhcpRequest): boolean {
  return request.firmware.stage !== 'os';
}

/** Beside a foreign server the way that has led to a download before is taken again; the first time both are open. */
function styleFor(view: DhcpView): PxeStyle {
  const machine = view.boot?.machine;
  if (!machine) return 'direct';
  if (machine.pxeStyle !== 'auto') return machine.pxeStyle;
  return machine.pxeLearned ?? 'direct';
}

function answerFor(request: DhcpRequest, view: DhcpView, style: PxeStyle) {
  if (!request.mac || !view.boot) return undefined;
  const boot = decideBoot(view.boot, view.now);
  const told: BootAnswer = answerBoot({
    firmware: request.firmware,
    decision: boot,
    mac: request.mac,
    arrival: request.arrival,
    wanted: wantedLoaders(request.firmware, view.boot.machine, view.wire[0]),
    style,
  });
  return { boot, told };
}

/** OVMF asks from port 4011, iPXE from 68: the answer goes back to where it came from. */
function backToSender({ source, packet, relay }: DhcpRequest): Target | undefined {
  if (relay) return { address: relay.giaddr, port: relay.port, why: 'to the relay' };
  if (source.address !== NO_ADDRESS) return { ...source, why: 'to where it sent from' };
  if (packet.ciaddr !== NO_ADDRESS) return { address: packet.ciaddr, port: source.port, why: 'to the address it has' };
  return undefined;
}

const withArticle = (type: MessageType): string => `${type === 'inform' ? 'an' : 'a'} ${type.toUpperCase()}`;

function bootItemOf(request: DhcpRequest) {
  const encapsulated = getOption(request.packet, 'vendorEncapsulated');
  return encapsulated && decodePxe(encapsulated).bootItem;
}

function silent(...because: Reason[]): DhcpDecision {
  return { kind: 'silent', because };
}
