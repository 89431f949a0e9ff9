import type { BatchDatagram, BatchUdp } from '../batch-udp.ts';
import { isLoaderFile } from '../boot/loaders.ts';
import type { Events } from '../events.ts';
import type { EventKind } from '../model/event.ts';
import type { Machine } from '../model/machine.ts';
import { isHeld, type Subnet } from '../model/network.ts';
import { describeReasons } from '../model/reason.ts';
import type { Clock, Instant } from '../model/time.ts';
import type { Arrival, OfferedBootenv } from '../model/view.ts';
import type { Db } from '../store/db.ts';
import type { Jobs } from '../store/jobs.ts';
import type { Leases } from '../store/leases.ts';
import type { BootStage, Machines } from '../store/machines.ts';
import type { Network } from '../store/network.ts';
import type { OptionSettings } from '../store/options.ts';
import { type Ipv4, type Mac, macFromBytes } from '../wire/address.ts';
import { getOption } from '../wire/dhcp-options.ts';
import { dhcpReplyLimit, encodeDhcp } from '../wire/dhcp-packet.ts';
import { createConflicts } from './conflicts.ts';
import { decideDhcp, restingLease } from './decide.ts';
import { watcherOf, watchMark } from './foreign.ts';
import { createLook } from './look.ts';
import { createOffers } from './offers.ts';
import { createOptionLevels } from './options.ts';
import { type Answer, createOutbox } from './outbox.ts';
import type { ProbeAnswer, Prober } from './probe.ts';
import { createRequestQueue } from './queue.ts';
import { understandDhcp } from './request.ts';
import type { DhcpDecision, DhcpRequest, DhcpView, Door } from './view.ts';

export type DhcpServerOptions = {
  db: Db;
  machines: Machines;
  network: Network;
  leases: Leases;
  optionSettings: OptionSettings;
  jobs: Jobs;
  events: Events;
  bootenv: (name: string) => OfferedBootenv | undefined;
  settings: { unknownBoots: 'scout' | 'local' };
  clock: Clock;
  /** Milliseconds that go on evenly whatever the host's clock is set to. */
  steady: () => number;
  /** Who we are among several Firstlights. */
  instance: string;
  failJob: (jobId: number, why: string) => void;
  recordMachine: (mac: Mac) => Machine;
  /** Where faults that no machine's timeline has a place for are told. */
  log?: (line: string) => void;
};

/** The sockets of one interface: port 67 and port 4011, each once for what is broadcast and once for what is sent to us. */
export type DhcpSockets = {
  /** Absent, both, where a foreign server on this host has port 67. */
  dhcp?: BatchUdp | undefined;
  dhcpBroadcast?: BatchUdp | undefined;
  pxe?: BatchUdp | undefined;
  pxeBroadcast?: BatchUdp | undefined;
};

type Datagram = {
  bytes: Buffer;
  arrival: Arrival;
  door: Door;
  unicast: boolean;
  from: { address: string; port: number };
  via: BatchUdp;
  receivedAt: Instant;
  /** How often the wire was asked for an address on its behalf. */
  probes: number;
};

/** A client whose request has waited this long has asked again: the answer would be to a question nobody asks any more. */
const STALE_MS = 2000;
/** So many are decided in one transaction; timers and files get their turn in between. */
const SLICE = 64;
/** Addresses tried on the wire for one DISCOVER. */
const PROBES = 3;
/** Somebody answered for an address that we were about to offer: it is left alone this long. */
const CONFLICT_MS = 10 * 60 * 1000;
/** Clients that are no machine of ours get so many lines of history a second; the leases are all kept. */
const STRANGERS_PER_SECOND = 20;
const HOUSEKEEPING_MS = 1000;
/** A lease that ended so long ago is forgotten with its client. */
const FORGET_MS = 30 * 24 * 3600 * 1000;
/** The clock of the host may drift by this much between two looks; more is a step. */
const STEP_MS = 2000;

/** Machines whose way is remembered between answer and download. */
const WAYS = 10_000;

/** Counts that no event tells of. */
export type DhcpCounts = {
  received: number;
  malformed: number;
  stale: number;
  dropped: number;
  sent: number;
  unsent: number;
  probes: number;
  truncated: number;
};

