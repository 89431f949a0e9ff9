import { type BootDecision, decideBoot } from '../boot/decide.ts';
import { isHeld, type Lease, type Subnet } from '../model/network.ts';
import type { Reason } from '../model/reason.ts';
import { after } from '../model/time.ts';
import type { Ipv4 } from '../wire/address.ts';
import { getOption } from '../wire/dhcp-options.ts';
import { answerBoot, type BootAnswer } from './boot.ts';
import { chooseAddress, isOnSubnet, mayHave, ownAddress } from './lease.ts';
import { composeNak, composeReply } from './reply.ts';
import { replyTarget } from './target.ts';
import {
  type DhcpDecision,
  type DhcpRequest,
  type DhcpView,
  type LeaseChange,
  NO_ADDRESS,
  type OfferChange,
  requestedAddress,
} from './view.ts';

/** An offered address is held this long for its client. RFC 2131 4.3.1 leaves it to the server; a ROM needs up to 30 s. */
export const OFFER_MS = 60_000;
/** A declined address rests this long: somebody else uses it. A reserved one is somebody's wish, and is tried again soon. */
export const DECLINE_MS = 24 * 3600 * 1000;
export const DECLINE_RESERVED_MS = 10 * 60 * 1000;

/** What to answer to a DHCP message. One function for each message and each state of a REQUEST, named as in RFC 2131 4.3. */
export function decideDhcp(request: DhcpRequest, view: DhcpView): DhcpDecision {
  const { subnet } = view;
  if (!subnet)
    return silent({ rule: 'no-subnet', text: `no subnet is served on ${request.arrival.interface} for this request` });
  if (request.packet.giaddr !== NO_ADDRESS)
    return silent({ rule: 'relayed', text: `came through relay ${request.packet.giaddr}, which is not configured` });
  switch (request.type) {
    case 'discover':
      return decideDiscover(request, view, subnet);
    case 'request':
      return decideRequest(request, view, subnet);
    case 'decline':
      return decideDecline(request, view, subnet);
    case 'release':
      return decideRelease(request, view);
    case 'inform':
      return decideInform(request, view, subnet);
    default:
      return silent({ rule: 'not-a-request', text: `${request.type.toUpperCase()} is a server's message` });
  }
}

function decideDiscover(request: DhcpRequest, view: DhcpView, subnet: Subnet): DhcpDecision {
  if (getOption(request.packet, 'serverId'))
    return silent({
      rule: 'discover-with-server',
      text: 'a DISCOVER must not name a server',
      ref: 'RFC 2131 4.4.1 table 5',
    });
  const choice = chooseAddress(request, view, subnet);
  if (!choice) return silent({ rule: 'pool-full', text: `subnet ${subnet.name} has no free address` });
  const offer: OfferChange = {
    kind: 'hold',
    offer: {
      subnetId: subnet.id,
      address: choice.address,
      client: request.client,
      expiresAt: after(view.now, OFFER_MS),
    },
  };
  return { ...reply(request, view, subnet, 'offer', choice.address, [choice.because]), offer };
}

/** RFC 2131 4.3.2: the state of the client is told by which fields it filled in. */
function decideRequest(request: DhcpRequest, view: DhcpView, subnet: Subnet): DhcpDecision {
  const { packet } = request;
  const serverId = getOption(packet, 'serverId');
  const asked = requestedAddress(packet);
  // buggy clients fill in both; what they ask for counts (dnsmasq does the same), and they are not where ciaddr says
  if (asked && packet.ciaddr !== NO_ADDRESS)
    return decideRequest({ ...request, packet: { ...packet, ciaddr: NO_ADDRESS } }, view, subnet);
  if (serverId) return decideSelecting(request, view, subnet, serverId, asked);
  if (asked) return decideInitReboot(request, view, subnet, asked);
  if (packet.ciaddr !== NO_ADDRESS) return decideRenewing(request, view, subnet, packet.ciaddr);
  return silent({ rule: 'request-for-nothing', text: 'a REQUEST that names no server, no address and has none' });
}

