import { COMPLETION } from '../wire/ipmi.ts';
import {
  activateSol,
  deactivateSol,
  decodeSol,
  encodeSol,
  nextSolSequence,
  SOL_FROM_BMC,
  SOL_HEADER_BYTES,
  SOL_PAYLOAD,
  SOL_TO_BMC,
  type SolPacket,
  type SolSettings,
} from '../wire/ipmi-sol.ts';
import type { BmcConsole } from './driver.ts';
import { answerTo, refusal } from './ipmi-path.ts';
import type { Patience } from './link.ts';
import type { Session } from './session.ts';

/** How a console waits, and what it leaves behind. */
export type ConsoleOptions = {
  /** How long a packet's acknowledgement is waited for before it is sent again: from `firstMs` on, doubled up to `lastMs`. */
  patience: Pick<Patience, 'firstMs' | 'lastMs'>;
  /** Between two signs of life in a console in which nothing is typed. */
  keepAliveMs?: number;
  /** Called once, when nothing more will be sent: logs out and gives up the socket. */
  release: () => Promise<void>;
};

const PAYLOAD_IN_USE = 0x80;
const PAYLOAD_OFF = 0x81;
/** A packet that was not acknowledged so often will not be: 30 s, for a port shared with the host may be away a while (B12). */
const SENDS = 12;
/** A SOL payload's characters when a BMC says nothing that can be true: its accepted count is one byte (15.9). */
const FEWEST = 1;
const MOST = 255;

/**
 * Turns on serial over LAN in a session. Somebody else's console is ended first: most often it is one that was left open,
 * and a BMC has one only.
 */
export async function openConsole(session: Session, options: ConsoleOptions): Promise<BmcConsole> {
  const settings = await activate(session);
  session.removeLimit();
  return new SolStream(session, settings, options);
}

async function activate(session: Session): Promise<SolSettings> {
  const { instance } = SOL_PAYLOAD;
  let answer = await answerTo(session, activateSol, { instance });
  if (answer.completion === PAYLOAD_IN_USE) {
    await answerTo(session, deactivateSol, { instance });
    answer = await answerTo(session, activateSol, { instance });
  }
  const { completion, value } = answer;
  if (completion === COMPLETION.ok && value) return value;
  const next = completion === PAYLOAD_OFF ? 'Turn on serial over LAN in the BMC, for this user too' : undefined;
  throw refusal(session, activateSol, completion, next);
}

/** A console's two directions (15.9). One packet of ours is under way at a time; each of the BMC's is acknowledged. */
class SolStream implements BmcConsole {
  readonly ended: Promise<string>;
  readonly #session: Session;
  readonly #options: ConsoleOptions;
  readonly #most: number;
  readonly #listeners: ((bytes: Buffer) => void)[] = [];
  readonly #stopListening: () => void;
  readonly #stopKeepAlive: () => void;
  #tellEnd: (why: string) => void = () => {};
  #hasEnded = false;
  #waiting: Buffer = Buffer.alloc(0);
  #wantsBreak = false;
  #sequence = 0;
  #underWay: { packet: SolPacket; sends: number } | undefined;
  #timer: NodeJS.Timeout | undefined;
  #received = { sequence: 0, length: 0 };
  /** What came before anybody listened. */
  #early: Buffer[] = [];

  constructor(session: Session, settings: SolSettings, options: ConsoleOptions) {
    this.#session = session;
    this.#options = options;
    this.#most = Math.min(MOST, Math.max(FEWEST, settings.inboundBytes - SOL_HEADER_BYTES));
    this.ended = new Promise((resolve) => {
      this.#tellEnd = resolve;
    });
    this.#stopListening = session.listenSol((payload, isNew) => this.#receive(decodeSol(payload), isNew));
    this.#stopKeepAlive = session.keepAlive((why) => this.#end(`the BMC ${why}`), options.keepAliveMs);
  }

