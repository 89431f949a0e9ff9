import { type BootDecision, decideBoot } from '../boot/decide.ts';
import { isHeld, type Lease, type Subnet } from '../model/network.ts';
import type { Reason } from '../model/reason.ts';
import { after } from '../model/time.ts';
import type { Ipv4 } from '../wire/address.ts';
import { getOption, optionCode } from '../wire/dhcp-options.ts';
import { answerBoot, type BootAnswer, quirkReasons, wantedLoaders } from './boot.ts';
import { chooseAddress, hasRoomFor, isInPool, mayHave, ownAddress, subnetOf } from './lease.ts';
import { decideBootServer, decideProxy } from './proxy.ts';
import { composeNak, composeReply } from './reply.ts';
import { replyTarget } from './target.ts';
import {
  type DhcpDecision,
  type DhcpRequest,
  type DhcpView,
  isPassing,
  type LeaseChange,
  NO_ADDRESS,
  type OfferChange,
  requestedAddress,
} from './view.ts';

/** An offered address is held this long for its client. RFC 2131 4.3.1 leaves it to the server; a ROM needs up to 30 s. */
const OFFER_MS = 60_000;
/** A declined address rests this long: somebody else uses it. A reserved one is somebody's wish, and is tried again soon. */
const DECLINE_HOURS = 24;
const DECLINE_RESERVED_MINUTES = 10;
/** More DECLINEs than these in a minute are no conflicts but somebody who empties the pool (boot-protocols 6.1). */
const DECLINES_A_MINUTE = 20;

type Silence = Extract<DhcpDecision, { kind: 'silent' }>;

/** What to answer to a DHCP message. One function for each message and each state of a REQUEST, named as in RFC 2131 4.3. */
export function decideDhcp(request: DhcpRequest, view: DhcpView): DhcpDecision {
  if (request.door === 'boot-server') return decideBootServer(request, view);
  if (request.door === 'proxy') return decideProxy(request, view);
  if (view.wire.length === 0) return silent(view.noWire ?? { rule: 'no-subnet', text: 'no subnet is served here' });
  switch (request.type) {
    case 'discover':
      return decideDiscover(request, view);
    case 'request':
      return decideRequest(request, view);
    case 'decline':
      return decideDecline(request, view);
    case 'release':
      return decideRelease(request, view);
    case 'inform':
      return decideInform(request, view);
    default:
      return silent({ rule: 'not-a-request', text: `${request.type.toUpperCase()} is a server's message` });
  }
}

function decideDiscover(request: DhcpRequest, view: DhcpView): DhcpDecision {
  if (getOption(request.packet, 'serverId'))
    return silent({
      rule: 'discover-with-server',
      text: 'a DISCOVER must not name a server',
      ref: 'RFC 2131 4.4.1 table 5',
    });
  // it has none to be answered at: what it fills in all the same counts only where it can be true (RFC 2131 4.4.1 table 5)
  const { ciaddr } = request.packet;
  if (ciaddr !== NO_ADDRESS && (requestedAddress(request.packet) || !subnetOf(ciaddr, view.wire)))
    return decideDiscover(withoutAddress(request), view);
  const choice = chooseAddress(request, view);
  if (!choice) return silent(nothingFree(view));
  const { address, subnet, because } = choice;
  if (choice.isNew && subnet.conflictDetection && !view.isProbed(address))
    return { kind: 'probe', address, subnet, because: [because] };
  const offer: OfferChange = {
    kind: 'hold',
    offer: {
      subnetId: subnet.id,
      address,
      client: request.client,
      offeredAt: view.now,
      expiresAt: after(view.now, OFFER_MS),
      isGuest: !view.isKnown,
      takesUnused: isInPool(address, subnet) && !view.use(subnet.id, address).lease,
    },
  };
  return { ...reply(request, view, subnet, 'offer', address, [because]), offer };
}

function nothingFree(view: DhcpView): Reason {
  const names = view.wire.map((subnet) => subnet.name).join(' and ');
  return view.wire.some((subnet) => hasRoomFor(subnet, view))
    ? { rule: 'pool-full', text: `subnet ${names} has no free address` }
    : { rule: 'guests-full', text: `strangers hold all addresses of ${names} that they may have` };
}

