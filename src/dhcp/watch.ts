import { randomInt } from 'node:crypto';
import { networkInterfaces } from 'node:os';
import type { Reason } from '../model/reason.ts';
import type { Clock, Instant } from '../model/time.ts';
import type { ProbeSockets } from '../probe-sockets.ts';
import { type Ipv4, type Mac, macToBytes } from '../wire/address.ts';
import { WireError } from '../wire/bytes.ts';
import { optionCode, setOption } from '../wire/dhcp-options.ts';
import { type DhcpPacket, decodeDhcp, encodeDhcp } from '../wire/dhcp-packet.ts';
import { withoutUndefined } from '../wire/dhcp-shapes.ts';
import { type ForeignOffer, type ForeignServer, judgeForeign, type Own, SPOILERS, WATCH_ID } from './foreign.ts';
import { NO_ADDRESS } from './view.ts';

/** As whom the watch asks: servers have different answers for each. `overheard` is what others were told. */
const QUESTIONS = {
  'UEFI PXE': { vendorClass: 'PXEClient:Arch:00007:UNDI:003016', architecture: 7 },
  'BIOS PXE': { vendorClass: 'PXEClient:Arch:00000:UNDI:002001', architecture: 0 },
  'UEFI HTTP boot': { vendorClass: 'HTTPClient:Arch:00016:UNDI:003001', architecture: 16 },
  system: undefined,
} as const;
/** As whom the watch was when it was told something. */
export type AskedAs = keyof typeof QUESTIONS | 'overheard';
const ASKED_AS = [...(Object.keys(QUESTIONS) as (keyof typeof QUESTIONS)[]), 'overheard'] as const;

/** `offers` has what the first of `offersTo` says that says anything about it. */
export type WatchedServer = ForeignServer & {
  /** The name of the interface it was heard on. */
  interface: string;
  firstSeen: Instant;
  lastSeen: Instant;
  /** Packets of it. */
  seen: number;
  /** Nothing was heard of it for three rounds. */
  isGone: boolean;
  offersTo: Partial<Record<AskedAs, ForeignOffer>>;
};

/** What is new about a server; `text` says it in a sentence. */
export type WatchChange = { kind: 'appeared' | 'changed' | 'gone'; server: WatchedServer; text: string };

/** The wire that is watched, and who is told. */
export type WatchOptions = {
  sockets: Pick<ProbeSockets, 'interface' | 'mac' | 'sendDhcp' | 'hearDhcp'>;
  own: Own;
  clock: Clock;
  /** Told once of each server, and again when what it offers changes or it falls silent. */
  tell: (change: WatchChange) => void;
  /** From one round of questions to the next; a quarter more or less, so that two appliances do not ask in step. */
  everyMs?: number;
  /** What was overheard is taken this often. */
  lookMs?: number;
};

/** A watch that goes on until it is closed. */
export type Watch = {
  /** Those that are here and those that went, the first seen first. */
  list(): WatchedServer[];
  /** The sockets stay open: they are the caller's. */
  close(): void;
};

/** What a server told somebody, and in which round it said so last. */
type Told = { answer: ForeignServer; round: number };
type Answers = Map<AskedAs, Told>;

/** What is kept of one server. `due`: the look at which it is told of, when the answers to all questions have come. */
type Entry = {
  answers: Answers;
  firstSeen: Instant;
  lastSeen: Instant;
  lastRound: number;
  seen: number;
  isGone: boolean;
  due?: number | undefined;
  told?: string | undefined;
};

const MOST_SERVERS = 32;
/** A question or its answer may be lost; what was not said again in so many rounds holds no longer. */
const SILENT_ROUNDS = 3;
/** One question in each look, and three more for a server that first sends a ping, as dnsmasq does. */
const SETTLE_LOOKS = Object.keys(QUESTIONS).length + 4;

