import type { Event } from '../model/event.ts';
import type { Machine } from '../model/machine.ts';
import type { Job } from '../model/workflow.ts';

/** A job as the API shows it: the plan as the names of its stages. */
export type ShownJob = Omit<Job, 'plan'> & { plan: string[]; stageName: string };

/** A machine as the API shows it, with the job that runs on it. */
export type ShownMachine = Machine & { job?: ShownJob };

export type ShownBootenv = { name: string; kind: string; description: string; missing: string };

export type ShownStatus = { version: string; serves: { interface: string; url: string }[]; contentProblems: string[] };

/** What a BMC said of its machine's power, and when; `word` is unknown while nobody has asked it. */
export type Power = { word: 'on' | 'off' | 'unknown'; at: number };

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
  power?: Power | undefined;
};

export type { Event };
