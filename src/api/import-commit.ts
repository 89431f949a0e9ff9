import type { ImportProblem } from '../dhcp/import/index.ts';
import { AppError } from '../model/errors.ts';
import type { Lease } from '../model/network.ts';
import type { OptionSetting } from '../store/options.ts';
import type { PlannedHost } from './import-hosts.ts';
import { isGuest, isOutdated, noteOnOutdated, type PlannedLease } from './import-leases.ts';
import type { ImportPlan } from './import-plan.ts';
import type { ApiOptions } from './server.ts';
import { inSlices } from './turns.ts';

/** After each of them the store reads all subnets and reservations anew. */
const SUBNETS_AT_ONCE = 20;

/**
 * Writes what was planned, some thousand rows in a transaction: DHCP is answered between two of them. Throws when somebody has
 * taken an address or a client in the meantime, or the disk refuses; what was written before is taken back then. `leases`: how
 * many were written; where this server has given one in the meantime, that one stays, and a note says so.
 */
export async function commitImport(
  plan: ImportPlan,
  options: ApiOptions,
): Promise<{ leases: number; notes: ImportProblem[] }> {
  const { events, network } = options;
  /** The numbers that planned subnets have got. */
  const subnets = new Map<number, number>();
  const reservations: number[] = [];
  const leases = new Set<Lease>();
  const notes: ImportProblem[] = [];
  try {
    for await (const slice of inSlices(plan.subnets, SUBNETS_AT_ONCE)) {
      const made = events.settle(() => slice.map((one) => network.putSubnet(one).id));
      for (const [index, { id }] of slice.entries()) subnets.set(id, made[index] as number);
    }
    for await (const slice of inSlices(plan.hosts))
      for (const id of events.settle(() => addHosts(slice, subnets, options))) reservations.push(id);
    for await (const slice of inSlices(plan.leases))
      events.settle(() => putLeases(slice, subnets, leases, options, notes));
  } catch (error) {
    takeBack({ subnets: subnets.values(), reservations, leases }, options);
    throw error;
  }
  return { leases: leases.size, notes };
}

function addHosts(
  hosts: readonly PlannedHost[],
  subnets: ReadonlyMap<number, number>,
  { network, optionSettings }: ApiOptions,
): number[] {
  const settings: OptionSetting[] = [];
  const ids = hosts.map(({ line, wanted, settings: own }) => {
    const { id } = whileWriting(line, () => network.addReservation(withNumber(wanted, subnets)));
    for (const one of own) settings.push({ ...one, scopeId: String(id) });
    return id;
  });
  if (settings.length > 0) optionSettings.putAll(settings);
  return ids;
}

/** Enters into `written` what it has put. */
function putLeases(
  planned: readonly PlannedLease[],
  subnets: ReadonlyMap<number, number>,
  written: Set<Lease>,
  options: ApiOptions,
  notes: ImportProblem[],
): void {
  for (const { line, lease } of planned) {
    const wanted = withNumber(lease, subnets);
    if (isOutdated(wanted, written, options)) {
      notes.push(noteOnOutdated({ line, address: wanted.address }));
      continue;
    }
    const put: Lease = { ...wanted, isGuest: isGuest(wanted, options) };
    options.leases.put(put);
    written.add(put);
  }
}

function takeBack(
  done: { subnets: Iterable<number>; reservations: readonly number[]; leases: Iterable<Lease> },
  { events, network, leases, optionSettings }: ApiOptions,
): void {
  events.settle(() => {
    for (const { subnetId, address, client, expiresAt } of done.leases) {
      const present = leases.at(subnetId, address);
      // a client that has renewed it in the meantime was promised it by this server
      if (present && present.client === client && present.expiresAt === expiresAt) leases.remove(present);
    }
    for (const id of done.reservations) network.removeReservation(id);
    const used = new Set([...network.reservations(), ...leases.all()].map(({ subnetId }) => subnetId));
    for (const id of done.subnets) if (!used.has(id)) network.removeSubnet(id); // by now it may be somebody's
  });
  // the database has taken what belonged to them away as well
  leases.reload();
  optionSettings.reload();
}

function withNumber<T extends { subnetId: number }>(planned: T, subnets: ReadonlyMap<number, number>): T {
  return { ...planned, subnetId: subnets.get(planned.subnetId) ?? planned.subnetId };
}

/** A refusal that the plan did not foresee: somebody was quicker. */
function whileWriting<T>(line: number, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    throw new AppError(
      error.code,
      `nothing was imported: line ${line}: ${error.message}`,
      'it was not so when the import began: import the file once more',
    );
  }
}