/** RFC 2131 4.3.2: the state of the client is told by which fields it filled in. */
function decideRequest(request: DhcpRequest, view: DhcpView): DhcpDecision {
  const { packet } = request;
  const serverId = getOption(packet, 'serverId');
  const asked = requestedAddress(packet);
  // buggy clients fill in both; what they ask for counts (dnsmasq does the same), and they are not where ciaddr says
  if ((asked || serverId) && packet.ciaddr !== NO_ADDRESS) return decideRequest(withoutAddress(request), view);
  if (serverId) return decideSelecting(request, view, serverId, asked);
  if (asked) return decideInitReboot(request, view, asked);
  if (packet.ciaddr !== NO_ADDRESS) return decideRenewing(request, view, packet.ciaddr);
  return silent({ rule: 'request-for-nothing', text: 'a REQUEST that names no server, no address and has none' });
}

const withoutAddress = (request: DhcpRequest): DhcpRequest => ({
  ...request,
  packet: { ...request.packet, ciaddr: NO_ADDRESS },
});

function decideSelecting(request: DhcpRequest, view: DhcpView, serverId: Ipv4, asked: Ipv4 | undefined): DhcpDecision {
  // RFC 2131 3.1 (3): a server that was not selected takes its offer back, silently
  if (!request.serverIds.includes(serverId))
    return {
      ...silent({ rule: 'other-server', text: `it chose the server ${serverId}` }),
      offer: { kind: 'forget', client: request.client },
    };
  const address = asked ?? view.offer?.address;
  if (!address)
    return silent({ rule: 'nothing-offered', text: 'it accepts an offer without saying which, and none is open' });
  const subnet = subnetOf(address, view.wire);
  if (!subnet || !mayHave(address, subnet, request, view))
    return refuse(request, view, `${address} was not offered to you`);
  // others may have taken what strangers may have since it was offered
  if (view.offer?.address === address && !isItsOwn(address, view) && !hasRoomFor(subnet, view))
    return refuse(request, view, `${address} cannot be yours`);
  if (view.offer?.address === address || isItsOwn(address, view))
    return acknowledge(request, view, subnet, address, {
      rule: 'selecting',
      text: `it accepts the offer of ${address}`,
    });
  // a ROM takes a NAK for the end of its attempt, so what was offered before a restart is kept where nobody else has it
  if (view.isFresh && hasRoomFor(subnet, view))
    return acknowledge(request, view, subnet, address, {
      rule: 'selecting-after-restart',
      text: `it accepts ${address}, offered before this server was started again`,
    });
  // nor is the offer to a machine that we know missed, when many others came in between
  if (view.isKnown && (ownAddress(request, view)?.address ?? address) === address)
    return acknowledge(request, view, subnet, address, {
      rule: 'selecting-free',
      text: `it accepts ${address}, which it may have and nobody else has`,
    });
  return refuse(request, view, `${address} was not offered to you`);
}

function isItsOwn(address: Ipv4, view: DhcpView): boolean {
  return (
    view.reservation?.address === address ||
    view.leases.some((lease) => lease.address === address && isHeld(lease, view.now))
  );
}

/** After the end of its lease a stranger takes an address as a newcomer does: within the strangers' share. */
function mayKeep(address: Ipv4, subnet: Subnet, request: DhcpRequest, view: DhcpView): boolean {
  return mayHave(address, subnet, request, view) && (isItsOwn(address, view) || hasRoomFor(subnet, view));
}

/** Beside another server a lease of ours that has ended is no record any more: that one may have given the client its address. */
const mayRefuse = (known: Ipv4, subnet: Subnet, view: DhcpView): boolean =>
  subnet.authoritative || isItsOwn(known, view);

