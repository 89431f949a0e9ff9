import type { Events } from '../events.ts';
import type { EventKind, NewEvent } from '../model/event.ts';
import type { Machine } from '../model/machine.ts';
import type { Subnet } from '../model/network.ts';
import { describeReasons } from '../model/reason.ts';
import type { Instant } from '../model/time.ts';
import type { Leases } from '../store/leases.ts';
import type { BootStage, Machines } from '../store/machines.ts';
import type { Mac } from '../wire/address.ts';
import type { Lately } from './lately.ts';
import type { Newcomers } from './newcomers.ts';
import type { Offers } from './offers.ts';
import { createOnceAMinute } from './once-a-minute.ts';
import type { Refusals } from './refusals.ts';
import type { Strangers } from './strangers.ts';
import type { DhcpDecision, DhcpRequest, DhcpView, LeaseChange, OfferChange } from './view.ts';
import type { Ways } from './ways.ts';

/** What is written to, and who does what is no affair of DHCP. */
export type RecordParts = {
  machines: Machines;
  leases: Leases;
  events: Events;
  offers: Offers;
  /** The DECLINEs that were believed on each subnet. */
  declines: Lately;
  strangers: Strangers;
  newcomers: Newcomers;
  refusals: Refusals;
  ways: Ways;
  /** Milliseconds that go on evenly whatever the host's clock is set to. */
  steady: () => number;
  failJob: (jobId: number, why: string) => void;
  recordMachine: (mac: Mac) => Machine;
};

