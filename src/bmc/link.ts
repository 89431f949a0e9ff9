import { createSocket, type Socket } from 'node:dgram';
import { lookup } from 'node:dns';
import { isIP } from 'node:net';
import { WireError } from '../wire/bytes.ts';

/** What became of a question: an answer, or why there is none. `isGone`: the network says that nobody is there. */
export type Outcome<T> = { answered: true; value: T } | { answered: false; why: string; isGone: boolean };

/** How a question is repeated: `sends` times, first after `firstMs` to twice that, each wait doubled up to `lastMs`. */
export type Patience = { firstMs: number; lastMs: number; sends: number };

/** 0.5 to 1 s, randomised so that a rack of BMCs is not asked in step, up to 3 s: 6.5 to 9 s in all. */
export const PATIENCE: Patience = { firstMs: 500, lastMs: 3000, sends: 4 };

/** The waits of one question, in milliseconds. */
export function chooseWaits({ firstMs, lastMs, sends }: Patience, random: number): number[] {
  const first = firstMs * (1 + random);
  return Array.from({ length: sends }, (_, index) => Math.min(lastMs, first * 2 ** index));
}

/** How long the name of a BMC is looked up. */
const NAME_MS = 10_000;
/** One ICMP error may be left over from an earlier datagram; two without an answer in between mean that nobody is there. */
const REFUSALS = 2;

/**
 * A UDP socket connected to one BMC, so that the kernel drops strangers and reports ICMP errors. It lives for `limitMs`:
 * then nothing is sent or waited for any more, and every question is left unanswered.
 */
export class Link {
  readonly #socket: Socket;
  readonly #limitMs: number;
  #endsAt: number;
  #refusals = 0;

  private constructor(socket: Socket, limitMs: number) {
    this.#socket = socket;
    this.#limitMs = limitMs;
    this.#endsAt = performance.now() + limitMs;
    socket.on('message', () => {
      this.#refusals = 0;
    });
  }

  static async open(host: string, port: number, limitMs: number): Promise<Link> {
    const { address, family } = await findAddress(host);
    const socket = createSocket(family === 6 ? 'udp6' : 'udp4');
    // An error between two questions belongs to none of them; without a listener it would stop the process.
    socket.on('error', () => {});
    try {
      await new Promise<void>((resolve, reject) => {
        socket.connect(port, address, (...[error]: unknown[]) => (error instanceof Error ? reject(error) : resolve()));
      });
    } catch (error) {
      socket.close();
      throw error;
    }
    return new Link(socket, limitMs);
  }

  /** From now on it has no end but `close`. */
  removeLimit(): void {
    this.#endsAt = Number.POSITIVE_INFINITY;
  }

  /**
   * Sends what `make` makes, once per wait, until `read` returns something. `read` returns undefined for a datagram
   * that belongs to something else; a WireError of it is remembered and otherwise ignored, for anybody can send garbage.
   */
  ask<T>(
    make: () => Buffer,
    read: (datagram: Buffer) => T | undefined,
    waitsMs: readonly number[],
  ): Promise<Outcome<T>> {
    const socket = this.#socket;
    return new Promise((resolve, reject) => {
      let sent = 0;
      let why = 'did not answer';
      let timer: NodeJS.Timeout | undefined;

      const end = () => {
        clearTimeout(timer);
        socket.off('message', onMessage);
        socket.off('error', onError);
      };
      const giveUp = () => {
        end();
        resolve({ answered: false, why, isGone: this.#refusals >= REFUSALS });
      };
      const onError = (error: Error) => {
        why = describeSocketError(error);
        this.#refusals += 1;
        if (this.#refusals >= REFUSALS) giveUp();
      };
      const onMessage = (datagram: Buffer) => {
        try {
          const value = read(datagram);
          if (value === undefined) return;
          end();
          resolve({ answered: true, value });
        } catch (error) {
          if (error instanceof WireError) why = `answered something that we cannot read (${error.message})`;
          else {
            end();
            reject(error);
          }
        }
      };
      const sendOnce = () => {
        const leftMs = this.#endsAt - performance.now();
        if (leftMs <= 0) why = `was too slow: it took more than ${this.#limitMs / 1000} s in all`;
        const wait = waitsMs[sent++];
        if (wait === undefined || leftMs <= 0) return giveUp();
        timer = setTimeout(sendOnce, Math.min(wait, Math.ceil(leftMs) + 1)); // timers are early by up to a millisecond
        socket.send(make(), (error) => {
          if (error) onError(error);
        });
      };
      socket.on('message', onMessage);
      socket.on('error', onError);
      sendOnce();
    });
  }

  /** Gives every datagram to `listener`, whatever else is asked, until the function that it returns is called. */
  listen(listener: (datagram: Buffer) => void): () => void {
    this.#socket.on('message', listener);
    return () => this.#socket.off('message', listener);
  }

  /** Sends without waiting for an answer. */
  async tell(datagram: Buffer): Promise<void> {
    await new Promise<void>((resolve) => this.#socket.send(datagram, () => resolve()));
  }

  close(): void {
    this.#socket.close();
  }
}

/** The address of a BMC that is given by name, of either family, or by address. */
function findAddress(host: string): Promise<{ address: string; family: number }> {
  const family = isIP(host);
  if (family !== 0) return Promise.resolve({ address: host, family });
  return new Promise((resolve, reject) => {
    const fail = (code: string) => reject(Object.assign(new Error(`"${host}" has no address`), { code }));
    if (host === '') return fail('ENOTFOUND'); // Node takes it for this computer
    const timer = setTimeout(() => fail('EAI_AGAIN'), NAME_MS);
    lookup(host, (error, address, kind) => {
      clearTimeout(timer);
      if (error) reject(error);
      else resolve({ address, family: kind });
    });
  });
}

/** An error of the socket as the rest of a sentence. */
export function describeSocketError(error: Error): string {
  const code = 'code' in error ? String(error.code) : '';
  return SOCKET_ERRORS[code] ?? `cannot be asked (${error.message})`;
}

const SOCKET_ERRORS: Record<string, string> = {
  ECONNREFUSED: 'answered that nothing listens on that port',
  EHOSTUNREACH: 'cannot be reached: nobody there answers to that address',
  ENETUNREACH: 'cannot be reached: this appliance has no route to that network',
  ENOTFOUND: 'cannot be found: that name has no address',
  EAI_AGAIN: 'cannot be found: the name server does not answer',
};
