import { after, type Clock, type Instant } from '../../model/time.ts';
import { BOOT_OPTION, BOOT_SELECTOR, decodeBootFlags } from '../../wire/ipmi-boot.ts';
import type { ChassisAction } from '../../wire/ipmi-chassis.ts';
import { encodeSelEntry, type SelEntry } from '../../wire/ipmi-sel.ts';
import type { Faults } from './ipmi-faults.ts';

/** 28.14: flags are dropped so long after they were set, unless bit 3 of parameter 3 says otherwise. */
const FLAGS_LIVE_MS = 60_000;
const KEEP_FLAGS = 0x08;
/** Table 28-11. */
const BY_COMMAND = 1;

/** What a sensor shows: its byte, or its states, or that it shows nothing. */
export type SimReading = { raw: number; states?: number; isAvailable?: boolean };

/** The machine behind a simulated BMC: nothing but its state. */
export class SimMachine {
  readonly #clock: Clock;
  readonly #faults: Faults;
  #isOn = false;
  #wasOn = false;
  #settlesAt = 0 as Instant;
  #readsSinceChange = Number.POSITIVE_INFINITY;
  #cyclesUntil = 0 as Instant;
  #flags = Buffer.alloc(5);
  #flagsSetAt = 0 as Instant;
  #keepsFlags = false;
  /** Every action and boot option that was carried out, oldest first: `on`, `boot option 5: a004000000`. */
  readonly done: string[] = [];
  /** What it started from, by selector, each time that it started: PXE is 1. */
  readonly starts: number[] = [];
  identifySeconds = 0;
  restartCause = 0;
  watts = 128;
  readonly readings = new Map<number, SimReading>();
  /** Encoded, oldest first. */
  log: Buffer[] = [];
  logChangedAt: Instant;

  constructor(clock: Clock, faults: Faults) {
    this.#clock = clock;
    this.#faults = faults;
    this.logChangedAt = clock();
  }

  /** The true state. */
  get isOn(): boolean {
    return this.#isOn;
  }

  /** As if somebody pressed its button: the BMC is not asked. */
  set isOn(isOn: boolean) {
    this.#isOn = isOn;
    this.#wasOn = isOn;
    this.#readsSinceChange = Number.POSITIVE_INFINITY;
  }

  /** The state as the BMC says it, which faults make late or wavering. */
  readPower(): boolean {
    const reads = this.#readsSinceChange++;
    if (this.#faults.has('flips') && reads === 1) return this.#wasOn;
    return this.#clock() < this.#settlesAt ? this.#wasOn : this.#isOn;
  }

  /** False when the machine is in a state in which that cannot be done, which only a strict BMC minds. */
  control(action: ChassisAction): boolean {
    const now = this.#clock();
    const isCycling = now < this.#cyclesUntil;
    if (this.#faults.has('strict') && (this.#isOn === (action === 'on') || (isCycling && action === 'cycle')))
      return false;
    this.done.push(action);
    if (this.#faults.has('lies')) return true;
    this.#wasOn = this.#isOn;
    this.#readsSinceChange = 0;
    this.#settlesAt = after(now, this.#faults.get('settles') ?? 0);
    this.restartCause = BY_COMMAND;
    if (action === 'off' || action === 'soft') this.#isOn = false;
    if (action === 'on' || action === 'cycle' || action === 'reset') this.#start();
    if (action === 'cycle') this.#cyclesUntil = after(now, 1000);
    return true;
  }

  #start(): void {
    this.#isOn = true;
    const flags = decodeBootFlags(this.flags);
    this.starts.push(flags.isValid ? flags.selector : BOOT_SELECTOR.none);
    if (!flags.isPersistent) this.#flags[0]! &= 0x7f;
  }

  /** Boot flags as they are now: their valid bit goes when their time is over. */
  get flags(): Buffer {
    const isOver = this.#clock() >= after(this.#flagsSetAt, FLAGS_LIVE_MS);
    if (isOver && !this.#keepsFlags) this.#flags[0]! &= 0x7f;
    return this.#flags;
  }

  setBootOption(parameter: number, data: Buffer): void {
    this.done.push(`boot option ${parameter}: ${data.toString('hex')}`);
    if (parameter === BOOT_OPTION.validBitClearing) this.#keepsFlags = ((data[0] ?? 0) & KEEP_FLAGS) !== 0;
    if (parameter !== BOOT_OPTION.flags) return;
    this.#flags = Buffer.concat([data, Buffer.alloc(5)], 5);
    if (this.#faults.has('no-efi')) this.#flags[0]! &= 0xdf;
    this.#flagsSetAt = this.#clock();
  }

  /** Writes an event into the log, with the BMC's time. */
  addEvent(event: Omit<Extract<SelEntry, { kind: 'event' }>, 'kind' | 'id' | 'seconds'>): void {
    this.logChangedAt = this.#clock();
    const seconds = Math.floor(this.logChangedAt / 1000);
    this.log.push(encodeSelEntry({ kind: 'event', id: this.log.length + 1, seconds, ...event }));
  }

  clearLog(): void {
    this.logChangedAt = this.#clock();
    this.log = [];
  }
}
