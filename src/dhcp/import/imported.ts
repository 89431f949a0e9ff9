import type { Instant } from '../../model/time.ts';
import { after } from '../../model/time.ts';
import type { Cidr, Ipv4, Mac } from '../../wire/address.ts';
import { escapeText } from '../../wire/bytes.ts';

/** Whose file it is: `dnsmasq` is its configuration or a dhcp-hostsfile, `isc` a dhcpd.conf, `kea` the JSON of kea-dhcp4. */
export const importFormats = ['csv', 'dnsmasq', 'dnsmasq-leases', 'isc', 'isc-leases', 'kea', 'kea-leases'] as const;
/** One of importFormats. */
export type ImportFormat = (typeof importFormats)[number];

/** What the file sends to a client: `name` as in our own table where that has the code, `text` the value as it was told,
 *  several values with ', ' between. Code 0 named `next-server` is the header field siaddr, which is no option. */
export type ImportedOption = { code: number; name?: string; text: string };

/** What the file keeps for one client. At least one of mac, clientId, uuid, circuitId and remoteId is there; a client id
 *  that is 01 and a MAC (RFC 2132 9.14) gives the MAC as well. `hostname` is '' when none is told. */
export type ImportedReservation = {
  /** The line of the file, counted from 1; so in all types here. */
  line: number;
  mac?: Mac;
  clientId?: Buffer;
  uuid?: string;
  circuitId?: Buffer;
  remoteId?: Buffer;
  address?: Ipv4;
  hostname: string;
  options: ImportedOption[];
};

/** Bound with an end that is over is an ended lease; released stands for every state in which nobody has the address. */
export type ImportedLease = {
  line: number;
  address: Ipv4;
  mac?: Mac;
  clientId?: Buffer;
  hostname: string;
  state: 'bound' | 'released' | 'declined';
  expiresAt: Instant;
};

/** A subnet as the file has it. `line` counts from 1. */
export type ImportedSubnet = {
  line: number;
  cidr: Cidr;
  /** Both ends included. */
  pools: { first: Ipv4; last: Ipv4 }[];
  gateway?: Ipv4;
  dns: Ipv4[];
  domain: string;
  /** Absent where the file says nothing; 4294967295 is for ever (RFC 2131 3.3). */
  leaseSeconds?: number;
  /** The subnets that name the same one share a wire. */
  sharedNetwork?: string;
};

/**
 * What was left out, or taken with a doubt, and why: one sentence with the value. An error is something that would be lost, or
 * is wrong: an entry that cannot be read, a conflict. A note is only told: what has no meaning here, or no place in a subnet.
 */
export type ImportProblem = {
  line: number;
  severity: 'error' | 'note';
  text: string;
  /** It is about what the file says of its subnets, and so about nothing when those are not wanted. */
  ofSubnets?: true;
};

/** All that was found in a file. */
export type Imported = {
  format: ImportFormat;
  subnets: ImportedSubnet[];
  reservations: ImportedReservation[];
  leases: ImportedLease[];
  problems: ImportProblem[];
};

/** What a reader of one format found; what it leaves out it has none of. */
export type Found = Partial<Omit<Imported, 'format'>>;

/** Something that would be lost, or is wrong. */
export function errorAt(line: number, text: string): ImportProblem {
  return { line, severity: 'error', text };
}

/** Something that is only told. */
export function noteAt(line: number, text: string): ImportProblem {
  return { line, severity: 'note', text };
}

/** An error for who wants the subnets of the file, else a note. */
export function subnetErrorAt(line: number, text: string): ImportProblem {
  return { line, severity: 'error', text, ofSubnets: true };
}

/** The time of a lease that has no end (RFC 2131 3.3). */
export const FOR_EVER_SECONDS = 0xffffffff;

/** When a lease without an end ends: as late as one that we give for ever. */
export function endOfForEver(now: Instant): Instant {
  return after(now, FOR_EVER_SECONDS * 1000);
}

/** A text of the file inside a problem: in quotes, printable, and no longer than a line can bear. */
export function quote(text: string): string {
  const short = text.length > 80 ? `${text.slice(0, 80)}...` : text;
  return `"${escapeText(short)}"`;
}

/** The lines of a text, whichever system wrote it. */
export function linesOf(text: string): string[] {
  return text.split(/\r\n|\n|\r/);
}

/** Puts them at the end, however many they are: `push(...more)` throws at about a hundred thousand. */
export function append<T>(list: T[], more: Iterable<T>): void {
  for (const one of more) list.push(one);
}
