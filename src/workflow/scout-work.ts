import type { IncomingMessage } from 'node:http';
import { answer } from '../boot/http-server.ts';
import { commitStart } from '../boot/start.ts';
import type { Machine } from '../model/machine.ts';
import { describeReasons, type Reason } from '../model/reason.ts';
import { currentStage } from '../model/workflow.ts';
import type { Run, Task } from '../store/jobs.ts';
import { bootView } from '../store/views.ts';
import { taskName } from './advance.ts';
import { type Call, type DoorOptions, sendText } from './call.ts';
import { decideWork, type WorkDecision } from './rights.ts';
import type { RunFiles } from './run-file.ts';

const LONGEST_WAIT_S = 50;
const MAX_STATUS_CHARACTERS = 400;

type TaskDecision = WorkDecision & { kind: 'task' };

/** `GET work`: the scout's long poll, and what it brings. */
export function createScoutWork(options: DoorOptions, runFiles: RunFiles) {
  const { machines, jobs, events, runner, clock } = options;
  const waiting = new Set<{ machineId: number; wake: () => void }>();
  events.listen((event) => {
    for (const one of waiting) if (one.machineId === event.machineId) one.wake();
  });

  /** Work for the scout as soon as there is some. */
  async function give(call: Call): Promise<void> {
    const { run, machine, response, request } = call;
    if (run.purpose !== 'scout') return answer(response, 404, "this token is not a scout's");
    const seconds = Math.min(Math.max(Number(call.query.get('wait') ?? 0) || 0, 0), LONGEST_WAIT_S);
    const deadline = clock() + seconds * 1000;
    while (!response.destroyed) {
      const present = jobs.run(call.token);
      const fresh = machines.byId(machine.id);
      if (!present || !fresh || present.boot !== fresh.boot)
        return answer(response, 410, 'the machine has started again since: this scout is over');
      const work = lookForWork(present, fresh);
      if (work.kind === 'task') return handOut({ ...call, machine: fresh }, work);
      if (work.kind === 'over') {
        runner.fail(work.job.id, work.failJob);
        return answer(response, 410, work.failJob);
      }
      if (work.because.length > 0) tellHeldBack(fresh, work.because);
      const left = deadline - clock();
      if (left <= 0) {
        response.writeHead(204);
        response.end();
        return;
      }
      await waitForChange(machine.id, left, request);
    }
  }

  function lookForWork(run: Run, machine: Machine): WorkDecision {
    const view = bootView(options, { mac: run.mac });
    const job = view.machine?.id === machine.id ? view.job : undefined;
    if (!job || !currentStage(job)) return { kind: 'none', because: [] };
    const task = jobs.taskOfBoot(job.id, machine.boot);
    return decideWork({ ...view, task, isRestarting: jobs.hasEffectsTodo(job.id) }, clock());
  }

  function handOut(call: Call, work: TaskDecision): void {
    try {
      const { script, task } = events.settle(() => {
        const script = runFiles.render(call, work, runFiles.issue(call, work));
        const { ticket, because } = work;
        if (ticket) commitStart(options, { ticket, boot: call.machine.boot, mac: call.run.mac, because });
        return { script, task: startTask(call, work) };
      });
      sendText(call, script, { 'X-Task': String(task.id), 'X-Task-Name': task.name });
    } catch (error) {
      runFiles.refuse(call, work.template, error);
    }
  }

  /** The task of this boot, begun now, or before when its first answer was lost on the way. */
  function startTask({ machine, run }: Call, { job, template }: TaskDecision): Task {
    const present = jobs.taskOfBoot(job.id, machine.boot);
    if (present) return present;
    const name = taskName(template);
    const created = jobs.startTask(job, name, machine.boot, clock());
    events.emit({
      kind: 'task.started',
      text: `task ${name} begins`,
      machineId: machine.id,
      mac: run.mac,
      data: { task: created.id, job: job.id },
    });
    return created;
  }

  /** Why a scout that waits gets nothing of its job: told once, and shown for as long as it is so. */
  function tellHeldBack(machine: Machine, because: Reason[]): void {
    const text = `the scout waits: ${describeReasons(because)}`.slice(0, MAX_STATUS_CHARACTERS);
    if (machine.status === text) return;
    events.settle(() => {
      machines.setStatus(machine.id, text);
      events.emit({ kind: 'machine.changed', text, machineId: machine.id, because });
    });
  }

  /** Something happened to the machine, or the time is up, or the scout went away. */
  function waitForChange(machineId: number, ms: number, request: IncomingMessage): Promise<void> {
    return new Promise((resolve) => {
      const finish = (): void => {
        clearTimeout(timer);
        waiting.delete(one);
        request.socket.off('close', finish);
        resolve();
      };
      const one = { machineId, wake: finish };
      const timer = setTimeout(finish, ms);
      waiting.add(one);
      request.socket.on('close', finish);
    });
  }

  return { give, stop: (): void => waiting.forEach((one) => void one.wake()) };
}