function decideSelecting(
  request: DhcpRequest,
  view: DhcpView,
  subnet: Subnet,
  serverId: Ipv4,
  asked: Ipv4 | undefined,
): DhcpDecision {
  // RFC 2131 3.1 (3): a server that was not selected takes its offer back, silently
  if (serverId !== request.arrival.serverAddress)
    return {
      ...silent({ rule: 'other-server', text: `it chose the server ${serverId}` }),
      offer: { kind: 'forget', client: request.client },
    };
  const address = asked ?? view.offer?.address;
  if (!address)
    return silent({ rule: 'nothing-offered', text: 'it accepts an offer without saying which, and none is open' });
  const isOurs =
    view.reservation?.address === address ||
    view.offer?.address === address ||
    (view.lease?.address === address && isHeld(view.lease, view.now));
  if (!isOurs || !mayHave(address, request, view, subnet)) return refuse(request, `${address} was not offered to you`);
  return acknowledge(request, view, subnet, address, { rule: 'selecting', text: `it accepts the offer of ${address}` });
}

function decideInitReboot(request: DhcpRequest, view: DhcpView, subnet: Subnet, asked: Ipv4): DhcpDecision {
  if (!isOnSubnet(asked, subnet))
    return subnet.authoritative
      ? refuse(request, `${asked} is not on this network`)
      : silent({ rule: 'other-network', text: `${asked} is not of ${subnet.name}, which is not authoritative` });
  const known = ownAddress(request, view, subnet);
  if (known === asked && mayHave(asked, request, view, subnet))
    return acknowledge(request, view, subnet, asked, {
      rule: 'init-reboot',
      text: `it comes back with ${asked}, which is its own`,
    });
  if (known !== undefined && known !== asked) return refuse(request, `${asked} is not yours, ${known} is`);
  return recreate(request, view, subnet, asked, 'init-reboot-unknown');
}

/** RENEWING comes unicast, REBINDING broadcast; both name the address in ciaddr. */
function decideRenewing(request: DhcpRequest, view: DhcpView, subnet: Subnet, ciaddr: Ipv4): DhcpDecision {
  const state = request.unicast ? 'renewing' : 'rebinding';
  const known = ownAddress(request, view, subnet);
  if (known === ciaddr && mayHave(ciaddr, request, view, subnet))
    return acknowledge(request, view, subnet, ciaddr, { rule: state, text: `it renews ${ciaddr}` });
  if (!isOnSubnet(ciaddr, subnet)) return silent({ rule: 'other-network', text: `${ciaddr} is not of ${subnet.name}` });
  if (known !== undefined) return refuse(request, `${ciaddr} is not yours, ${known} is`);
  return recreate(request, view, subnet, ciaddr, `${state}-unknown`);
}

/** A client that we do not know asks for its address: after a lost database an authoritative server makes the lease again. */
function recreate(request: DhcpRequest, view: DhcpView, subnet: Subnet, address: Ipv4, rule: string): DhcpDecision {
  // one that renews with us believes in a lease of ours: there is no other server that could know better
  if (!subnet.authoritative && rule === 'renewing-unknown')
    return refuse(request, `${address} is no lease of this server`);
  // RFC 2131 4.3.2: MUST remain silent when it has no record of the client
  if (!subnet.authoritative)
    return silent({ rule, text: `no record of this client, and ${subnet.name} is not authoritative` });
  if (!mayHave(address, request, view, subnet)) return refuse(request, `${address} cannot be yours`);
  return acknowledge(request, view, subnet, address, {
    rule,
    text: `no record of it, but ${address} is free: the lease is made again`,
  });
}

/** RFC 2131 4.3.3: only the holder can decline, and nobody gets the address for a while. */
function decideDecline(request: DhcpRequest, view: DhcpView, subnet: Subnet): DhcpDecision {
  const address = requestedAddress(request.packet);
  const serverId = getOption(request.packet, 'serverId');
  if (!address || serverId !== request.arrival.serverAddress)
    return silent({ rule: 'decline-incomplete', text: 'a DECLINE has to name the address and this server' });
  if (view.lease?.address !== address && view.offer?.address !== address)
    return silent({ rule: 'decline-not-holder', text: `${address} is not the sender's` });
  const isReserved = view.reservation?.address === address;
  const lease: Lease = {
    subnetId: subnet.id,
    address,
    hostname: '',
    state: 'declined',
    expiresAt: after(view.now, isReserved ? DECLINE_RESERVED_MS : DECLINE_MS),
  };
  return {
    ...silent({
      rule: 'declined',
      text: `${address} is in use by somebody else, says its new holder: it rests for ${isReserved ? '10 minutes' : '24 hours'}`,
    }),
    lease: { kind: 'decline', lease },
    offer: { kind: 'forget', client: request.client },
  };
}

