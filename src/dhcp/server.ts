import type { RemoteInfo } from 'node:dgram';
import type { Events } from '../events.ts';
import type { EventKind } from '../model/event.ts';
import { classifyFirmware } from '../model/firmware.ts';
import type { Machine } from '../model/machine.ts';
import type { ClientKey } from '../model/network.ts';
import { describeReasons } from '../model/reason.ts';
import type { Clock, Instant } from '../model/time.ts';
import type { Arrival, OfferedBootenv } from '../model/view.ts';
import type { ServedSockets } from '../sockets.ts';
import type { Db } from '../store/db.ts';
import type { Jobs } from '../store/jobs.ts';
import type { BootStage, Machines } from '../store/machines.ts';
import type { Network } from '../store/network.ts';
import { type Ipv4, isMac, type Mac, macFromBytes } from '../wire/address.ts';
import { WireError } from '../wire/bytes.ts';
import { getOption } from '../wire/dhcp-options.ts';
import { decodeDhcp, dhcpReplyLimit, encodeDhcp } from '../wire/dhcp-packet.ts';
import { decideDhcp } from './decide.ts';
import { createLook } from './look.ts';
import { createOffers } from './offers.ts';
import type { DhcpDecision, DhcpRequest, DhcpView } from './view.ts';

export type DhcpServerOptions = {
  db: Db;
  machines: Machines;
  network: Network;
  jobs: Jobs;
  events: Events;
  bootenv: (name: string) => OfferedBootenv | undefined;
  settings: { unknownBoots: 'scout' | 'local' };
  clock: Clock;
  failJob: (jobId: number, why: string) => void;
  recordMachine: (mac: Mac) => Machine;
};

type Datagram = {
  bytes: Buffer;
  arrival: Arrival;
  unicast: boolean;
  from: RemoteInfo;
  sockets: ServedSockets;
  receivedAt: Instant;
};
type Answer = { bytes: Buffer; address: Ipv4; port: number; sockets: ServedSockets };

/** A client whose request has waited this long has asked again: the answer would be to a question nobody asks any more. */
const STALE_MS = 2000;
/** No more than this many wait; a flood beyond it is dropped, as the kernel would. */
const QUEUE_LIMIT = 4096;

/** Counts that no event tells of. */
export type DhcpCounts = { received: number; malformed: number; stale: number; dropped: number; sent: number };

