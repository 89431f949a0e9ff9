import type { Instant } from '../../model/time.ts';
import type { BmcLogEntry } from '../driver.ts';
import { isSuccess } from './answer.ts';
import type { Read } from './client.ts';
import { readMembers } from './collection.ts';
import type { Talk } from './discover.ts';
import { cleanText, linkAt, pathOf, type Resource, textAt, valueAt } from './json.ts';
import { followTask } from './task.ts';

const SERVICE_LIMIT = 16;
const ENTRY_LIMIT = 1000;

/** The event log of the hardware, oldest first. */
export async function readLog(talk: Talk): Promise<BmcLogEntry[]> {
  const service = await findLogService(talk);
  const limits = { members: ENTRY_LIMIT, canExpand: talk.site.root.canExpand };
  const entries = await readMembers(talk.client, linkAt(service.resource, 'Entries'), limits);
  return sortEntries(entries.map(logEntryOf));
}

/** Empties the log that `readLog` reads. */
export async function clearLog(talk: Talk): Promise<void> {
  const { client } = talk;
  const service = await findLogService(talk);
  const target = pathOf(valueAt(service.resource, 'Actions', '#LogService.ClearLog', 'target'));
  if (target === undefined) throw client.error('unsupported', `has no action to clear ${service.path}`);
  const answer = await client.post(target, {});
  if (!answer) throw client.error('unreachable', 'did not answer whether it cleared its log');
  if (!isSuccess(answer)) throw client.refusal(answer, 'the clearing of its log');
  await followTask(client, answer, 'the clearing of its log');
}

async function findLogService({ client, site }: Talk): Promise<Read> {
  const reads: Read[] = [];
  for (const owner of [site.system, site.manager]) {
    const read = await client.find(owner);
    const services = await readMembers(client, linkAt(read?.resource ?? {}, 'LogServices'), { members: SERVICE_LIMIT });
    for (const resource of services) {
      const path = pathOf(resource['@odata.id']);
      if (path !== undefined) reads.push({ path, resource, etag: '' });
    }
  }
  const chosen = chooseLogService(reads);
  if (!chosen) throw client.error('unsupported', 'has no event log of its hardware');
  return chosen;
}

/** Names of the log of hardware events, best first: `SEL` of most, `IML` of HPE, `EventLog` of OpenBMC, `Log1` of Supermicro. */
const GOOD = [/^sel$/i, /^iml$/i, /^event_?log$/i, /^log1$/i, /\bsel\b|event/i];
/** Logs of something else: audits, the life of the BMC, POST codes, dumps. */
const OTHER = /audit|lclog|lifecycle|^lc$|^iel$|^sl$|journal|dump|crash|post_?code|hostlogger|fault|security/i;

/** The log that is about the hardware, among those of the System and its manager. */
export function chooseLogService(services: readonly Read[]): Read | undefined {
  const usable = services.filter(({ resource }) => resource.ServiceEnabled !== false && linkAt(resource, 'Entries'));
  const isSel = usable.find(({ resource }) => textAt(resource, 'LogEntryType') === 'SEL');
  const others = usable.filter(({ resource }) => !OTHER.test(textAt(resource, 'Id')));
  const named = GOOD.map((name) => others.find(({ resource }) => name.test(textAt(resource, 'Id'))));
  return named.find((one) => one !== undefined) ?? isSel ?? others[0];
}

/** DSP0268 LogEntry. A time before 2000 is a clock that was never set. */
function logEntryOf(entry: Resource): BmcLogEntry {
  const at = Date.parse(textAt(entry, 'Created'));
  const severity = SEVERITIES[textAt(entry, 'Severity')] ?? 'info';
  const text = cleanText(textAt(entry, 'Message') || textAt(entry, 'MessageId') || textAt(entry, 'Name') || 'no text');
  const read: BmcLogEntry = { id: textAt(entry, 'Id'), severity, text };
  return Number.isFinite(at) && at > Date.UTC(2000) ? { ...read, at: at as Instant } : read;
}

const SEVERITIES: Readonly<Record<string, BmcLogEntry['severity']>> = {
  OK: 'info',
  Warning: 'warning',
  Critical: 'critical',
};

/** By time where every entry has one; else in the order of their numbers, and where they have none, as they came. */
function sortEntries(entries: readonly BmcLogEntry[]): BmcLogEntry[] {
  const isTimed = entries.every((entry) => entry.at !== undefined);
  const keyOf = (entry: BmcLogEntry) => (isTimed ? (entry.at as number) : Number(entry.id));
  const isSortable = entries.every((entry) => Number.isFinite(keyOf(entry)));
  return isSortable ? entries.toSorted((one, other) => keyOf(one) - keyOf(other)) : [...entries];
}
