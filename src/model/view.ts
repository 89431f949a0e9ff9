import type { Ipv4, Mac } from '../wire/address.ts';
import type { Bootenv } from './bootenv.ts';
import type { Machine } from './machine.ts';
import type { Job, Ticket } from './workflow.ts';

/** A bootenv as a decision sees it: what it says, and what it lacks to be booted ('' when nothing). */
export type OfferedBootenv = { bootenv: Bootenv; missing: string };

/** The snapshot that the boot decision reads: everything about one machine that matters to what it boots. */
export type BootView = {
  mac: Mac;
  machine?: Machine | undefined;
  job?: Job | undefined;
  /** The newest ticket of the running job, open or closed. */
  ticket?: Ticket | undefined;
  /** The number of the boot that the machine is in, or is about to begin. */
  boot: number;
  /** What a machine nobody has accepted may boot. */
  unknownBoots: 'scout' | 'local';
  bootenv(name: string): OfferedBootenv | undefined;
};

/** Where a request came in and how we are reached from there. */
export type Arrival = {
  interface: string;
  /** Our own address on that interface: server identifier, next-server, host of URLs. */
  serverAddress: Ipv4;
  /** Base of every URL given to a machine, without a slash at its end. */
  url: string;
  /** Beside a DHCP server that is not ours: boot data only, no addresses. */
  isProxy?: boolean;
};