/** DHCP on every served interface. All datagrams of one turn are decided in one transaction, made durable once, then answered. */
export function createDhcpServer(options: DhcpServerOptions) {
  const { machines, network, events, clock } = options;
  const offers = createOffers();
  const look = createLook({ ...options, offers });
  const counts: DhcpCounts = { received: 0, malformed: 0, stale: 0, dropped: 0, sent: 0 };
  let queue: Datagram[] = [];

  function serve(sockets: ServedSockets, arrival: Arrival): void {
    const receive = (unicast: boolean) => (bytes: Buffer, from: RemoteInfo) => {
      counts.received++;
      if (queue.length >= QUEUE_LIMIT) {
        counts.dropped++;
        return;
      }
      if (queue.length === 0) setImmediate(answerAll);
      queue.push({ bytes, arrival, unicast, from, sockets, receivedAt: clock() });
    };
    sockets.dhcpBroadcast.on('message', receive(false));
    sockets.dhcp.on('message', receive(true));
    for (const socket of [sockets.dhcpBroadcast, sockets.dhcp])
      socket.on('error', (error) => console.error(`DHCP socket on ${arrival.interface}: ${error.message}`));
  }

  /** Group commit: an answer leaves only after its lease, and those of all the others of this turn, are on disk. */
  function answerAll(): void {
    const datagrams = queue;
    queue = [];
    for (const answer of record(datagrams)) if (answer) send(answer);
  }

  function record(datagrams: Datagram[]): (Answer | undefined)[] {
    try {
      return events.settle(() => datagrams.map(answerOne));
    } catch (error) {
      // nothing was committed, so nothing is answered; the clients will ask again
      console.error(
        `DHCP: ${datagrams.length} requests could not be recorded: ${error instanceof Error ? error.stack : String(error)}`,
      );
      return [];
    }
  }

  function answerOne(datagram: Datagram): Answer | undefined {
    const now = clock();
    if (now - datagram.receivedAt > STALE_MS) {
      counts.stale++;
      return undefined;
    }
    const request = understandDhcp(datagram);
    if (!request) {
      counts.malformed++;
      return undefined;
    }
    const { view, isNewBoot } = look(request, now);
    const decision = decideDhcp(request, view);
    commit(request, view, decision, isNewBoot, now);
    if (decision.kind === 'silent') return undefined;
    const { bytes } = encodeDhcp(decision.packet, {
      maxSize: dhcpReplyLimit(getOption(request.packet, 'maxMessageSize')),
    });
    return { bytes, address: decision.to.address, port: decision.to.port, sockets: datagram.sockets };
  }

  function send(answer: Answer): void {
    const tell = (error: Error | null): void => {
      if (error) console.error(`DHCP reply to ${answer.address}:${answer.port} was not sent: ${error.message}`);
      else counts.sent++;
    };
    try {
      answer.sockets.dhcp.send(answer.bytes, answer.port, answer.address, tell);
    } catch (error) {
      tell(error as Error); // a port that no packet can have come from, such as 0
    }
  }

  /** Commit what was decided and tell the timeline. */
  function commit(
    request: DhcpRequest,
    view: DhcpView,
    decision: DhcpDecision,
    isNewBoot: boolean,
    now: Instant,
  ): void {
    if (decision.lease) network.putLease(decision.lease.lease);
    if (decision.offer?.kind === 'hold') offers.hold(decision.offer.offer);
    if (decision.offer?.kind === 'forget' && view.subnet) offers.forget(view.subnet.id, decision.offer.client);

    const isBootClient = request.firmware.stage !== 'os';
    const known = view.boot?.machine;
    // an unknown machine is recorded once it takes a lease: a storm of DISCOVERs leaves no trace on disk
    const isNew = !known && request.mac !== undefined && isBootClient && decision.lease?.kind === 'bind';
    const machine = isNew && request.mac ? options.recordMachine(request.mac) : known;
    if (machine && view.boot)
      noteBoot(request, machine, isNew ? machine.boot + 1 : view.boot.boot, isNew || isNewBoot, now);
    if (decision.boot?.kind === 'local' && decision.boot.failJob && view.boot?.job)
      options.failJob(view.boot.job.id, decision.boot.failJob);
    if (machine || decision.lease) tell(request, decision);
  }

  /** Keep which boot the machine is in and how far that has come. */
  function noteBoot(request: DhcpRequest, machine: Machine, boot: number, isNewBoot: boolean, now: Instant): void {
    const stage: BootStage | undefined = request.firmware.stage === 'os' ? undefined : request.firmware.stage;
    if (stage === undefined) return;
    machines.setBoot(machine.id, boot, stage, now);
    if (request.firmware.mode !== 'unknown' && machine.firmware !== request.firmware.mode)
      machines.setFirmware(machine.id, request.firmware.mode);
    if (isNewBoot)
      events.emit({
        kind: 'boot.started',
        text: `boot ${boot} begins: ${request.firmware.name}`,
        mac: request.mac,
        data: { firmware: request.firmware.name },
      });
  }

  function tell(request: DhcpRequest, decision: DhcpDecision): void {
    const kind = eventKind(request, decision);
    const file = decision.kind === 'reply' && decision.packet.file ? `, file ${decision.packet.file}` : '';
    const outcome =
      decision.kind === 'reply' && decision.type !== 'nak'
        ? `${decision.type.toUpperCase()} ${decision.packet.yiaddr}${file}`
        : `${decision.kind === 'reply' ? 'NAK' : 'no answer'}: ${describeReasons(decision.because)}`;
    events.emit({
      kind,
      text: `${request.type.toUpperCase()} from ${request.firmware.name}: ${outcome}`,
      mac: request.mac,
      because: decision.because,
      data: {
        interface: request.arrival.interface,
        xid: request.packet.xid.toString(16),
        firmware: request.firmware.name,
      },
    });
  }

  return { serve, counts, look };
}

/** A datagram as a request; undefined for one that is malformed or no client's. */
export function understandDhcp(
  datagram: Pick<Datagram, 'bytes' | 'arrival' | 'unicast'> & { from: Pick<RemoteInfo, 'address' | 'port'> },
): DhcpRequest | undefined {
  try {
    const packet = decodeDhcp(datagram.bytes);
    const type = getOption(packet, 'messageType');
    if (packet.op !== 'request' || !type) return undefined;
    const mac = packet.htype === 1 && packet.chaddr.length === 6 ? macFromBytes(packet.chaddr) : undefined;
    const clientId = getOption(packet, 'clientId');
    // ROM, iPXE, installer and system send different client ids on one MAC: the MAC is the identity where there is one,
    // so that one machine never holds two addresses (boot-protocols 1.5)
    const client =
      packet.chaddr.length > 0
        ? `hw:${packet.htype}:${packet.chaddr.toString('hex')}`
        : clientId && `id:${clientId.toString('hex')}`;
    if (!client) return undefined;
    return {
      packet,
      type,
      client: client as ClientKey,
      mac: mac !== undefined && isMac(mac) ? mac : undefined,
      firmware: classifyFirmware({
        vendorClass: getOption(packet, 'vendorClass'),
        userClasses: getOption(packet, 'userClass'),
        architectures: getOption(packet, 'clientArchitectures'),
        hasIpxeOptions: packet.options.has(175),
      }),
      arrival: datagram.arrival,
      unicast: datagram.unicast,
      source: { address: datagram.from.address as Ipv4, port: datagram.from.port },
    };
  } catch (error) {
    if (error instanceof WireError) return undefined;
    throw error;
  }
}

function eventKind(request: DhcpRequest, decision: DhcpDecision): EventKind {
  if (decision.lease?.kind === 'decline') return 'dhcp.declined';
  if (decision.lease?.kind === 'release') return 'dhcp.released';
  if (decision.kind === 'silent') return 'dhcp.silent';
  if (request.type === 'inform') return 'dhcp.informed';
  return ({ offer: 'dhcp.offered', ack: 'dhcp.acked', nak: 'dhcp.naked' } as const)[decision.type];
}
