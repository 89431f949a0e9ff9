import type { BmcLink, DriverName, KeptOrder, Learned, PowerState, Refusal } from '../model/bmc.ts';
import type { Event } from '../model/event.ts';
import type { Machine } from '../model/machine.ts';
import type { Job } from '../model/workflow.ts';

/** A job as the API shows it: the plan as the names of its stages. */
export type ShownJob = Omit<Job, 'plan'> & { plan: string[]; stageName: string };

/** What the appliance last read of a machine's power, since when it is so, and when it was read. Moments in ms since 1970. */
export type ShownPower = {
  word: PowerState | 'unknown';
  since?: number;
  readAt?: number;
  /** Its BMC has given no answer since. */
  unreachableSince?: number;
  /** What a person was asked to do and has not done. */
  asked?: string;
};

/** A machine as the API shows it, with the job that runs on it. */
export type ShownMachine = Machine & { job?: ShownJob; power: ShownPower };

/** One way to a BMC. `refusal`: why it is not used any more. */
export type ShownLink = BmcLink & { position: number; learned: Learned; refusal?: Refusal };

/** What the API answers about power alone, with its orders. */
export type PowerAnswer = Omit<ShownPower, 'word'> & { power: ShownPower['word']; orders: KeptOrder[] };

/** What the API tells of a machine's BMC: the ways to it, how it answers, the last orders, newest first. */
export type ShownBmc = PowerAnswer & {
  chain: ShownLink[];
  health: {
    driver?: DriverName;
    calls: number;
    failures: number;
    latencyMs?: number;
    answeredAt?: number;
    lastProblem?: { at: number; text: string };
  };
  quirks: { id: string; text: string }[];
};

export type ShownBootenv = { name: string; kind: string; description: string; missing: string };

export type ShownStatus = { version: string; serves: { interface: string; url: string }[]; contentProblems: string[] };

/** One machine on the page: what the API says of it, and what its events have said since. */
export type Row = {
  machine: ShownMachine;
  /** The newest job with a bootenv: what the machine has, or was to get. */
  lastInstall?: ShownJob | undefined;
  /** The last thing that was said about it. */
  line: string;
  /** How far the present stage has come, as the machine itself reports it: 0..100. */
  percent?: number | undefined;
  /** When anything was last heard from the machine itself. */
  heardAt?: number | undefined;
  /** Orders of its BMC that have not ended, oldest first: those that this page gave or has read. */
  orders: readonly KeptOrder[];
  /** Ids of orders whose end was told: an answer that is older than the end does not bring them back. */
  endedOrders: readonly number[];
  /** Why its BMC gives no answer, or is not asked any more, where the page has heard it. */
  bmcProblem?: BmcProblem | undefined;
  /** Steps when something happened to its BMC, so that what was read of it is old. */
  bmcTurn: number;
};

export type BmcProblem = { is: 'unreachable' | 'refuses'; text: string; at: number };

export type { Event, KeptOrder };
