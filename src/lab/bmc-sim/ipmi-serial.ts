import {
  decodeSol,
  encodeSol,
  nextSolSequence,
  SOL_FROM_BMC,
  SOL_TO_BMC,
  type SolPacket,
} from '../../wire/ipmi-sol.ts';
import { type Faults, spendFault } from './ipmi-faults.ts';
import type { SimSession } from './ipmi-sessions.ts';

/** What a BMC takes and gives in one packet, header included. */
export const SOL_BYTES = 200;
const RETRY_MS = 250;
const SENDS = 8;

/** A machine's serial port and the one console that may have it (15.9). */
export class SimSerial {
  readonly #faults: Faults;
  readonly #send: (session: SimSession, payload: Buffer) => void;
  readonly #inputListeners: ((bytes: Buffer) => void)[] = [];
  readonly #breakListeners: (() => void)[] = [];
  #session: SimSession | undefined;
  #waiting: Buffer = Buffer.alloc(0);
  #sequence = 0;
  #underWay: { packet: SolPacket; sends: number } | undefined;
  #timer: NodeJS.Timeout | undefined;
  #received = { sequence: 0, accepted: 0 };

  constructor(faults: Faults, send: (session: SimSession, payload: Buffer) => void) {
    this.#faults = faults;
    this.#send = send;
  }

  /** The session that has the console. */
  get session(): SimSession | undefined {
    return this.#session;
  }

  /** Whether all that the machine printed has arrived. */
  get isIdle(): boolean {
    return this.#underWay === undefined && this.#waiting.length === 0;
  }

  onInput(listener: (bytes: Buffer) => void): void {
    this.#inputListeners.push(listener);
  }

  onBreak(listener: () => void): void {
    this.#breakListeners.push(listener);
  }

  /** What the machine prints. Lost while nobody has the console. */
  write(bytes: Buffer): void {
    if (!this.#session) return;
    this.#waiting = Buffer.concat([this.#waiting, bytes]);
    this.#pump();
  }

  activate(session: SimSession): void {
    this.#session = session;
    this.#sequence = 0;
    this.#received = { sequence: 0, accepted: 0 };
  }

  /** Ends the console; a console that did not ask for it is told. */
  deactivate(by?: SimSession): void {
    const session = this.#session;
    clearTimeout(this.#timer);
    this.#session = undefined;
    this.#underWay = undefined;
    this.#waiting = Buffer.alloc(0);
    if (session && session !== by) this.#send(session, encodeSol({ ...EMPTY, flags: SOL_FROM_BMC.deactivating }));
  }

  receive(session: SimSession, payload: Buffer): void {
    if (session !== this.#session) return;
    const packet = decodeSol(payload);
    if (packet.acknowledged !== 0 && this.#underWay?.packet.sequence === packet.acknowledged) {
      const rest = this.#underWay.packet.data.subarray(packet.accepted);
      this.#waiting = Buffer.concat([rest, this.#waiting]);
      this.#underWay = undefined;
      clearTimeout(this.#timer);
    }
    if (packet.sequence !== 0) this.#take(session, packet);
    this.#pump();
  }

  #take(session: SimSession, { sequence, data, flags }: SolPacket): void {
    if (spendFault(this.#faults, 'serial-refuses')) {
      return this.#send(session, encodeSol({ ...EMPTY, acknowledged: sequence, isRefused: true }));
    }
    if (sequence !== this.#received.sequence) {
      const accepted = Math.min(data.length, this.#faults.get('serial-slow') ?? data.length);
      this.#received = { sequence, accepted };
      if ((flags & SOL_TO_BMC.break) !== 0) for (const listener of this.#breakListeners) listener();
      if (accepted > 0) for (const listener of this.#inputListeners) listener(data.subarray(0, accepted));
    }
    this.#send(session, encodeSol({ ...EMPTY, acknowledged: sequence, accepted: this.#received.accepted }));
  }

  #pump(): void {
    if (!this.#session || this.#underWay || this.#waiting.length === 0) return;
    const data = this.#waiting.subarray(0, SOL_BYTES - 4);
    this.#waiting = this.#waiting.subarray(data.length);
    this.#sequence = nextSolSequence(this.#sequence);
    this.#underWay = { packet: { ...EMPTY, sequence: this.#sequence, data }, sends: 0 };
    this.#sendUnderWay();
  }

  #sendUnderWay(): void {
    if (!this.#session || !this.#underWay) return;
    if (this.#underWay.sends === SENDS) return this.deactivate(this.#session);
    this.#underWay.sends += 1;
    this.#timer = setTimeout(() => this.#sendUnderWay(), RETRY_MS);
    this.#send(this.#session, encodeSol(this.#underWay.packet));
  }
}

const EMPTY: SolPacket = {
  sequence: 0,
  acknowledged: 0,
  accepted: 0,
  isRefused: false,
  flags: 0,
  data: Buffer.alloc(0),
};