/** Notices other DHCP servers on one wire: by what they tell their clients, and by asking for an offer now and then. */
export function createWatch(options: WatchOptions): Watch {
  const { sockets, clock, tell, everyMs = 600_000, lookMs = 1000 } = options;
  const own = { ...options.own, macs: [sockets.mac, ...ownMacs()] };
  const servers = new Map<Ipv4, Entry>();
  const asked = new Map<number, keyof typeof QUESTIONS>();
  let questions: (keyof typeof QUESTIONS)[] = [];
  let looks = 0;
  let round = 0;
  let nextRound = 0;
  let wasSent = false;
  const timer = setInterval(look, lookMs);
  look();

  function look(): void {
    for (const { bytes, address, mac } of sockets.hearDhcp()) hear(bytes, { address, mac });
    // looks are counted and not the clock read: that one may be set
    if (looks >= nextRound) beginRound();
    const question = questions.shift();
    if (question) wasSent = ask(question) || wasSent;
    for (const [id, entry] of servers) if (entry.due !== undefined && entry.due <= looks) settle(id, entry);
    looks++;
  }

  function beginRound(): void {
    // when we could not ask, their silence means nothing
    if (wasSent) round++;
    for (const [id, entry] of servers) forgetOld(id, entry);
    asked.clear();
    wasSent = false;
    questions = Object.keys(QUESTIONS) as (keyof typeof QUESTIONS)[];
    nextRound = looks + Math.ceil((everyMs / lookMs) * (0.75 + Math.random() / 2));
  }

  function forgetOld(id: Ipv4, entry: Entry): void {
    if (entry.isGone) return;
    if (round - entry.lastRound > SILENT_ROUNDS) {
      entry.isGone = true;
      entry.due = undefined;
      entry.told = undefined;
      return report('gone', id, entry);
    }
    // what was overheard nobody asked for again, so it holds as long as the server is here
    for (const [as, answer] of entry.answers)
      if (as !== 'overheard' && round - answer.round > SILENT_ROUNDS && entry.answers.size > 1) {
        entry.answers.delete(as);
        entry.due ??= looks + SETTLE_LOOKS;
      }
  }

  function ask(question: keyof typeof QUESTIONS): boolean {
    const xid = randomInt(2 ** 32);
    asked.set(xid, question);
    return sockets.sendDhcp(composeQuestion(question, xid, sockets.mac, own.instance));
  }

  function hear(bytes: Buffer, from: { address: Ipv4; mac: Mac }): void {
    const reply = understandReply(bytes);
    const answer = reply && judgeForeign(reply, from, own);
    if (!answer) return;
    const now = clock();
    const entry = servers.get(answer.serverId) ?? enter(answer.serverId, now);
    if (!entry) return;
    if (entry.isGone) entry.answers.clear();
    entry.isGone = false;
    entry.lastSeen = now;
    entry.lastRound = round;
    entry.seen++;
    entry.due ??= looks + SETTLE_LOOKS;
    const as = asked.get(reply.xid);
    if (as) entry.answers.set(as, { answer, round });
    else addOverheard(entry.answers, answer, round);
  }

  /** No more than so many are kept, or a flood of made-up servers would fill the memory; one that went makes room. */
  function enter(id: Ipv4, now: Instant): Entry | undefined {
    if (servers.size >= MOST_SERVERS) {
      const gone = [...servers].find(([, { isGone }]) => isGone);
      if (!gone) return undefined;
      servers.delete(gone[0]);
    }
    const entry: Entry = {
      answers: new Map(),
      firstSeen: now,
      lastSeen: now,
      lastRound: round,
      seen: 0,
      isGone: false,
    };
    servers.set(id, entry);
    return entry;
  }

  function settle(id: Ipv4, entry: Entry): void {
    entry.due = undefined;
    const news = essence(entry);
    if (news === entry.told) return;
    const kind = entry.told === undefined ? 'appeared' : 'changed';
    entry.told = news;
    report(kind, id, entry);
  }

  function report(kind: WatchChange['kind'], id: Ipv4, entry: Entry): void {
    const server = watched(id, entry);
    try {
      tell({ kind, server, text: sentence(kind, server) });
    } catch (error) {
      // nothing that somebody sends may end the look-out
      console.error(`a change of ${id} could not be told: ${error instanceof Error ? error.stack : String(error)}`);
    }
  }

  function watched(serverId: Ipv4, entry: Entry): WatchedServer {
    const { firstSeen, lastSeen, seen, isGone, answers } = entry;
    const offersTo = Object.fromEntries([...answers].map(([as, { answer }]) => [as, answer.offers]));
    return {
      ...mergeAnswers(answers),
      serverId,
      interface: sockets.interface,
      firstSeen,
      lastSeen,
      seen,
      isGone,
      offersTo,
    };
  }

  return { list: () => [...servers].map(([id, entry]) => watched(id, entry)), close: () => clearInterval(timer) };
}

/** Two of our cards may be on one wire, and then hear each other. */
function ownMacs(): Mac[] {
  return Object.values(networkInterfaces()).flatMap((addresses) => addresses?.map(({ mac }) => mac as Mac) ?? []);
}

function understandReply(bytes: Buffer): DhcpPacket | undefined {
  try {
    return decodeDhcp(bytes);
  } catch (error) {
    if (error instanceof WireError) return undefined;
    throw error;
  }
}

