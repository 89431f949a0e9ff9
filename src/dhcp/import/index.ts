import type { Instant } from '../../model/time.ts';
import { importCsvReservations } from './csv-reservations.ts';
import { importDnsmasq } from './dnsmasq.ts';
import { importDnsmasqLeases } from './dnsmasq-leases.ts';
import type { Found, Imported, ImportFormat } from './imported.ts';
import { importIsc } from './isc.ts';
import { importIscLeases } from './isc-leases.ts';
import { importKea } from './kea.ts';
import { importKeaLeases } from './kea-leases.ts';

export { indexSubnets, leaseChecker, type Marks, type PresentReservation, reservationChecker } from './check.ts';
export { exportReservationsCsv } from './csv-reservations.ts';
export { guessImportFormat } from './guess.ts';
export type {
  Imported,
  ImportedLease,
  ImportedOption,
  ImportedReservation,
  ImportedSubnet,
  ImportFormat,
  ImportProblem,
} from './imported.ts';
export { errorAt, importFormats, noteAt } from './imported.ts';

const readers: Readonly<Record<ImportFormat, (text: string, now: Instant) => Found>> = {
  csv: importCsvReservations,
  dnsmasq: importDnsmasq,
  'dnsmasq-leases': importDnsmasqLeases,
  isc: importIsc,
  'isc-leases': importIscLeases,
  kea: importKea,
  'kea-leases': importKeaLeases,
};

/** What another server's file holds for its clients. Never throws: what cannot be taken is among the problems, in the
 *  order of the lines, each with what it is: an error or a note. `now` is when a lease without an end begins to count. */
export function importDhcp(format: ImportFormat, text: string, now: Instant): Imported {
  const found = readers[format](text.replace(/^\uFEFF/, ''), now);
  const { subnets = [], reservations = [], leases = [], problems = [] } = found;
  return { format, subnets, reservations, leases, problems: problems.toSorted((a, b) => a.line - b.line) };
}
