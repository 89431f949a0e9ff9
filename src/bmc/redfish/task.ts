import { type Answer, isSuccess, messagesOf } from './answer.ts';
import type { Client } from './client.ts';
import { pathOf, textAt } from './json.ts';

const POLL_MS = 2000;
const POLLS = 60;
/** A job can be announced before it can be read, and be gone as soon as it is done (R11). */
const ABSENT_POLLS = 4;

const ENDED_WELL = ['Completed'];
const ENDED_BADLY = ['Exception', 'Killed', 'Cancelled', 'Interrupted'];

/** Waits for what a BMC does after it answered 202 (DSP0266, "Asynchronous operations"), for two minutes. Fails when the BMC says that it failed. */
export async function followTask(client: Client, answer: Answer, what: string): Promise<void> {
  const path = taskPath(answer);
  if (answer.status !== 202 || path === undefined) return;
  let absences = 0;
  for (let poll = 0; poll < POLLS; poll++) {
    if (!(await client.pause(POLL_MS))) break;
    const seen = await client.ask({ method: 'GET', path });
    if ([404, 410].includes(seen.status)) {
      absences += 1;
      if (absences === ABSENT_POLLS) return; // what it did shows where it was to be done
      continue;
    }
    if (!isSuccess(seen)) throw client.refusal(seen, what);
    if (seen.status === 202) continue;
    const state = textAt(seen.resource, 'TaskState') || textAt(seen.resource, 'JobState');
    if (ENDED_BADLY.includes(state)) {
      const why = messagesOf(seen).map((message) => message.text)[0] ?? state;
      throw client.refusal({ ...seen, resource: { error: { message: why } } }, what, 'refused');
    }
    // A monitor answers with the result of the request itself, which is no task, once it is there.
    if (state === '' || ENDED_WELL.includes(state)) return;
  }
  throw client.error('busy', `was still at ${what} after ${(POLLS * POLL_MS) / 1000} s`);
}

function taskPath({ headers, resource }: Answer): string | undefined {
  const location = (headers.location ?? '').replace(/^https?:\/\/[^/]+/i, '');
  return pathOf(location) ?? pathOf(resource['@odata.id']);
}
