import type { SimAnswer, SimRequest } from './redfish-answer.ts';
import { MACHINE_FAULTS } from './redfish-faults-machine.ts';
import { PART_FAULTS } from './redfish-faults-parts.ts';
import { SERVICE_FAULTS } from './redfish-faults-service.ts';
import type { SimModel } from './redfish-model.ts';
import type { Sessions } from './redfish-sessions.ts';

/** What a fault can see and change. `tasks`: answers that wait at a path, each given once and the last one ever after. */
export type FaultWorld = { model: SimModel; sessions: Sessions; tasks: Map<string, SimAnswer[]> };

/** What becomes of a request: an answer, a closed connection, or silence. */
export type Verdict = SimAnswer | 'reset' | 'hang';

/** One fault in force. Without `method` and `path` it is for every request that its row is about. */
export type Fault = {
  name: FaultName;
  /** How often; without it, always. */
  times?: number;
  method?: string;
  /** A part of the URL. */
  path?: string;
  /** For rows that answer with a status, a message, a text, a number of milliseconds or of something else. */
  status?: number;
  id?: string;
  text?: string;
  ms?: number;
  count?: number;
};

/** How BMCs go wrong. A hook gives undefined for what it is not about; that does not count towards `times`. */
export type FaultRow = {
  what: string;
  /** Before anything is done: what comes of it instead. */
  before?: (request: SimRequest, fault: Fault, world: FaultWorld) => Verdict | undefined;
  /** After it was done: the answer that is given for it. */
  after?: (given: SimAnswer, request: SimRequest, fault: Fault, world: FaultWorld) => Verdict | undefined;
};

export const FAULTS = { ...SERVICE_FAULTS, ...MACHINE_FAULTS, ...PART_FAULTS } satisfies Record<string, FaultRow>;

export type FaultName = keyof typeof SERVICE_FAULTS | keyof typeof MACHINE_FAULTS | keyof typeof PART_FAULTS;

/** The faults in force, in the order in which they were put there. */
export class Faults {
  readonly #inForce: Fault[] = [];

  add(fault: Fault): void {
    this.#inForce.push({ ...fault });
  }

  remove(name: FaultName): void {
    for (let index = this.#inForce.length - 1; index >= 0; index--)
      if (this.#inForce[index]?.name === name) this.#inForce.splice(index, 1);
  }

  /** Milliseconds that this request has to wait. */
  delayMs(request: SimRequest): number {
    const slow = this.#inForce.filter((fault) => fault.ms !== undefined && concerns(fault, request));
    return slow.reduce((sum, fault) => sum + (fault.ms ?? 0), 0);
  }

  before(request: SimRequest, world: FaultWorld): Verdict | undefined {
    for (const fault of this.#of(request)) {
      const row: FaultRow = FAULTS[fault.name];
      const verdict = row.before?.(request, fault, world);
      if (verdict === undefined) continue;
      use(fault);
      return verdict;
    }
    return undefined;
  }

  after(given: SimAnswer, request: SimRequest, world: FaultWorld): Verdict {
    let verdict: Verdict = given;
    for (const fault of this.#of(request)) {
      if (typeof verdict === 'string') break;
      const row: FaultRow = FAULTS[fault.name];
      const changed: Verdict | undefined = row.after?.(verdict, request, fault, world);
      if (changed === undefined) continue;
      use(fault);
      verdict = changed;
    }
    return verdict;
  }

  #of(request: SimRequest): Fault[] {
    return this.#inForce.filter((fault) => concerns(fault, request) && (fault.times === undefined || fault.times > 0));
  }
}

function concerns({ method, path }: Fault, request: SimRequest): boolean {
  return (method === undefined || method === request.method) && (path === undefined || request.url.includes(path));
}

function use(fault: Fault): void {
  if (fault.times !== undefined) fault.times -= 1;
}