/** Commits what was decided (the lease, the offer, the boot) and tells the timeline. To be called inside a transaction. */
export function createRecord(parts: RecordParts) {
  const { machines, leases, events, offers, declines, strangers, newcomers, refusals, ways, steady } = parts;
  const silences = createOnceAMinute<string>(steady);
  const refusedCards = createOnceAMinute<number>(steady);
  const bootStrangers = createOnceAMinute<Mac>(steady);

  /** `isNewBoot`: the request begins the boot that `view` has the number of. */
  function record(
    request: DhcpRequest,
    view: DhcpView,
    decision: DhcpDecision,
    isNewBoot: boolean,
    now: Instant,
  ): void {
    if (decision.kind === 'reply' && decision.packet.file !== '' && request.mac) ways.note(request.mac, request.door);
    if (decision.lease) commitLease(decision.lease, now);
    if (decision.offer) commitOffer(decision.offer, view.wire);

    const isBootClient = request.firmware.stage !== 'os';
    const known = view.boot?.machine;
    // an unknown machine is recorded once it takes a lease: a storm of DISCOVERs leaves no trace on disk
    const mayBeNew = !known && request.mac !== undefined && isBootClient && decision.lease?.kind === 'bind';
    const isNew = mayBeNew && newcomers.mayRecord();
    const machine = isNew && request.mac ? parts.recordMachine(request.mac) : known;
    if (machine && known && request.mac && !known.macs.includes(request.mac) && decision.lease?.kind === 'bind')
      adoptCard(request.mac, known);
    // what came from nowhere that we know begins no boot: anybody can write a MAC into a packet
    if (machine && view.boot && !view.noWire)
      noteBoot(request, machine, isNew ? machine.boot + 1 : view.boot.boot, isNew || isNewBoot, now);
    if (decision.boot?.kind === 'local' && decision.boot.failJob && view.boot?.job)
      parts.failJob(view.boot.job.id, decision.boot.failJob);
    if (machine) tellOfMachine(machine, request, decision);
    else tellOfStranger(request, decision, now);
    if (decision.kind === 'silent' && decision.because[0]) refusals.note(decision.because[0]);
  }

  /** All of what a machine does, but that it is refused the same again: whoever is not answered asks again and again. */
  function tellOfMachine(machine: Machine, request: DhcpRequest, decision: DhcpDecision): void {
    const isRefusal = decision.kind === 'silent' && !decision.lease;
    const leftOut = isRefusal ? silences.turn(`${machine.id} ${decision.because[0]?.rule}`) : 0;
    if (leftOut === undefined) return;
    const event = exchangeEvent(request, decision);
    if (leftOut > 0) event.text += ` (${leftOut} times more since this was last told)`;
    events.emit(event);
  }

  /** Of others what takes a lease, and what would go unseen since nothing comes after it: see isLastWord. */
  function tellOfStranger(request: DhcpRequest, decision: DhcpDecision, now: Instant): void {
    if (decision.lease) {
      if (strangers.mayTell(now)) events.emit(exchangeEvent(request, decision));
      return;
    }
    if (!request.mac || !isLastWord(request, decision) || bootStrangers.turn(request.mac) === undefined) return;
    if (strangers.mayTell(now)) events.emit(exchangeEvent(request, decision));
    else bootStrangers.forget(request.mac);
  }

  /** A client has one offer on its wire, the latest, or none. */
  function commitOffer(change: OfferChange, wire: readonly Subnet[]): void {
    const client = change.kind === 'hold' ? change.offer.client : change.client;
    for (const subnet of wire) offers.forget(subnet.id, client);
    if (change.kind === 'hold') offers.hold(change.offer);
  }

  function commitLease(change: LeaseChange, now: Instant): void {
    if (change.kind === 'bind')
      for (const other of change.givesUp) leases.put({ ...other, state: 'released', expiresAt: now });
    if (change.kind === 'decline') declines.note(change.lease.subnetId);
    leases.put(change.lease);
  }

  /** The port of a relay that stands for a machine brought a card that nobody knew: it was replaced. */
  function adoptCard(mac: Mac, machine: Machine): void {
    if (!newcomers.mayAdopt(machine.id)) {
      if (refusedCards.turn(machine.id) === undefined) return;
      return void events.emit({
        kind: 'machine.changed',
        text: `${mac} came through the port of ${machine.name} and is not made a card of ${machine.name}, which got enough new ones today`,
        machineId: machine.id,
      });
    }
    machines.addMac(machine.id, mac);
    events.emit({
      kind: 'machine.changed',
      text: `${mac} is a new card of ${machine.name}, known by the port that it came through`,
      mac,
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

  return record;
}

/**
 * Whether a boot client may not be heard of again: firmware that is offered no boot data sends no REQUEST, and beside another
 * server the lease is not ours.
 */
function isLastWord({ firmware, door }: DhcpRequest, decision: DhcpDecision): boolean {
  if (firmware.stage === 'os') return false;
  if (door !== 'server' && decision.kind === 'reply') return true;
  return firmware.mode === 'unknown' && decision.because.some(({ rule }) => rule === 'unknown-architecture');
}

/** What the timeline says of an exchange: who asked for what, and what came of it. */
function exchangeEvent(request: DhcpRequest, decision: DhcpDecision): NewEvent {
  const file = decision.kind === 'reply' && decision.packet.file ? `, file ${decision.packet.file}` : '';
  const address = decision.kind === 'reply' && request.door === 'server' ? ` ${decision.packet.yiaddr}` : '';
  const outcome =
    decision.kind === 'reply' && decision.type !== 'nak'
      ? `${decision.type.toUpperCase()}${address}${file}`
      : `${decision.kind === 'reply' ? 'NAK' : 'no answer'}: ${describeReasons(decision.because)}`;
  return {
    kind: eventKind(request, decision),
    text: `${request.type.toUpperCase()} from ${request.firmware.name}${DOOR_TEXT[request.door]}: ${outcome}`,
    mac: request.mac,
    because: decision.because,
    data: {
      interface: request.arrival.interface,
      xid: request.packet.xid.toString(16),
      firmware: request.firmware.name,
      ...(request.relay ? { relay: request.relay.giaddr } : {}),
    },
  };
}

const DOOR_TEXT = { server: '', proxy: ' (proxy)', 'boot-server': ' (port 4011)' } as const;
const REPLY_KIND = { offer: 'dhcp.offered', ack: 'dhcp.acked', nak: 'dhcp.naked' } as const;

function eventKind(request: DhcpRequest, decision: DhcpDecision): EventKind {
  if (decision.lease?.kind === 'decline') return 'dhcp.declined';
  if (decision.lease?.kind === 'release') return 'dhcp.released';
  if (decision.kind !== 'reply') return 'dhcp.silent';
  if (request.type === 'inform' && request.door === 'server') return 'dhcp.informed';
  return REPLY_KIND[decision.type];
}