function decideInitReboot(request: DhcpRequest, view: DhcpView, asked: Ipv4): DhcpDecision {
  const subnet = subnetOf(asked, view.wire);
  const [first] = view.wire as [Subnet];
  const known = ownAddress(request, view);
  if (!subnet) {
    if (first.authoritative) return refuse(request, view, `${asked} is not on this network`);
    // one whom we know is told that it errs; what is not ours is for others to refuse
    if (known && isItsOwn(known.address, view))
      return refuse(request, view, `${asked} is not yours, ${known.address} is`);
    return silent({ rule: 'other-network', text: `${asked} is not of ${first.name}, which is not authoritative` });
  }
  if (known?.address === asked && mayKeep(asked, subnet, request, view))
    return acknowledge(request, view, subnet, asked, {
      rule: 'init-reboot',
      text: `it comes back with ${asked}, which is its own`,
    });
  if (known && known.address !== asked && mayRefuse(known.address, subnet, view))
    return refuse(request, view, `${asked} is not yours, ${known.address} is`);
  return recreate(request, view, subnet, asked, 'init-reboot-unknown');
}

/** RENEWING comes unicast, REBINDING broadcast or through the relay; both name the address in ciaddr. */
function decideRenewing(request: DhcpRequest, view: DhcpView, ciaddr: Ipv4): DhcpDecision {
  const state = request.unicast && !request.relay ? 'renewing' : 'rebinding';
  const subnet = subnetOf(ciaddr, view.wire);
  const [first] = view.wire as [Subnet];
  if (!subnet)
    // through a relay it stands on a wire that we know, with an address that cannot work there
    return request.relay && first.authoritative
      ? refuse(request, view, `${ciaddr} is not on this network`)
      : silent({ rule: 'other-network', text: `${ciaddr} is not of ${first.name}` });
  const known = ownAddress(request, view);
  if (known?.address === ciaddr && mayKeep(ciaddr, subnet, request, view))
    return acknowledge(request, view, subnet, ciaddr, { rule: state, text: `it renews ${ciaddr}` });
  if (known && mayRefuse(known.address, subnet, view))
    return refuse(
      request,
      view,
      known.address === ciaddr ? `${ciaddr} cannot be yours` : `${ciaddr} is not yours, ${known.address} is`,
    );
  return recreate(request, view, subnet, ciaddr, `${state}-unknown`);
}

/** A client that we do not know asks for its address: after a lost database an authoritative server makes the lease again. */
function recreate(request: DhcpRequest, view: DhcpView, subnet: Subnet, address: Ipv4, rule: string): DhcpDecision {
  // one that renews with us believes in a lease of ours: there is no other server that could know better
  if (!subnet.authoritative && rule === 'renewing-unknown')
    return refuse(request, view, `${address} is no lease of this server`);
  // RFC 2131 4.3.2: MUST remain silent when it has no record of the client
  if (!subnet.authoritative)
    return silent({ rule, text: `no record of this client, and ${subnet.name} is not authoritative` });
  if (!mayHave(address, subnet, request, view) || !hasRoomFor(subnet, view))
    return refuse(request, view, `${address} cannot be yours`);
  return acknowledge(request, view, subnet, address, {
    rule,
    text: `no record of it, but ${address} is free: the lease is made again`,
  });
}

/** RFC 2131 4.3.3: only the holder can decline, and nobody gets the address for a while. */
function decideDecline(request: DhcpRequest, view: DhcpView): DhcpDecision {
  const address = requestedAddress(request.packet);
  const serverId = getOption(request.packet, 'serverId');
  if (!address || !serverId || !request.serverIds.includes(serverId))
    return silent({ rule: 'decline-incomplete', text: 'a DECLINE has to name the address and this server' });
  const held = view.leases.find(
    (lease) => lease.address === address && isHeld(lease, view.now) && isSameId(lease.clientId, request.clientId),
  );
  const subnetId = held?.subnetId ?? (view.offer?.address === address ? view.offer.subnetId : undefined);
  const subnet = view.wire.find((one) => one.id === subnetId);
  if (!subnet) return silent({ rule: 'decline-not-holder', text: `${address} is not the sender's` });
  if (view.declines(subnet.id) >= DECLINES_A_MINUTE)
    return silent({
      rule: 'decline-storm',
      text: `${DECLINES_A_MINUTE} addresses of ${subnet.name} were declined in the last minute: no more are believed`,
    });
  const isReserved = view.reservation?.address === address;
  const rest = isReserved
    ? { ms: DECLINE_RESERVED_MINUTES * 60_000, said: `${DECLINE_RESERVED_MINUTES} minutes` }
    : { ms: DECLINE_HOURS * 3_600_000, said: `${DECLINE_HOURS} hours` };
  return {
    ...silent({
      rule: 'declined',
      text: `${address} is in use by somebody else, says its new holder: it rests for ${rest.said}`,
    }),
    lease: { kind: 'decline', lease: restingLease(subnet, address, view, rest.ms) },
    offer: { kind: 'forget', client: request.client },
  };
}

