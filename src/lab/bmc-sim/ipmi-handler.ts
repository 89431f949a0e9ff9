import type { AnyCommand, Command } from '../../wire/ipmi.ts';
import type { DeviceId } from '../../wire/ipmi-device.ts';
import type { CipherSuite } from '../../wire/rakp.ts';
import type { Faults } from './ipmi-faults.ts';
import type { SimMachine } from './ipmi-machine.ts';
import type { SimSerial } from './ipmi-serial.ts';
import type { SimSession, SimSessions } from './ipmi-sessions.ts';

/** What a BMC has stored, and its reservations of it. */
export type SimStorage = {
  records: readonly Buffer[];
  inventories: readonly Buffer[];
  sdrReservation: number;
  selReservation: number;
  /** Reads of sensor records since the start. */
  reads: number;
};

/** What the handlers of commands work with. `session` is undefined outside of one. */
export type SimContext = {
  machine: SimMachine;
  sessions: SimSessions;
  serial: SimSerial;
  storage: SimStorage;
  suites: readonly CipherSuite[];
  guid: Buffer;
  device: DeviceId;
  faults: Faults;
  port: number;
  session: SimSession | undefined;
};

/** Does a command; gives its response, or a completion code that says why not, or SILENCE. */
export type Handler = { command: AnyCommand; handle(request: never, context: SimContext): unknown };

/** The answer of a BMC that does not answer. */
export const SILENCE = Symbol('silence');

/** A row with the types of its command. */
export function handler<Q, A>(
  command: Command<Q, A>,
  handle: (request: Q, context: SimContext) => A | number | typeof SILENCE,
): Handler {
  return { command, handle };
}
