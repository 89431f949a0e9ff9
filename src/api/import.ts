import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import { type Static, Type } from 'typebox';
import {
  guessImportFormat,
  type ImportFormat,
  type ImportProblem,
  importFormats,
  noteAt,
} from '../dhcp/import/index.ts';
import { counted } from '../model/counted.ts';
import { AppError } from '../model/errors.ts';
import { networkChanged } from '../model/network-change.ts';
import { createTurns } from '../model/turns.ts';
import { commitImport } from './import-commit.ts';
import { planImport } from './import-plan.ts';
import { inOrder, type Told } from './import-problems.ts';
import { readImport } from './import-reader.ts';
import { strict } from './schemas.ts';
import type { Api, ApiOptions } from './server.ts';

/** A lease file of 100,000 clients has about so many bytes. */
const LARGEST_FILE = 32 * 2 ** 20;
const flag = Type.Optional(Type.Boolean());
const Import = Type.Object(
  {
    format: Type.Optional(Type.String()),
    fileName: Type.Optional(Type.String()),
    text: Type.String(),
    /** Say what would be, and do nothing. */
    dryRun: flag,
    /** Take what can be taken, in spite of errors in the rest. */
    partial: flag,
    /** The leases of a lease file become leases; without it, reservations. */
    leases: flag,
    /** The subnets of the file are made too. */
    subnets: flag,
  },
  strict,
);
type Wanted = Static<typeof Import>;

/** What came of an import, or would come. */
export type ImportAnswer = {
  format: ImportFormat;
  /** Whether it was written. */
  done: boolean;
  added: number;
  /** Reservations of the file that were here already, stand in it twice, or have an error. */
  skipped: number;
  leases: number;
  subnets: string[];
  options: number;
  /** What would be lost, or is wrong: nothing is taken when there is one, unless `partial` is wished. */
  errors: Told[];
  /** What is only to be known: it harms nobody, or has no meaning here. */
  notes: Told[];
};

/** Reservations, and at wish leases and subnets, from the files of other DHCP servers. */
export function addImportRoute(app: Api, options: ApiOptions): void {
  /** One after the other: two at once would hold twice the memory, and each would not see what the other writes. */
  const turns = createTurns();
  // one that is under way is written to its end
  app.addHook('onClose', async () => turns.ended());

  app.post(
    '/api/v1/reservations/import',
    { bodyLimit: LARGEST_FILE, schema: { body: Import }, errorHandler: refuseLargest },
    async (request, reply) => {
      const wanted = request.body;
      const format = formatOf(wanted);
      const answer = await turns.take(() => importFile(wanted, format, request.operator, options));
      if (answer.done || wanted.dryRun) return answer;
      const [first] = answer.errors;
      return reply.code(422).send({
        code: 'bad-content',
        error: `nothing was imported, for ${counted(answer.errors.length, 'error')}: line ${first?.line}: ${first?.text}`,
        next: 'mend the file, or take all the others with: firstlight reservations import FILE --partial (API: "partial": true)',
        ...answer,
      });
    },
  );
}

/** Tells of a file that is too large; every other error is for the handler of all routes. */
function refuseLargest(error: FastifyError, _: FastifyRequest, reply: FastifyReply): FastifyReply {
  if (error.code !== 'FST_ERR_CTP_BODY_TOO_LARGE') throw error;
  const most = `${LARGEST_FILE / 2 ** 20} MiB`;
  return reply.code(413).send({
    code: 'bad-request',
    error: `the file is too large: an import takes at most ${most} at a time`,
    next: 'import it in parts',
  });
}

/** The format that is named, or that the text has. Throws for a text that is of none. */
function formatOf({ format, fileName = '', text }: Wanted): ImportFormat {
  const name = fileName || 'the text';
  const known = `name one of: ${importFormats.join(', ')}`;
  if (text.includes('\0'))
    throw new AppError('bad-request', `${name} is no text file`, 'unpack it first, if it is compressed');
  const named = importFormats.find((one) => one === format);
  if (format !== undefined && !named)
    throw new AppError('bad-request', `format: ${JSON.stringify(format)} is no format that is known here`, known);
  const found = named ?? guessImportFormat(fileName, text);
  if (found) return found;
  if (text.trim() === '') throw new AppError('bad-request', `${name} is empty`);
  throw new AppError('bad-request', `${name} is of no format that is known here`, known);
}

async function importFile(
  wanted: Wanted,
  format: ImportFormat,
  operator: string,
  options: ApiOptions,
): Promise<ImportAnswer> {
  const imported = await readImport({ format, text: wanted.text, now: options.clock() });
  imported.problems.push(...noteOnFormat(wanted, format));
  const plan = await planImport(imported, wanted, options);
  const answer: ImportAnswer = {
    format,
    done: false,
    added: plan.hosts.length,
    skipped: plan.skipped,
    leases: plan.leases.length,
    subnets: plan.subnets.map(({ name }) => name),
    options: plan.hosts.reduce((sum, { settings }) => sum + settings.length, 0),
    errors: plan.errors,
    notes: plan.notes,
  };
  if (wanted.dryRun) return answer;
  if (plan.errors.length > 0 && !wanted.partial)
    return { ...answer, added: 0, skipped: plan.skipped + plan.hosts.length, leases: 0, subnets: [], options: 0 };
  const { leases, notes } = await commitImport(plan, options);
  tellImport({ ...answer, leases }, wanted.fileName, operator, options);
  return { ...answer, done: true, leases, notes: inOrder([...plan.notes, ...notes]) };
}

/** One event for the whole file: each subnet, reservation and option would be too many for a timeline. */
function tellImport(
  { format, subnets, added, options: settings, leases }: ImportAnswer,
  fileName = '',
  by: string,
  { events }: ApiOptions,
): void {
  if (subnets.length + added + leases === 0) return;
  const event = networkChanged({
    what: 'file',
    name: fileName || 'without a name',
    by,
    after: {
      format,
      subnets,
      reservations: added || undefined,
      options: settings || undefined,
      leases: leases || undefined,
    },
  });
  if (event) events.emit(event);
}

/** A format that is named counts, also where the text looks otherwise. */
function noteOnFormat({ format, fileName = '', text }: Wanted, taken: ImportFormat): ImportProblem[] {
  const likely = format === undefined ? undefined : guessImportFormat('', text);
  if (!likely || likely === taken) return [];
  return [noteAt(1, `${fileName || 'the text'} is read as ${taken}, and looks like ${likely}`)];
}
