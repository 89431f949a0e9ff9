import type { Events } from '../events.ts';
import type { Reason } from '../model/reason.ts';
import type { Ticket } from '../model/workflow.ts';
import type { Jobs } from '../store/jobs.ts';
import type { Mac } from '../wire/address.ts';

/** What writes a machine's disk is handed out, on this ticket and in this boot of the machine. */
export type InstallStart = { ticket: Ticket; boot: number; mac: Mac; because: Reason[] };

/**
 * Count the start of an install on its ticket and tell it, once for each boot: who asks again in the same boot has lost an answer.
 * `boot/decide.ts` has said before whether the ticket has a start left.
 */
export function commitStart(to: { jobs: Jobs; events: Events }, { ticket, boot, mac, because }: InstallStart): void {
  if (!to.jobs.useTicket(ticket, boot)) return;
  to.events.emit({
    kind: 'ticket.used',
    text: `install ticket ${ticket.id}: start ${ticket.attempts + 1} of ${ticket.bootenv}`,
    machineId: ticket.machineId,
    mac,
    because,
  });
}
