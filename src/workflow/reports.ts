import { Value } from 'typebox/value';
import { answer } from '../boot/http-server.ts';
import { DRIVER_PORTS } from '../model/bmc.ts';
import { Inventory } from '../model/inventory.ts';
import type { Job, Ticket } from '../model/workflow.ts';
import { bootView } from '../store/views.ts';
import { isIpv4 } from '../wire/address.ts';
import { type Call, type DoorOptions, linesOf, printable } from './call.ts';
import { findInstall } from './rights.ts';

/** What scouts, installers and new systems tell: each is kept, told on the timeline, and answered. See docs/architecture.md. */
export function createReports(options: DoorOptions) {
  const { machines, bmcs, jobs, events, runner, discovery, clock } = options;

  function takeInventory(call: Call): void {
    if (call.run.purpose !== 'scout') return answer(call.response, 404, "this token is not a scout's");
    let value: unknown;
    try {
      value = JSON.parse(call.body);
    } catch (error) {
      return answer(call.response, 400, `the inventory is not JSON: ${(error as Error).message}`);
    }
    const [problem] = [...Value.Errors(Inventory, value)];
    if (problem) {
      events.emit({
        kind: 'machine.log',
        text: `inventory refused: ${problem.instancePath} ${problem.message}`,
        machineId: call.machine.id,
      });
      return answer(call.response, 422, `the inventory is wrong at ${problem.instancePath}: ${problem.message}`);
    }
    discovery.saveInventory(call.machine.id, value as Inventory);
    answer(call.response, 200, 'thank you');
  }

  function takeLog(call: Call): void {
    events.settle(() => tellLines(call, linesOf(call.body)));
    answer(call.response, 200, 'ok');
  }

  function tellLines(call: Call, lines: readonly string[]): void {
    for (const text of lines) events.emit({ kind: 'machine.log', text, machineId: call.machine.id, mac: call.run.mac });
  }

  function takeProgress(call: Call): void {
    const form = new URLSearchParams(call.body);
    const percent = Math.min(Math.max(Math.round(Number(form.get('percent') ?? 0)) || 0, 0), 100);
    const text = printable(form.get('text') ?? '');
    events.settle(() => {
      machines.setStatus(call.machine.id, `${text} (${percent} %)`);
      events.emit({
        kind: 'machine.progress',
        text: `${text} (${percent} %)`,
        machineId: call.machine.id,
        mac: call.run.mac,
        data: { percent },
      });
    });
    answer(call.response, 200, 'ok');
  }

  function endTask(call: Call, id: number): void {
    const task = jobs.task(id);
    if (!task || task.machineId !== call.machine.id)
      return answer(call.response, 404, `there is no task ${id} of this machine`);
    const form = new URLSearchParams(call.body);
    const exit = Number(form.get('exit') ?? Number.NaN);
    if (!Number.isInteger(exit)) return answer(call.response, 422, `exit=${form.get('exit')} is not a number`);
    const message = printable(form.get('message') ?? '');
    const why = exit === 0 ? undefined : `task ${task.name} failed with exit ${exit}: ${message || 'no message'}`;
    events.settle(() => {
      if (!jobs.endTask(id, exit === 0 ? 'done' : 'failed', message, clock())) return; // its first answer was lost on the way
      events.emit({
        kind: why === undefined ? 'task.finished' : 'task.failed',
        text: why ?? `task ${task.name} is done`,
        machineId: call.machine.id,
        mac: call.run.mac,
        data: { task: id, exit },
      });
      // the task of a job that is over is nothing to the job that runs now
      if (jobs.runningOf(call.machine.id)?.id === task.jobId)
        runner.happened(call.machine.id, { kind: 'task-ended', task: task.name, why });
    });
    answer(call.response, 200, 'ok');
  }

  /**
   * The task bmc-setup says where the BMC is, whose user it has made with the password that it was given. Only that password is
   * sent there.
   */
  function takeBmc(call: Call): void {
    const { run, machine, response } = call;
    const job = jobs.runningOf(machine.id);
    const task = job && jobs.taskOfBoot(job.id, machine.boot);
    if (run.purpose !== 'scout' || task?.state !== 'running')
      return answer(response, 410, 'no task of this machine is running');
    const form = new URLSearchParams(call.body);
    const address = form.get('address') ?? '';
    const user = form.get('user') ?? '';
    if (!isIpv4(address)) return answer(response, 422, `address=${printable(address)} is not an IPv4 address`);
    if (!/^[A-Za-z0-9_-]{1,16}$/.test(user))
      return answer(response, 422, `user=${printable(user)} is not a BMC's user`);
    events.settle(() => {
      const password = bmcs.passwordWasSet(machine.id);
      if (password === undefined) return; // said before, and its answer was lost
      bmcs.put(machine.id, [{ driver: 'ipmi', address, port: DRIVER_PORTS.ipmi, user, password, settings: {} }]);
      events.emit({
        kind: 'bmc.changed',
        text: `its BMC at ${address} has the user ${user} for Firstlight now, made by the task ${task.name}`,
        machineId: machine.id,
      });
    });
    answer(response, 200, 'thank you');
  }

  /** The installer's one report. It closes the ticket, so it counts only while that is open. */
  function takeDone(call: Call): void {
    const open = openInstall(call);
    if (!open || call.run.purpose === 'first-boot')
      return answer(call.response, 410, 'no install of this machine is going on');
    events.settle(() => {
      events.emit({
        kind: 'install.done',
        text: `${open.ticket.bootenv} is installed, says its installer`,
        machineId: call.machine.id,
        mac: call.run.mac,
      });
      runner.happened(call.machine.id, { kind: 'milestone', milestone: 'installed' });
    });
    answer(call.response, 200, 'thank you: the machine boots its own disk from now on');
  }

  function takeFailed(call: Call): void {
    const open = openInstall(call);
    if (!open) return answer(call.response, 410, 'no install of this machine is going on');
    const said = call.request.method === 'POST' ? call.body : (call.query.get('message') ?? '');
    // the first line says why; what follows is the end of its log
    const [why = 'the installer did not say why', ...log] = linesOf(said);
    events.settle(() => {
      tellLines(call, log);
      events.emit({
        kind: 'install.failed',
        text: `the installer gave up: ${why}`,
        machineId: call.machine.id,
        mac: call.run.mac,
      });
      runner.happened(call.machine.id, { kind: 'failed', why: `the installer gave up: ${why}` });
    });
    answer(call.response, 200, 'noted');
  }

  /** The installed system says that it started from its own disk. */
  function takeAlive(call: Call): void {
    if (call.run.purpose !== 'first-boot') return answer(call.response, 404, 'this token is not for a first boot');
    events.settle(() => {
      if (!jobs.useRun(call.token, clock())) return; // its first answer was lost on the way
      machines.setBoot(call.machine.id, call.machine.boot, 'os', clock());
      events.emit({
        kind: 'machine.alive',
        text: `${call.machine.name} started from its own disk and phoned home`,
        machineId: call.machine.id,
        mac: call.run.mac,
      });
      runner.happened(call.machine.id, { kind: 'milestone', milestone: 'alive' });
    });
    answer(call.response, 200, 'welcome');
  }

  /** The install that the caller belongs to, while its ticket is open. */
  function openInstall({ run }: Call): { job: Job; ticket: Ticket } | undefined {
    return findInstall(bootView(options, { mac: run.mac }), run, clock());
  }

  return { takeInventory, takeLog, takeProgress, endTask, takeBmc, takeDone, takeFailed, takeAlive };
}