/** Others are told different things from one moment to the next: that is news only when it spoils a boot in another way. */
function addOverheard(answers: Answers, answer: ForeignServer, round: number): void {
  const rules = new Set([...answers.values()].flatMap((one) => one.answer.spoils.map(({ rule }) => rule)));
  const news = answer.spoils.filter(({ rule }) => !rules.has(rule));
  if (answers.size > 0 && news.length === 0) return;
  const before = answers.get('overheard')?.answer.spoils ?? [];
  answers.set('overheard', { answer: { ...answer, spoils: [...before, ...news] }, round });
}

/** All answers of a server as one. There is at least one. */
function mergeAnswers(answers: Answers): ForeignServer {
  const all = ASKED_AS.flatMap((as) => answers.get(as)?.answer ?? []);
  const offers: ForeignOffer = Object.assign({}, ...all.map((one) => one.offers).reverse());
  const firstlight = all.find(({ isFirstlight }) => isFirstlight);
  return { ...(firstlight ?? (all[0] as ForeignServer)), offers, spoils: mergeSpoils(answers) };
}

/** Each rule once, with those to whom it applies. */
function mergeSpoils(answers: Answers): Reason[] {
  return SPOILERS.flatMap(({ rule, text, ref }) => {
    const told = ASKED_AS.filter((as) => answers.get(as)?.answer.spoils.some((one) => one.rule === rule));
    if (told.length === 0) return [];
    const whom = told.map((as) => (as === 'overheard' ? 'somebody' : as)).join(', ');
    return [withoutUndefined<Reason>({ rule, text: `${text}; told to: ${whom}`, ref })];
  });
}

/** What is worth telling when it changes: not the address and its time, which are others in each offer, nor by which relay it came. */
function essence({ answers }: Entry): string {
  const lasting = ASKED_AS.map((as) => {
    const answer = answers.get(as)?.answer;
    if (!answer) return undefined;
    const { address, leaseSeconds: _, ...offers } = answer.offers;
    return [offers, address !== undefined, answer.instance, answer.spoils];
  });
  return JSON.stringify(lasting);
}

function sentence(kind: WatchChange['kind'], server: WatchedServer): string {
  const { offers, instance } = server;
  const what = server.isFirstlight ? `Firstlight (${instance})` : offers.address ? 'DHCP server' : 'proxy DHCP server';
  const who = `${what} ${server.serverId}${server.mac ? ` (${server.mac})` : ''} on ${server.interface}`;
  if (kind === 'gone') return `the ${who} has fallen silent`;
  const file = offers.bootFileName ?? offers.bootFile;
  const said = [
    offers.address ? `offers ${offers.address}` : `tells ${offers.vendorClass ?? 'clients'} what to boot`,
    offers.routers ? `router ${offers.routers.join(', ')}` : '',
    file ? `boot file ${file}` : '',
  ].filter((part) => part !== '');
  return `${kind === 'appeared' ? 'another' : 'the'} ${who} ${kind === 'appeared' ? '' : 'now '}${said.join(', ')}`;
}

/** A DISCOVER, and never a REQUEST after it: nothing is taken from anybody's pool for longer than an offer lasts. */
function composeQuestion(question: keyof typeof QUESTIONS, xid: number, mac: Mac, instance: string): Buffer {
  const options = new Map<number, Buffer>();
  setOption(options, 'messageType', 'discover');
  // RFC 2132 9.14: type 0, no hardware address
  setOption(options, 'clientId', Buffer.from(`\0${WATCH_ID}${instance}`, 'latin1'));
  setOption(options, 'maxMessageSize', 1472);
  setOption(options, 'parameterRequestList', WANTED.map(optionCode));
  const boot = QUESTIONS[question];
  if (boot) {
    setOption(options, 'vendorClass', boot.vendorClass);
    setOption(options, 'clientArchitectures', [boot.architecture]);
    setOption(options, 'clientNetworkInterface', { major: 3, minor: 16 });
    options.set(optionCode('clientMachineId'), Buffer.alloc(17)); // as OVMF without a UUID: some servers want it to be there
  }
  const packet: DhcpPacket = {
    op: 'request',
    htype: 1,
    hops: 0,
    xid,
    secs: 10, // servers that let another one go first answer who has waited
    broadcast: true,
    ciaddr: NO_ADDRESS,
    yiaddr: NO_ADDRESS,
    siaddr: NO_ADDRESS,
    giaddr: NO_ADDRESS,
    chaddr: macToBytes(mac),
    sname: '',
    file: '',
    options,
  };
  return encodeDhcp(packet).bytes;
}

const WANTED = [
  'subnetMask',
  'routers',
  'dnsServers',
  'domainName',
  'vendorEncapsulated',
  'leaseSeconds',
  'serverId',
  'vendorClass',
  'tftpServerName',
  'bootFileName',
  'ipxe',
] as const;