/** RFC 2131 4.3.4: the binding is kept, so that the client gets the address again. */
function decideRelease(request: DhcpRequest, view: DhcpView): DhcpDecision {
  const { packet } = request;
  if (
    getOption(packet, 'serverId') !== request.arrival.serverAddress ||
    !view.lease ||
    view.lease.address !== packet.ciaddr
  )
    return silent({ rule: 'release-not-holder', text: `${packet.ciaddr} is not the sender's lease of this server` });
  const lease: Lease = { ...view.lease, state: 'released', expiresAt: view.now };
  return {
    ...silent({ rule: 'released', text: `${lease.address} is free again, and remembered for its holder` }),
    lease: { kind: 'release', lease },
  };
}

/** RFC 2131 4.3.5: options only, no lease. */
function decideInform(request: DhcpRequest, view: DhcpView, subnet: Subnet): DhcpDecision {
  if (request.packet.ciaddr === NO_ADDRESS && request.source.address === NO_ADDRESS)
    return silent({ rule: 'inform-from-nowhere', text: 'an INFORM without an address cannot be answered' });
  return reply(request, view, subnet, 'ack', NO_ADDRESS, [{ rule: 'inform', text: 'it asks for options only' }]);
}

function acknowledge(
  request: DhcpRequest,
  view: DhcpView,
  subnet: Subnet,
  address: Ipv4,
  because: Reason,
): DhcpDecision {
  const clientId = getOption(request.packet, 'clientId');
  const lease: LeaseChange = {
    kind: 'bind',
    lease: {
      subnetId: subnet.id,
      address,
      client: request.client,
      ...(request.mac ? { mac: request.mac } : {}),
      ...(clientId ? { clientId } : {}),
      hostname: printableHostname(getOption(request.packet, 'hostName')),
      state: 'bound',
      expiresAt: after(view.now, subnet.leaseSeconds * 1000),
    },
  };
  return {
    ...reply(request, view, subnet, 'ack', address, [because]),
    lease,
    offer: { kind: 'forget', client: request.client },
  };
}

function reply(
  request: DhcpRequest,
  view: DhcpView,
  subnet: Subnet,
  type: 'offer' | 'ack',
  yiaddr: Ipv4,
  because: Reason[],
): DhcpDecision {
  const boot = decideBootAnswer(request, view);
  const packet = composeReply(request, {
    type,
    yiaddr,
    subnet,
    hostname: view.boot?.machine?.name,
    boot: boot?.answer,
  });
  return {
    kind: 'reply',
    type,
    packet,
    to: replyTarget(request, type),
    because: [...because, ...(boot ? [...boot.decision.because, boot.answer.because] : [])],
    ...(boot ? { boot: boot.decision } : {}),
  };
}

/** What a boot client is told to boot. An operating system or installer asks as an ordinary client and is told nothing. */
function decideBootAnswer(
  request: DhcpRequest,
  view: DhcpView,
): { decision: BootDecision; answer: BootAnswer } | undefined {
  if (request.firmware.stage === 'os' || !request.mac || !view.boot) return undefined;
  const decision = decideBoot(view.boot, view.now);
  return { decision, answer: answerBoot(request.firmware, decision, request.mac, request.arrival) };
}

function refuse(request: DhcpRequest, message: string): DhcpDecision {
  return {
    kind: 'reply',
    type: 'nak',
    packet: composeNak(request, message),
    to: replyTarget(request, 'nak'),
    because: [{ rule: 'nak', text: message }],
    offer: { kind: 'forget', client: request.client },
  };
}

function silent(because: Reason): DhcpDecision & { kind: 'silent' } {
  return { kind: 'silent', because: [because] };
}

/** Option 12 comes from the network: only what a host name may hold is kept. */
function printableHostname(hostname: string | undefined): string {
  return (hostname ?? '').replace(/[^A-Za-z0-9.-]/g, '').slice(0, 63);
}
