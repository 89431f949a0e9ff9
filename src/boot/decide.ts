import { type Bootenv, writesDisk } from '../model/bootenv.ts';
import type { Reason } from '../model/reason.ts';
import type { Instant } from '../model/time.ts';
import type { BootView } from '../model/view.ts';
import { currentStage, type Job, TICKET_ATTEMPTS, type Ticket } from '../model/workflow.ts';

/**
 * What a machine boots now. `local`: its own disk. `bootenv`: that bootenv, on `kernelOf`'s kernel; `ticket` is set when it
 * installs. `failJob` is the sentence with which its job has to end, because this boot must not install.
 */
export type BootDecision = { because: Reason[] } & (
  | { kind: 'local'; failJob?: string }
  | { kind: 'bootenv'; bootenv: Bootenv; kernelOf: Bootenv; ticket?: Ticket }
);

/**
 * The one boot decision, asked by DHCP, TFTP, HTTP, the scout's door and `explain` alike. No disk is ever written without an
 * open ticket: every path to an installer goes through `decideInstall`.
 */
export function decideBoot(view: BootView, now: Instant): BootDecision {
  const { machine } = view;
  if (machine?.state === 'ignored') return local({ rule: 'ignored', text: `${machine.name} is ignored` });

  const stage = currentStage(view.job);
  if (machine && view.job && stage) return decideStage(view, view.job, stage.bootenv, now);

  if (!machine || machine.state === 'new') return decideUnknown(view);
  if (machine.state === 'ready' && !holdsSystem(view))
    return boot(view, 'scout', {
      rule: 'ready',
      text: `${machine.name} is ready, its disks are empty: the scout waits for work`,
    });
  return local({
    rule: `state-${machine.state}`,
    text: `${machine.name} is ${machine.state} and no job asks for another boot`,
  });
}

/** A machine in a job boots what the job's stage says. */
function decideStage(view: BootView, job: Job, stageBootenv: string, now: Instant): BootDecision {
  const name = stageBootenv === '$bootenv' ? (job.bootenv ?? 'local') : stageBootenv;
  const why: Reason = {
    rule: 'job-stage',
    text: `job ${job.id} (${job.workflow}) is in stage ${job.plan[job.stage]?.name}, which boots ${name}`,
    ref: `job ${job.id}`,
  };
  const offered = view.bootenv(name);
  if (name === 'local' || !offered) return local(why);
  if (writesDisk(offered.bootenv)) return decideInstall(view, job, offered.bootenv, why, now);
  return boot(view, name, why);
}

/** Whether an installer may be handed out: the ticket is open, in time, and has starts left. */
function decideInstall(view: BootView, job: Job, bootenv: Bootenv, why: Reason, now: Instant): BootDecision {
  const { ticket, machine } = view;
  const refuse = (rule: string, text: string, failJob?: string): BootDecision => ({
    kind: 'local',
    because: [why, { rule, text, ref: ticket ? `ticket ${ticket.id}` : `job ${job.id}` }],
    ...(failJob ? { failJob } : {}),
  });
  if (machine?.locked)
    return refuse('locked', `${machine.name} is locked`, `${machine.name} was locked while it was to be installed`);
  const state = ticketState(ticket, now);
  if (!ticket || state === 'closed')
    return refuse('ticket-closed', `no open install ticket${ticket?.closedWhy ? ` (${ticket.closedWhy})` : ''}`);
  if (ticket.bootenv !== bootenv.name)
    return refuse('ticket-of-another', `install ticket ${ticket.id} is for ${ticket.bootenv}, not for ${bootenv.name}`);
  if (state === 'expired')
    return refuse(
      'ticket-expired',
      `install ticket ${ticket.id} expired ${new Date(ticket.expiresAt).toISOString()}`,
      `reinstall loop stopped: the installer came back after its ticket expired without having reported that it was done`,
    );
  const starts = ticket.lastBoot === view.boot ? ticket.attempts : ticket.attempts + 1;
  if (starts > TICKET_ATTEMPTS)
    return refuse(
      'ticket-used-up',
      `install ticket ${ticket.id} was started ${ticket.attempts} times without a report`,
      `reinstall loop stopped: ${bootenv.name} was started ${ticket.attempts} times and never reported that it was done`,
    );
  const decision = boot(view, bootenv.name, why, ticket);
  if (decision.kind !== 'bootenv') return decision;
  const open: Reason = {
    rule: 'ticket-open',
    text: `install ticket ${ticket.id} is open, start ${starts} of ${TICKET_ATTEMPTS}, opened by ${ticket.openedBy}`,
    ref: `ticket ${ticket.id}`,
  };
  return { ...decision, ticket, because: [...decision.because, open] };
}

/** Whether a ticket still gives its right: nobody has closed it, and its time is not over. No ticket is a closed one. */
export function ticketState(ticket: Ticket | undefined, now: Instant): 'open' | 'closed' | 'expired' {
  if (!ticket || ticket.closedAt !== undefined) return 'closed';
  return ticket.expiresAt <= now ? 'expired' : 'open';
}

/** Machines that nobody has accepted boot the scout or their disk, as the setting says, and nothing else. */
function decideUnknown(view: BootView): BootDecision {
  const who = view.machine ? `${view.machine.name} is not accepted yet` : `${view.mac} is unknown`;
  const why: Reason = {
    rule: 'unknown',
    text: `${who}; such machines boot ${view.unknownBoots}`,
    ref: 'setting unknown',
  };
  return view.unknownBoots === 'scout' ? boot(view, 'scout', why) : local(why);
}

/** Whether any disk has something written on it: it may be a system that somebody needs. Unknown counts as yes. */
function holdsSystem(view: BootView): boolean {
  const disks = view.machine?.inventory?.disks;
  return disks === undefined || disks.some((disk) => !disk.blank);
}

/** Boot this bootenv, or the local disk when something of it is missing: a machine is never sent into an error. */
function boot(view: BootView, name: string, why: Reason, ticket?: Ticket): BootDecision {
  const offered = view.bootenv(name);
  if (!offered) return local(why, { rule: 'no-such-bootenv', text: `there is no bootenv ${name}` });
  if (offered.missing)
    return local(why, { rule: 'bootenv-unavailable', text: `bootenv ${name} cannot be booted: ${offered.missing}` });
  const kernelOf = offered.bootenv.boots ? view.bootenv(offered.bootenv.boots) : offered;
  if (!kernelOf || kernelOf.missing)
    return local(why, {
      rule: 'bootenv-unavailable',
      text: `bootenv ${name} boots ${offered.bootenv.boots}, which cannot be booted: ${kernelOf?.missing ?? 'it does not exist'}`,
    });
  // whatever content calls its bootenvs and lets them boot: without a ticket nothing that installs is reached from here
  const installer = [offered.bootenv, kernelOf.bootenv].find(writesDisk);
  if (installer && !ticket)
    return local(why, { rule: 'no-ticket', text: `${installer.name} installs, and no install ticket is open for it` });
  return { kind: 'bootenv', bootenv: offered.bootenv, kernelOf: kernelOf.bootenv, because: [why] };
}

function local(...because: Reason[]): BootDecision {
  return { kind: 'local', because };
}
