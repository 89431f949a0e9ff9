import type { BatchDatagram, BatchUdp } from '../batch-udp.ts';
import type { Events } from '../events.ts';
import type { Machine } from '../model/machine.ts';
import type { Subnet } from '../model/network.ts';
import { after, type Clock, type Instant } from '../model/time.ts';
import type { Arrival, OfferedBootenv } from '../model/view.ts';
import type { Db } from '../store/db.ts';
import type { Jobs } from '../store/jobs.ts';
import type { Leases } from '../store/leases.ts';
import type { Machines } from '../store/machines.ts';
import type { Network } from '../store/network.ts';
import type { OptionSettings } from '../store/options.ts';
import { type Ipv4, type Mac, macFromBytes } from '../wire/address.ts';
import { getOption } from '../wire/dhcp-options.ts';
import { type DhcpPacket, dhcpReplyLimit, encodeDhcp } from '../wire/dhcp-packet.ts';
import { createAbsence } from './absence.ts';
import { createConflicts } from './conflicts.ts';
import { decideDhcp } from './decide.ts';
import { watcherOf, watchMark } from './foreign.ts';
import { createHouse } from './house.ts';
import { createLately } from './lately.ts';
import { createLook } from './look.ts';
import { createNewcomers } from './newcomers.ts';
import { createOffers } from './offers.ts';
import { createOnceAMinute } from './once-a-minute.ts';
import { createOptionLevels } from './options.ts';
import { type Answer, createOutbox } from './outbox.ts';
import type { Prober } from './probe.ts';
import { createRequestQueue } from './queue.ts';
import { createRecord } from './record.ts';
import { createRefusals } from './refusals.ts';
import { understandDhcp } from './request.ts';
import { createStrangers } from './strangers.ts';
import type { DhcpDecision, DhcpRequest, DhcpView, Door } from './view.ts';
import { createWays } from './ways.ts';

/** What a server reads, writes and tells. */
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
  /** The same of this very process, by which it knows that it was stopped: a test's time goes by while nobody is. */
  loopTime?: () => number;
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
  /** By the steady clock. */
  receivedAt: number;
  /** How often the wire was asked for an address on its behalf. */
  probes: number;
};

/** What came of one request, of which nothing has been done yet. */
type Decided = {
  request: DhcpRequest;
  view: DhcpView;
  decision: DhcpDecision;
  isNewBoot: boolean;
  answer: Answer | undefined;
};

/** A client whose request has waited this long has asked again: the answer would be to a question nobody asks any more. */
const STALE_MS = 2000;
/** So many are decided in one transaction; timers and files get their turn in between. */
const SLICE = 64;
/** Within this time DECLINEs of one subnet are a storm when they are many. */
const DECLINES_MS = 60_000;
/** Addresses tried on the wire for one DISCOVER. */
const PROBES = 3;
/** The most lines that are remembered as told: beyond it something new goes wrong with every datagram. */
const ONCE_LINES = 1000;

/** Counts that no event tells of. */
export type DhcpCounts = {
  received: number;
  malformed: number;
  /** Could not be decided by a fault of ours, which the log tells. */
  failed: number;
  stale: number;
  dropped: number;
  sent: number;
  unsent: number;
  probes: number;
  truncated: number;
  /** What could not be given, by the rule that said so, of those that createRefusals counts. */
  refused: Record<string, number>;
};

