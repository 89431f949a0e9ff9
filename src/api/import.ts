import { Type } from 'typebox';
import {
  checkImport,
  guessImportFormat,
  type Imported,
  type ImportedSubnet,
  type ImportFormat,
  type ImportProblem,
  importDhcp,
  importFormats,
} from '../dhcp/import/index.ts';
import { AppError } from '../model/errors.ts';
import { newSubnet, type Subnet } from '../model/network.ts';
import type { OptionSetting } from '../store/options.ts';
import { cidrToText } from '../wire/address.ts';
import { counted } from './client-text.ts';
import { addHost, isPresent, optionsOf } from './import-hosts.ts';
import { liveOf, putLeases, toReservation } from './import-leases.ts';
import type { Api, ApiOptions } from './server.ts';
import { checkSubnet } from './subnet-rules.ts';

/** A lease file of 100,000 clients has about so many bytes. */
const LARGEST_FILE = 32 * 2 ** 20;
const flag = Type.Optional(Type.Boolean());
const Import = Type.Object(
  {
    format: Type.Optional(Type.Union(importFormats.map((format) => Type.Literal(format)))),
    fileName: Type.Optional(Type.String()),
    text: Type.String(),
    /** Say what would be, and do nothing. */
    dryRun: flag,
    /** Take what can be taken, whatever is wrong with the rest. */
    partial: flag,
    /** The leases of a lease file become leases; without it, reservations. */
    leases: flag,
    /** The subnets of the file are made too. */
    subnets: flag,
  },
  { additionalProperties: false },
);
type Wishes = { partial?: boolean; leases?: boolean; subnets?: boolean; dryRun?: boolean };

/** What came of an import, or would come. `skipped`: reservations of the file that were there already or have a problem. */
export type ImportAnswer = {
  format: ImportFormat;
  /** Whether it was written. */
  done: boolean;
  added: number;
  skipped: number;
  leases: number;
  subnets: string[];
  options: number;
  /** What a client would miss, or get otherwise than the file says. */
  problems: ImportProblem[];
  /** What was left out or is to be known, and harms nobody. */
  notes: ImportProblem[];
};

/** Reservations, and at wish leases and subnets, from the files of other DHCP servers. */
export function addImportRoute(app: Api, options: ApiOptions): void {
  app.post('/api/v1/reservations/import', { bodyLimit: LARGEST_FILE, schema: { body: Import } }, (request, reply) => {
    const { text, fileName = '', ...wishes } = request.body;
    const format = (wishes.format as ImportFormat | undefined) ?? guessImportFormat(fileName, text);
    if (!format)
      throw new AppError(
        'bad-request',
        `${fileName || 'the text'} is of no format that is known here`,
        `name one of: ${importFormats.join(', ')}`,
      );
    const answer = importInto(options, importDhcp(format, text, options.clock()), wishes);
    if (answer.done || wishes.dryRun) return answer;
    const [first] = answer.problems;
    return reply.code(422).send({
      code: 'bad-content',
      error: `nothing was imported, for ${counted(answer.problems.length, 'problem')}: line ${first?.line}: ${first?.text}`,
      next: 'mend the file, or take all the others with: firstlight reservations import FILE --partial (API: "partial": true)',
      ...answer,
    });
  });
}

/** Thrown to take everything back. */
const UNDO = new Error('undo');

function importInto(options: ApiOptions, imported: Imported, wishes: Wishes): ImportAnswer {
  let answer: ImportAnswer | undefined;
  try {
    options.events.settle(() => {
      answer = take(options, imported, wishes);
      const isWhole = answer.problems.length === 0 || wishes.partial === true;
      answer.done = isWhole && wishes.dryRun !== true;
      if (!isWhole && !wishes.dryRun) answer = { ...answer, ...nothingOf(answer) };
      if (!answer.done) throw UNDO;
    });
  } catch (error) {
    if (error !== UNDO) throw error;
  }
  return answer as ImportAnswer;
}

/** All or none: one reservation that cannot be taken keeps the others out. */
function nothingOf({ added, skipped }: ImportAnswer) {
  return { added: 0, skipped: skipped + added, leases: 0, subnets: [], options: 0 };
}