/** An address that nobody gets for `ms`. */
export function restingLease(subnet: Subnet, address: Ipv4, view: Pick<DhcpView, 'now'>, ms: number): Lease {
  return {
    subnetId: subnet.id,
    address,
    hostname: '',
    state: 'declined',
    startedAt: view.now,
    expiresAt: after(view.now, ms),
    isGuest: false,
  };
}

/** RFC 2131 4.3.4: the binding is kept, so that the client gets the address again. */
function decideRelease(request: DhcpRequest, view: DhcpView): DhcpDecision {
  const { packet } = request;
  const serverId = getOption(packet, 'serverId');
  const lease = view.leases.find(
    (one) => one.address === packet.ciaddr && isSameId(one.clientId, request.clientId) && one.state === 'bound',
  );
  // RFC 2131 4.4.6 has it name the server; systemd-networkd 252 does not, and sends it to the server's address all the same
  const isForUs = serverId ? request.serverIds.includes(serverId) : request.unicast && !request.relay;
  if (!isForUs || !lease)
    return silent({ rule: 'release-not-holder', text: `${packet.ciaddr} is not the sender's lease of this server` });
  return {
    ...silent({ rule: 'released', text: `${lease.address} is free again, and remembered for its holder` }),
    lease: { kind: 'release', lease: { ...lease, state: 'released', expiresAt: view.now } },
  };
}

/** Whoever gives an address up has to be known by the same identifier as it was given to: a MAC alone is easily forged. */
function isSameId(a: Buffer | undefined, b: Buffer | undefined): boolean {
  return a === undefined || b === undefined ? a === b : a.equals(b);
}

/** RFC 2131 4.3.5: options only, no lease. */
function decideInform(request: DhcpRequest, view: DhcpView): DhcpDecision {
  const { packet, source, relay } = request;
  // RFC 2131 4.4.1 table 5 forbids option 54 here, and 4.3.5 says nothing of one that is there: RFC 2132 9.7 lets it say whom
  // a message is meant for, so that two servers do not both answer. Kea does the same; ISC dhcpd answers whatever it says.
  const serverId = getOption(packet, 'serverId');
  if (serverId && !request.serverIds.includes(serverId))
    return silent({ rule: 'other-server', text: `it asks the server ${serverId}` });
  const address = packet.ciaddr !== NO_ADDRESS ? packet.ciaddr : source.address;
  if (address === NO_ADDRESS)
    return silent({ rule: 'inform-from-nowhere', text: 'an INFORM without an address cannot be answered' });
  const subnet = subnetOf(address, view.wire);
  // what it says of itself is where the answer goes: nobody shall have us send to strangers
  if (!subnet && !relay)
    return silent({ rule: 'inform-from-elsewhere', text: `${address} is on no subnet that is served here` });
  return reply(request, view, subnet ?? (view.wire[0] as Subnet), 'ack', NO_ADDRESS, [
    { rule: 'inform', text: 'it asks for options only' },
  ]);
}