/** DHCP on every served interface. All datagrams of one turn are decided in one transaction, made durable once, then answered. */
export function createDhcpServer(options: DhcpServerOptions) {
  const { machines, network, leases, events, clock, steady } = options;
  const log = options.log ?? ((line: string) => console.error(`DHCP: ${line}`));
  const logOnce = once(log);
  const counts: DhcpCounts = {
    received: 0,
    malformed: 0,
    failed: 0,
    stale: 0,
    dropped: 0,
    sent: 0,
    unsent: 0,
    probes: 0,
    truncated: 0,
    refused: {},
  };
  const offers = createOffers();
  const declines = createLately(steady, DECLINES_MS);
  const strangers = createStrangers();
  const newcomers = createNewcomers(steady);
  const ways = createWays(machines);
  const levels = createOptionLevels(options.optionSettings, logOnce);
  const conflicts = createConflicts({ clock, steady, leases, events, log });
  const seen = { ...options, offers, levels, declines: declines.count };
  const running = { ...seen, isProbed: conflicts.isProbed, startedAt: clock() };
  const look = createLook(running);
  const refusals = createRefusals(counts.refused, events, steady);
  const record = createRecord({ ...options, offers, declines, strangers, newcomers, refusals, ways });
  const house = createHouse({
    ...options,
    offers,
    strangers,
    newcomers,
    onStep: (ms) => {
      running.startedAt = after(running.startedAt, ms);
    },
    log,
  });
  const absence = createAbsence(options.loopTime ?? (() => performance.now()));
  const probers = new Map<string, Prober>();
  const stopLearning = events.listen((event) => {
    if (event.kind === 'file.served' && event.mac) ways.learn(event.mac, String(event.data?.name));
  });
  const queue = createRequestQueue<Datagram>(isKnown);
  const outbox = createOutbox(counts, log);
  const failures = createOnceAMinute<string>(steady);
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
    counts.received += batch.length;
    if (absence.wasLong()) {
      counts.stale += batch.length;
      return;
    }
    const receivedAt = steady();
    for (const { bytes, address, port } of batch)
      queue.push({ ...how, bytes, from: { address, port }, receivedAt, probes: 0 });
    wake();
  }

  function wake(): void {
    if (isAwake || queue.length() === 0) return;
    isAwake = true;
    setImmediate(answerSlice);
  }

  /** Group commit: an answer leaves only after its lease, and those of all the others of this slice, are on disk. */
  function answerSlice(): void {
    isAwake = false;
    if (isClosed) return;
    const slice = queue.take(SLICE);
    counts.dropped = queue.dropped();
    // nothing was made durable, so nothing is answered; the clients will ask again
    const giveUp = (error: unknown): void => {
      const leftOut = failures.turn(String(error));
      if (leftOut === undefined) return;
      const before = leftOut > 0 ? `, nor those of ${leftOut} slices before` : '';
      log(
        `${slice.length} requests could not be recorded${before}: ${error instanceof Error ? error.stack : String(error)}`,
      );
    };
    try {
      const now = clock();
      const even = steady();
      house.followClock(now, even);
      const { result, durable } = events.settleEarly(() =>
        slice.flatMap((datagram) => answerOne(datagram, now, even) ?? []),
      );
      if (durable) durable.then(() => outbox.send(result), giveUp);
      else outbox.send(result);
    } catch (error) {
      giveUp(error);
    }
    wake();
  }

  /** `now` is `even` by the steady clock. */
  function answerOne(datagram: Datagram, now: Instant, even: number): Answer | undefined {
    if (even - datagram.receivedAt > STALE_MS) {
      counts.stale++;
      return undefined;
    }
    const decided = decideOrTell(datagram, now);
    if (!decided) return undefined;
    record(decided.request, decided.view, decided.decision, decided.isNewBoot, now);
    return decided.answer;
  }

  /** Deciding changes nothing, so what cannot be decided by a fault of ours costs the others of the slice no answer. */
  function decideOrTell(datagram: Datagram, now: Instant): Decided | undefined {
    try {
      return decide(datagram, now);
    } catch (error) {
      counts.failed++;
      logOnce(`a request could not be decided: ${error instanceof Error ? error.stack : String(error)}`);
      return undefined;
    }
  }

  function decide(datagram: Datagram, now: Instant): Decided | undefined {
    const request = understandDhcp(datagram);
    if (!request) {
      counts.malformed++;
      return undefined;
    }
    const watcher = watcherOf(request.packet);
    if (watcher === options.instance) return undefined; // our own question: a loop or a relay brought it back
    if (watcher !== undefined) request.mark = watchMark(options.instance);
    const { view, isNewBoot } = look(request, now);
    let decision = decideDhcp(request, view);
    if (decision.kind === 'probe') {
      if (probe(datagram, request, decision.address, decision.subnet)) return undefined;
      decision = decideDhcp(request, view);
    }
    if (decision.kind !== 'reply') return { request, view, decision, isNewBoot, answer: undefined };
    const { address, port } = decision.to;
    const answer = {
      datagram: { bytes: encode(request, decision.packet), address, port },
      via: datagram.via,
      delayMs: view.boot?.machine?.replyDelayMs ?? 0,
    };
    return { request, view, decision, isNewBoot, answer };
  }

  function encode({ packet, firmware }: DhcpRequest, reply: DhcpPacket): Buffer {
    const { bytes, dropped } = encodeDhcp(reply, {
      maxSize: dhcpReplyLimit(getOption(packet, 'maxMessageSize')),
      // ROMs read file and sname as names only
      overload: firmware.stage === 'os' && getOption(packet, 'parameterRequestList') !== undefined,
    });
    if (dropped.length > 0) counts.truncated++;
    return bytes;
  }

  /** Ask the wire, and decide again when it has had its time to answer; false when it is not asked, and may be offered. */
  function probe(datagram: Datagram, request: DhcpRequest, address: Ipv4, subnet: Subnet): boolean {
    if (datagram.probes >= PROBES) return true;
    const prober = probers.get(request.arrival.interface);
    return conflicts.ask(prober, address, request.relay ? 'icmp' : 'arp', request.mac, (answer) => {
      counts.probes++;
      if (answer.inUse) conflicts.note(subnet, address, answer.mac);
      queue.push({ ...datagram, probes: datagram.probes + 1, receivedAt: steady() });
      wake();
    });
  }

  function isKnown(bytes: Buffer): boolean {
    const mac = macFromBytes(bytes.subarray(28, 34)); // chaddr
    return leases.hasMac(mac) || network.hasMac(mac) || machines.hasMac(mac);
  }

  return {
    serve,
    counts,
    /** What `explain` sees: the same world, without what only a running exchange knows. */
    look: createLook(seen),
    levels,
    keepHouse: house.keep,
    close(): void {
      isClosed = true;
      house.close();
      absence.close();
      stopLearning();
      for (const prober of probers.values()) prober.close();
    },
  };
}

/** Tells each line once: a setting that cannot be sent, or a fault of ours, would be told of with every datagram. */
function once(log: (line: string) => void): (line: string) => void {
  const told = new Set<string>();
  return (line) => {
    if (told.has(line) || told.size >= ONCE_LINES) return;
    told.add(line);
    log(line);
  };
}