/** DHCP on every served interface. All datagrams of one turn are decided in one transaction, made durable once, then answered. */
export function createDhcpServer(options: DhcpServerOptions) {
  const { machines, network, leases, events, clock } = options;
  const log = options.log ?? ((line: string) => console.error(`DHCP: ${line}`));
  const counts: DhcpCounts = {
    received: 0,
    malformed: 0,
    stale: 0,
    dropped: 0,
    sent: 0,
    unsent: 0,
    probes: 0,
    truncated: 0,
  };
  const offers = createOffers();
  const conflicts = createConflicts(clock);
  const levels = createOptionLevels(options.optionSettings, once(log));
  const declined = new Map<number, Instant[]>();
  const probers = new Map<string, Prober>();
  const strangers = { second: 0, told: 0, untold: 0 };
  const isTaken = (datagram: Datagram): boolean => clock() - datagram.receivedAt <= STALE_MS;
  const plainLook = createLook({ ...options, offers, levels, declines });
  const look = createLook({
    ...options,
    offers,
    levels,
    declines,
    isProbed: conflicts.isProbed,
    startedAt: clock(),
  });
  /** Beside a foreign server: how a machine was told its file the last time. */
  const toldBy = new Map<Mac, 'direct' | 'binl'>();
  const stopLearning = events.listen((event) => {
    if (event.kind === 'file.served' && event.mac) learn(event.mac, String(event.data?.name));
  });
  const queue = createRequestQueue<Datagram>(isKnown);
  const outbox = createOutbox(counts, log);
  let isAwake = false;
  let isClosed = false;

  function serve(sockets: DhcpSockets, arrival: Arrival, prober?: Prober): void {
    if (prober) probers.set(arrival.interface, prober);
    const door: Door = arrival.isProxy ? 'proxy' : 'server';
    const hear = (from: BatchUdp | undefined, via: BatchUdp | undefined, door: Door, unicast: boolean): void => {
      if (!from || !via) return;
      from.listen((batch) => take(batch, { arrival, door, unicast, via }));
      from.onError((error) => log(`socket on ${arrival.interface}: ${error.message}`));
    };
    hear(sockets.dhcpBroadcast, sockets.dhcp, door, false);
    hear(sockets.dhcp, sockets.dhcp, door, true);
    hear(sockets.pxeBroadcast, sockets.pxe, 'boot-server', false);
    hear(sockets.pxe, sockets.pxe, 'boot-server', true);
  }

  function take(batch: readonly BatchDatagram[], how: Pick<Datagram, 'arrival' | 'door' | 'unicast' | 'via'>): void {
    const receivedAt = clock();
    counts.received += batch.length;
    for (const { bytes, address, port } of batch)
      queue.push({ ...how, bytes, from: { address, port }, receivedAt, probes: 0 });
    wake();
  }

  function wake(): void {
    if (isAwake || queue.length() === 0) return;
    isAwake = true;
    setImmediate(answerSlice);
  }

  function isKnown(bytes: Buffer): boolean {
    const mac = macFromBytes(bytes.subarray(28, 34));
    return leases.hasMac(mac) || network.hasMac(mac) || machines.hasMac(mac);
  }

  /** Group commit: an answer leaves only after its lease, and those of all the others of this slice, are on disk. */
  function answerSlice(): void {
    isAwake = false;
    if (isClosed) return;
    const slice = queue.take(SLICE);
    counts.dropped = queue.dropped();
    // nothing was made durable, so nothing is answered; the clients will ask again
    const giveUp = (error: unknown): void =>
      log(`${slice.length} requests could not be recorded: ${error instanceof Error ? error.stack : String(error)}`);
    try {
      const { result, durable } = events.settleEarly(() => slice.flatMap((datagram) => answerOne(datagram) ?? []));
      if (durable) durable.then(() => outbox.send(result), giveUp);
      else outbox.send(result);
    } catch (error) {
      giveUp(error);
    }
    wake();
  }

  function answerOne(datagram: Datagram): Answer | undefined {
    if (!isTaken(datagram)) {
      counts.stale++;
      return undefined;
    }
    const request = understandDhcp(datagram);
    if (!request) {
      counts.malformed++;
      return undefined;
    }
    const watcher = watcherOf(request.packet);
    if (watcher === options.instance) return undefined;
    if (watcher !== undefined) request.mark = watchMark(options.instance);
    const now = clock();
    const { view, isNewBoot } = look(request, now);
    let decision = decideDhcp(request, view);
    if (decision.kind === 'probe') {
      if (probe(datagram, request, decision.address, decision.subnet)) return undefined;
      decision = decideDhcp(request, view);
    }
    commit(request, view, decision, isNewBoot, now);
    if (decision.kind !== 'reply') return undefined;
    const wanted = getOption(request.packet, 'parameterRequestList');
    const { bytes, dropped } = encodeDhcp(decision.packet, {
      maxSize: dhcpReplyLimit(getOption(request.packet, 'maxMessageSize')),
      // ROMs read file and sname as names only
      overload: wanted !== undefined && request.firmware.stage === 'os',
    });
    if (dropped.length > 0) counts.truncated++;
    const { address, port } = decision.to;
    return {
      datagram: { bytes, address, port },
      via: datagram.via,
      delayMs: view.boot?.machine?.replyDelayMs ?? 0,
    };
  }

  /** Ask the wire, and decide again when it has had its time to answer; false when it is not asked. */
  function probe(datagram: Datagram, request: DhcpRequest, address: Ipv4, subnet: Subnet): boolean {
    if (datagram.probes >= PROBES) return true;
    const isNear = subnet.interface === request.arrival.interface;
    const prober = probers.get(request.arrival.interface);
    return conflicts.ask(prober, address, isNear ? 'arp' : 'icmp', request.mac, (answer) => {
      counts.probes++;
      if (answer.inUse) noteConflict(subnet, address, answer);
      queue.push({ ...datagram, probes: datagram.probes + 1, receivedAt: clock() });
      wake();
    });
  }

  function noteConflict(subnet: Subnet, address: Ipv4, answer: ProbeAnswer): void {
    const who = answer.inUse && answer.mac ? answer.mac : 'somebody';
    // leased to another while the wire was asked: it is that one who answers
    const lease = leases.at(subnet.id, address);
    if (lease && isHeld(lease, clock())) return;
    const write = (): void => {
      leases.put(restingLease(subnet, address, { now: clock() }, CONFLICT_MS));
      events.emit({
        kind: 'dhcp.conflict',
        text: `${address} of ${subnet.name} is in use by ${who}, who has no lease: it rests for 10 minutes`,
        data: { address, ...(answer.inUse && answer.mac ? { holder: answer.mac } : {}) },
      });
    };
    try {
      events.settle(write);
    } catch (error) {
      log(`the conflict about ${address} could not be recorded: ${String(error)}`);
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
    if (decision.kind === 'reply' && decision.packet.file !== '' && request.mac) noteWay(request.mac, request.door);
    if (decision.lease) commitLease(decision.lease, now);
    if (decision.offer?.kind === 'hold') offers.hold(decision.offer.offer);
    if (decision.offer?.kind === 'forget')
      for (const subnet of view.wire) offers.forget(subnet.id, decision.offer.client);

    const isBootClient = request.firmware.stage !== 'os';
    const known = view.boot?.machine;
    // an unknown machine is recorded once it takes a lease: a storm of DISCOVERs leaves no trace on disk
    const isNew = !known && request.mac !== undefined && isBootClient && decision.lease?.kind === 'bind';
    const machine = isNew && request.mac ? options.recordMachine(request.mac) : known;
    if (machine && known && request.mac && !known.macs.includes(request.mac) && decision.lease?.kind === 'bind')
      adoptCard(request, known);
    // what came from nowhere that we know begins no boot: anybody can write a MAC into a packet
    if (machine && view.boot && !view.noWire)
      noteBoot(request, machine, isNew ? machine.boot + 1 : view.boot.boot, isNew || isNewBoot, now);
    if (decision.boot?.kind === 'local' && decision.boot.failJob && view.boot?.job)
      options.failJob(view.boot.job.id, decision.boot.failJob);
    if (machine || (decision.lease && mayTellOfStranger(now))) tell(request, decision);
  }

  function commitLease(change: NonNullable<DhcpDecision['lease']>, now: Instant): void {
    if (change.kind === 'bind')
      for (const other of change.givesUp) leases.put({ ...other, state: 'released', expiresAt: now });
    if (change.kind === 'decline')
      declined.set(change.lease.subnetId, [...(declined.get(change.lease.subnetId) ?? []), now]);
    leases.put(change.lease);
  }

  function noteWay(mac: Mac, door: Door): void {
    if (door === 'server') return;
    toldBy.delete(mac);
    toldBy.set(mac, door === 'proxy' ? 'direct' : 'binl');
    for (const oldest of toldBy.keys()) {
      if (toldBy.size <= WAYS) break;
      toldBy.delete(oldest);
    }
  }

  /** A loader was fetched: the way in which its name was told works with this machine, and is taken again. */
  function learn(mac: Mac, name: string): void {
    const way = toldBy.get(mac);
    if (!way || !isLoaderFile(name.slice(name.lastIndexOf('/') + 1))) return;
    toldBy.delete(mac);
    const machine = machines.byMac(mac);
    if (machine && machine.pxeLearned !== way) machines.setPxeLearned(machine.id, way);
  }

  /** The port of a relay that stands for a machine brought a card that nobody knew: it was replaced. */
  function adoptCard(request: DhcpRequest, machine: Machine): void {
    machines.addMac(machine.id, request.mac as Mac);
    events.emit({
      kind: 'machine.changed',
      text: `${request.mac} is a new card of ${machine.name}, known by the port that it came through`,
      mac: request.mac,
    });
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

  function mayTellOfStranger(now: Instant): boolean {
    const second = Math.floor(now / 1000);
    if (second !== strangers.second) {
      strangers.second = second;
      strangers.told = 0;
    }
    if (++strangers.told <= STRANGERS_PER_SECOND) return true;
    strangers.untold++;
    return false;
  }

  function tell(request: DhcpRequest, decision: DhcpDecision): void {
    const file = decision.kind === 'reply' && decision.packet.file ? `, file ${decision.packet.file}` : '';
    const address = decision.kind === 'reply' && request.door === 'server' ? ` ${decision.packet.yiaddr}` : '';
    const outcome =
      decision.kind === 'reply' && decision.type !== 'nak'
        ? `${decision.type.toUpperCase()}${address}${file}`
        : `${decision.kind === 'reply' ? 'NAK' : 'no answer'}: ${describeReasons(decision.because)}`;
    const door = { server: '', proxy: ' (proxy)', 'boot-server': ' (port 4011)' }[request.door];
    events.emit({
      kind: eventKind(request, decision),
      text: `${request.type.toUpperCase()} from ${request.firmware.name}${door}: ${outcome}`,
      mac: request.mac,
      because: decision.because,
      data: {
        interface: request.arrival.interface,
        xid: request.packet.xid.toString(16),
        firmware: request.firmware.name,
        ...(request.relay ? { relay: request.relay.giaddr } : {}),
      },
    });
  }

  function declines(subnetId: number, now: Instant): number {
    const recent = (declined.get(subnetId) ?? []).filter((at) => now - at < 60_000);
    declined.set(subnetId, recent);
    return recent.length;
  }

  let lastWall = clock();
  let lastSteady = options.steady();
  let untoldBefore = 0;

  /** What has to be looked after: the host's clock, offers and leases that ended, strangers that were not told of. */
  function keepHouse(): void {
    const wall = clock();
    const steady = options.steady();
    const step = wall - lastWall - (steady - lastSteady);
    lastWall = wall;
    lastSteady = steady;
    if (Math.abs(step) > STEP_MS) {
      const ms = Math.round(step);
      leases.shift(ms);
      offers.shift(ms);
      log(
        `the clock of this host was set ${ms > 0 ? 'forward' : 'back'} by ${Math.abs(ms)} ms: leases keep the time they had left`,
      );
    }
    offers.sweep(wall, 500);
    leases.dropEnded((wall - FORGET_MS) as Instant, 100);
    if (strangers.untold !== untoldBefore && strangers.second !== Math.floor(wall / 1000)) {
      log(
        `${strangers.untold - untoldBefore} leases of clients that are no machines were not written into the history`,
      );
      untoldBefore = strangers.untold;
    }
  }
  const houseTimer = setInterval(keepHouse, HOUSEKEEPING_MS);
  houseTimer.unref();

  return {
    serve,
    counts,
    /** What `explain` sees: the same world, without what only a running exchange knows. */
    look: plainLook,
    levels,
    keepHouse,
    close(): void {
      isClosed = true;
      clearInterval(houseTimer);
      stopLearning();
      for (const prober of probers.values()) prober.close();
    },
  };
}

/** Tells each line once: a setting that cannot be sent would be told of with every datagram. */
function once(log: (line: string) => void): (line: string) => void {
  const told = new Set<string>();
  return (line) => {
    if (told.has(line) || told.size > 1000) return;
    told.add(line);
    log(line);
  };
}

function eventKind(request: DhcpRequest, decision: DhcpDecision): EventKind {
  if (decision.lease?.kind === 'decline') return 'dhcp.declined';
  if (decision.lease?.kind === 'release') return 'dhcp.released';
  if (decision.kind !== 'reply') return 'dhcp.silent';
  if (request.type === 'inform' && request.door === 'server') return 'dhcp.informed';
  return ({ offer: 'dhcp.offered', ack: 'dhcp.acked', nak: 'dhcp.naked' } as const)[decision.type];
}