function acknowledge(
  request: DhcpRequest,
  view: DhcpView,
  subnet: Subnet,
  address: Ipv4,
  because: Reason,
): DhcpDecision {
  const { packet, relay } = request;
  const clientId = lastingId(request, view);
  const before = view.leases.find((lease) => lease.subnetId === subnet.id && lease.address === address);
  const isRenewal = before !== undefined && isHeld(before, view.now);
  // what the client said at another stage, or its relay, holds on also where it changes its address
  const [last] = view.leases;
  const relayInformation = relay && packet.options.get(optionCode('relayInformation'));
  const lease: LeaseChange = {
    kind: 'bind',
    lease: {
      subnetId: subnet.id,
      address,
      client: request.client,
      ...(request.mac ? { mac: request.mac } : {}),
      ...(clientId ? { clientId } : {}),
      ...((request.uuid ?? last?.uuid) ? { uuid: request.uuid ?? last?.uuid } : {}),
      hostname: printableHostname(getOption(packet, 'hostName')),
      state: 'bound',
      startedAt: isRenewal ? before.startedAt : view.now,
      expiresAt: after(view.now, subnet.leaseSeconds * 1000),
      isGuest: !view.isKnown,
      ...(relay ? { giaddr: relay.giaddr } : last?.giaddr ? { giaddr: last.giaddr } : {}),
      // a renewal comes past the relay: what that said of the port holds on
      ...(relayInformation
        ? { relayInformation: ownBytes(relayInformation) }
        : last?.relayInformation && !relay
          ? { relayInformation: last.relayInformation }
          : {}),
    },
    givesUp: view.leases.filter((one) => one.state === 'bound' && one !== before && one.subnetId !== subnet.id),
  };
  return {
    ...reply(request, view, subnet, 'ack', address, [because]),
    lease,
    offer: { kind: 'forget', client: request.client },
  };
}

/**
 * The identifier that a lease is kept under: the sender's, but a passing stage does not take the place of the one that the
 * reservation was found by, or the stages after it would not find it again.
 */
function lastingId(request: DhcpRequest, view: DhcpView): Buffer | undefined {
  const { clientId } = request;
  const last = view.leases[0]?.clientId;
  if (last && view.reservation?.clientId?.equals(last) && isPassing(request)) return last;
  return clientId && ownBytes(clientId);
}

function reply(
  request: DhcpRequest,
  view: DhcpView,
  subnet: Subnet,
  type: 'offer' | 'ack',
  yiaddr: Ipv4,
  because: Reason[],
): DhcpDecision {
  const boot = decideBootAnswer(request, view, subnet);
  const packet = composeReply(request, {
    type,
    yiaddr,
    subnet,
    hostname: view.reservation?.hostname || view.boot?.machine?.name,
    options: view.options(subnet),
    boot: boot?.answer,
  });
  return {
    kind: 'reply',
    type,
    packet,
    subnet,
    to: replyTarget(request, type),
    because: [...because, ...(boot ? [...boot.decision.because, boot.answer.because] : quirkReasons(request.firmware))],
    ...(boot ? { boot: boot.decision } : {}),
  };
}

/** What a boot client is told to boot. An operating system or installer asks as an ordinary client and is told nothing. */
function decideBootAnswer(
  request: DhcpRequest,
  view: DhcpView,
  subnet: Subnet,
): { decision: BootDecision; answer: BootAnswer } | undefined {
  if (request.firmware.stage === 'os' || !request.mac || !view.boot) return undefined;
  const decision = decideBoot(view.boot, view.now);
  const { machine } = view.boot;
  const answer = answerBoot({
    firmware: request.firmware,
    decision,
    mac: request.mac,
    arrival: request.arrival,
    wanted: wantedLoaders(request.firmware, machine, subnet),
    style: machine?.pxeStyle ?? 'auto',
  });
  return { decision, answer };
}

function refuse(request: DhcpRequest, view: DhcpView, message: string): DhcpDecision {
  const isNear = view.wire.some((subnet) => subnet.interface === request.arrival.interface);
  return {
    kind: 'reply',
    type: 'nak',
    packet: composeNak(request, message),
    to: replyTarget(request, 'nak', isNear),
    because: [{ rule: 'nak', text: message }],
    offer: { kind: 'forget', client: request.client },
  };
}

function silent(because: Reason): Silence {
  return { kind: 'silent', because: [because] };
}

/** A copy that is kept for as long as a lease. Buffer.from would cut it from the pool, and with it keep all 64 KiB of that. */
function ownBytes(view: Buffer): Buffer {
  const copy = Buffer.alloc(view.length);
  copy.set(view);
  return copy;
}

/** Option 12 comes from the network: only what a host name may hold is kept. */
function printableHostname(hostname: string | undefined): string {
  return (hostname ?? '').replace(/[^A-Za-z0-9.-]/g, '').slice(0, 63);
}