/** Everything that can be taken is written; the caller takes it back when it is not to be. */
function take(options: ApiOptions, imported: Imported, wishes: Wishes): ImportAnswer {
  const { problems, notes } = readersProblems(imported, wishes);
  const subnets: string[] = [];
  for (const one of wishes.subnets ? imported.subnets : []) {
    const made = attempt(one.line, problems, () => addSubnet(one, options));
    if (made) subnets.push(made.name);
  }
  const live = liveOf(imported.leases, options, notes);
  const leases = wishes.leases ? live : [];
  const wanted = [...imported.reservations, ...(wishes.leases ? [] : live.flatMap(toReservation))];
  const fresh = wanted.filter((one) => !isPresent(one, options));
  const conflicts = conflictsOf({ ...imported, reservations: fresh, leases }, options);
  const isInConflict = new Set(conflicts.map((one) => one.line));

  let added = 0;
  const settings: OptionSetting[] = [];
  for (const one of fresh) {
    if (isInConflict.has(one.line)) continue;
    const reservation = attempt(one.line, problems, () => addHost(one, options, notes));
    if (!reservation) continue;
    added++;
    settings.push(...optionsOf(one, reservation, options, problems, notes));
  }
  options.optionSettings.putAll(settings);
  const written = putLeases(
    leases.filter((lease) => !isInConflict.has(lease.line)),
    options,
    notes,
  );
  return {
    format: imported.format,
    done: false,
    added,
    skipped: wanted.length - added,
    leases: written,
    subnets,
    options: settings.length,
    problems: [...problems, ...conflicts].sort(byLine),
    notes: notes.sort(byLine),
  };
}

const byLine = (a: ImportProblem, b: ImportProblem): number => a.line - b.line;

/** What the reader of the file doubts about subnets that are not taken is no more than a note. */
function readersProblems(
  { subnets, reservations, problems }: Imported,
  wishes: Wishes,
): Record<'problems' | 'notes', ImportProblem[]> {
  const left = wishes.subnets ? [] : subnets;
  const lines = new Set(left.map((one) => one.line));
  for (const { line } of reservations) lines.delete(line);
  const notes = problems.filter((one) => lines.has(one.line));
  const [first] = left;
  if (first) notes.push({ line: first.line, text: `${counted(left.length, 'subnet')} of the file left out` });
  return { problems: problems.filter((one) => !lines.has(one.line)), notes };
}

/** What contradicts itself or what is there. What the file says of its subnets is judged where they are made. */
function conflictsOf(imported: Imported, { network }: ApiOptions): ImportProblem[] {
  const present = {
    subnets: network.subnets(),
    reservations: network
      .reservations()
      .flatMap(({ address, mac }) => (address ? [{ address, ...(mac ? { mac } : {}) }] : [])),
    leases: [],
  };
  const key = ({ line, text }: ImportProblem): string => `${line} ${text}`;
  const onSubnets = new Set(checkImport({ ...imported, reservations: [], leases: [] }, present).map(key));
  return checkImport(imported, present).filter((problem) => !onSubnets.has(key(problem)));
}

/** Make a subnet of a file; undefined when there is one of this network. Throws what is wrong with it. */
function addSubnet(one: ImportedSubnet, { network, arrivals }: ApiOptions): Subnet | undefined {
  const text = cidrToText(one.cidr);
  if (network.subnets().some((present) => cidrToText(present.cidr) === text)) return undefined;
  const { line: _, leaseSeconds, sharedNetwork = '', ...rest } = one;
  const subnet = newSubnet({
    ...rest,
    name: text.replace('/', '-'),
    sharedNetwork: sharedNetwork.replace(/[^A-Za-z0-9._-]+/g, '-'),
    ...(leaseSeconds === undefined ? {} : { leaseSeconds: withinLimits(leaseSeconds) }),
  });
  checkSubnet(subnet, network.subnets(), arrivals);
  return network.putSubnet(subnet);
}

/** What the API would take for a subnet: two minutes to a year. */
const withinLimits = (seconds: number): number => Math.min(Math.max(seconds, 120), 365 * 24 * 3600);

/** The result; undefined when it is refused, and then the problem has its line. */
function attempt<T>(line: number, problems: ImportProblem[], work: () => T): T | undefined {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    problems.push({ line, text: error.message });
    return undefined;
  }
}
