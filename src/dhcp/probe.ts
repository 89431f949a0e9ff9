import type { ProbeSockets } from '../probe-sockets.ts';
import type { Ipv4, Mac } from '../wire/address.ts';

/** `mac` has the address. Through a relay the wire it is on cannot be seen, and no MAC. */
export type ProbeAnswer = { inUse: false } | { inUse: true; mac?: Mac };

/** What a prober asks with, and for how long. */
export type ProberOptions = {
  sockets: Pick<ProbeSockets, 'askArp' | 'hearArp' | 'askEcho' | 'hearEcho'>;
  /** Milliseconds that go on evenly whatever the host's clock is set to. */
  steady: () => number;
  /** Nobody answered for so long: the address is free. A host on our wire answers in less than 1 ms. */
  waitMs?: number;
  /** So many asks wait at most. */
  limit?: number;
};

/** Asks the wire whether an address is in use, before it is offered to somebody. RFC 2131 3.1 (2), 4.4.1 */
export type Prober = {
  /**
   * `arp` for an address on our own wire, `icmp` for one behind a relay. `asked`: `done` is told, once, and never before this
   * returns. `known-free`: nobody had it a moment ago, and `done` is not told. `busy`: it could not be asked, because too many
   * wait or nothing can be sent, and `done` is not told; offering without asking is better than not offering.
   */
  ask(address: Ipv4, how: 'arp' | 'icmp', done: (answer: ProbeAnswer) => void): 'asked' | 'busy' | 'known-free';
  /** How many asks wait. */
  inFlight(): number;
  /** Who still waits is told nothing. The sockets stay open: they are the caller's. */
  close(): void;
};

type Probe = { address: Ipv4; how: 'arp' | 'icmp'; askedAt: number; isRepeated: boolean; waiting: Done[] };
type Done = (answer: ProbeAnswer) => void;
type Known = { answer: ProbeAnswer; at: number };

/** An answer holds for so long, as in dnsmasq: a boot asks for its address several times. */
const REMEMBER_MS = 30_000;
const MOST_REMEMBERED = 4096;
/** Nothing wakes us when an answer is there, so we look this often, and only while somebody waits. */
const LOOK_MS = 5;

/** A prober for the sockets of one interface. An answer holds for 30 s, also the one that nobody answered. Errors of `done` are logged. */
export function createProber({ sockets, steady, waitMs = 150, limit = 64 }: ProberOptions): Prober {
  const probes = new Map<Ipv4, Probe>();
  /** The oldest first. */
  const known = new Map<Ipv4, Known>();
  let waiting = 0;
  let timer: NodeJS.Timeout | undefined;
  let isClosed = false;

  function ask(address: Ipv4, how: 'arp' | 'icmp', done: Done): 'asked' | 'busy' | 'known-free' {
    if (isClosed) return 'busy';
    const now = steady();
    const remembered = recall(address, now);
    if (remembered) {
      if (!remembered.inUse) return 'known-free';
      queueMicrotask(() => answer([done], remembered));
      return 'asked';
    }
    if (waiting >= limit) return 'busy';
    const same = probes.get(address);
    if (same) same.waiting.push(done);
    else {
      // what was heard while nobody asked is of any age: it is no answer to this question
      if (probes.size === 0) hear();
      if (!send(address, how)) return 'busy';
      probes.set(address, { address, how, askedAt: now, isRepeated: false, waiting: [done] });
    }
    waiting++;
    timer ??= setTimeout(look, LOOK_MS);
    return 'asked';
  }

  function look(): void {
    timer = undefined;
    // what has come is heard before time is called: this thread may have been busy for longer than anybody waits
    hear();
    const now = steady();
    for (const probe of [...probes.values()]) {
      const waited = now - probe.askedAt;
      if (waited >= waitMs) settle(probe, { inUse: false }, now);
      else if (!probe.isRepeated && waited >= waitMs / 2) {
        // a frame may be lost, and a router that has to ask by ARP first drops the first echo
        probe.isRepeated = true;
        send(probe.address, probe.how);
      }
    }
    if (probes.size > 0 && !isClosed) timer ??= setTimeout(look, LOOK_MS);
  }

  function hear(): void {
    const now = steady();
    for (const { address, mac } of sockets.hearArp()) settle(probes.get(address), { inUse: true, mac }, now);
    for (const address of sockets.hearEcho()) settle(probes.get(address), { inUse: true }, now);
  }

  function send(address: Ipv4, how: 'arp' | 'icmp'): boolean {
    return how === 'arp' ? sockets.askArp(address) : sockets.askEcho(address);
  }

  function settle(probe: Probe | undefined, result: ProbeAnswer, now: number): void {
    if (!probe || !probes.delete(probe.address)) return;
    waiting -= probe.waiting.length;
    remember(probe.address, { answer: result, at: now });
    answer(probe.waiting, result);
  }

  function recall(address: Ipv4, now: number): ProbeAnswer | undefined {
    const one = known.get(address);
    return one && now - one.at < REMEMBER_MS ? one.answer : undefined;
  }

  function remember(address: Ipv4, result: Known): void {
    known.delete(address);
    known.set(address, result);
    for (const [oldest, { at }] of known) {
      if (known.size <= MOST_REMEMBERED && result.at - at < REMEMBER_MS) break;
      known.delete(oldest);
    }
  }

  function answer(whom: Done[], result: ProbeAnswer): void {
    for (const done of whom) {
      if (isClosed) return;
      try {
        done(result);
      } catch (error) {
        // the others wait too
        console.error(`a probe's answer: ${error instanceof Error ? error.stack : String(error)}`);
      }
    }
  }

  return {
    ask,
    inFlight: () => waiting,
    close() {
      isClosed = true;
      clearTimeout(timer);
      probes.clear();
      known.clear();
      waiting = 0;
    },
  };
}