  onData(listener: (bytes: Buffer) => void): void {
    this.#listeners.push(listener);
    for (const bytes of this.#early.splice(0)) listener(bytes);
  }

  write(bytes: Buffer): void {
    if (this.#hasEnded) return;
    this.#waiting = Buffer.concat([this.#waiting, bytes]);
    this.#pump();
  }

  sendBreak(): void {
    if (this.#hasEnded) return;
    this.#wantsBreak = true;
    this.#pump();
  }

  async close(): Promise<void> {
    if (!this.#hasEnded) await this.#session.ask(deactivateSol, { instance: SOL_PAYLOAD.instance });
    this.#end('it was closed');
    await this.ended;
  }

  /** Nothing is sent or told any more; `ended` resolves once the session is closed. */
  #end(why: string): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    clearTimeout(this.#timer);
    this.#stopListening();
    this.#stopKeepAlive();
    void this.#options.release().then(() => this.#tellEnd(why));
  }

  /** What is not new was doubled on its way, or sent again by a BMC that does not count its packets: our answer was lost. */
  #receive(packet: SolPacket, isNew: boolean): void {
    if (this.#hasEnded) return;
    if (!isNew) {
      if (packet.sequence !== 0 && packet.sequence === this.#received.sequence) this.#acknowledge(packet);
      return;
    }
    if (packet.acknowledged !== 0) this.#acknowledged(packet);
    if (packet.sequence !== 0) this.#deliver(packet);
    if ((packet.flags & SOL_FROM_BMC.deactivating) !== 0) this.#end('the BMC ended it');
  }

  /** 15.9: a packet sent again has the same number, and may have grown at its end. */
  #deliver(packet: SolPacket): void {
    const { sequence, data } = packet;
    const isAgain = sequence === this.#received.sequence;
    const fresh = isAgain ? data.subarray(this.#received.length) : data;
    this.#received = { sequence, length: isAgain ? Math.max(data.length, this.#received.length) : data.length };
    this.#acknowledge(packet);
    if (fresh.length === 0) return;
    if (this.#listeners.length === 0) this.#early.push(Buffer.from(fresh));
    for (const listener of this.#listeners) listener(fresh);
  }

  #acknowledge({ sequence, data }: SolPacket): void {
    const head = { sequence: 0, acknowledged: sequence, accepted: data.length, isRefused: false, flags: 0 };
    void this.#send({ ...head, data: Buffer.alloc(0) });
  }

  /** What was not accepted is sent again, as a packet of its own. */
  #acknowledged({ acknowledged, accepted, isRefused }: SolPacket): void {
    if (this.#underWay?.packet.sequence !== acknowledged) return;
    const { data, flags } = this.#underWay.packet;
    this.#underWay = undefined;
    clearTimeout(this.#timer);
    if (accepted < data.length) this.#waiting = Buffer.concat([data.subarray(accepted), this.#waiting]);
    if (isRefused && (flags & SOL_TO_BMC.break) !== 0) this.#wantsBreak = true;
    // 15.9: a refusal means that characters go nowhere for now, as while the machine is off.
    const isStuck = isRefused || (accepted === 0 && data.length > 0);
    if (isStuck) this.#timer = setTimeout(() => this.#pump(), this.#options.patience.lastMs);
    else this.#pump();
  }

  #pump(): void {
    if (this.#underWay || this.#hasEnded || (this.#waiting.length === 0 && !this.#wantsBreak)) return;
    clearTimeout(this.#timer);
    const data = this.#wantsBreak ? Buffer.alloc(0) : this.#waiting.subarray(0, this.#most);
    const flags = this.#wantsBreak ? SOL_TO_BMC.break : 0;
    this.#waiting = this.#waiting.subarray(data.length);
    this.#wantsBreak = false;
    this.#sequence = nextSolSequence(this.#sequence);
    const packet = { sequence: this.#sequence, acknowledged: 0, accepted: 0, isRefused: false, flags, data };
    this.#underWay = { packet, sends: 0 };
    this.#sendUnderWay();
  }

  #sendUnderWay(): void {
    if (!this.#underWay || this.#hasEnded) return;
    if (this.#underWay.sends === SENDS) return this.#end('the BMC does not take what is typed');
    const { firstMs, lastMs } = this.#options.patience;
    const waitMs = Math.min(lastMs, firstMs * 2 ** this.#underWay.sends);
    this.#underWay.sends += 1;
    this.#timer = setTimeout(() => this.#sendUnderWay(), waitMs);
    void this.#send(this.#underWay.packet);
  }

  #send(packet: SolPacket): Promise<void> {
    return this.#session.sendSol(encodeSol(packet));
  }
}
