import { templateContext } from '../boot/context.ts';
import { answer } from '../boot/http-server.ts';
import { assetPaths } from '../boot/library.ts';
import { bootUrl } from '../boot/paths.ts';
import { isRenderFault, type TemplateAsset } from '../boot/render.ts';
import { paramSources } from '../boot/script.ts';
import { assetName, type Bootenv } from '../model/bootenv.ts';
import { resolveParams } from '../model/params.ts';
import { after } from '../model/time.ts';
import type { Job } from '../model/workflow.ts';
import { bootView } from '../store/views.ts';
import { type Call, type DoorOptions, senderOf, sendText } from './call.ts';
import { findInstall } from './rights.ts';

/** A template to render for the machine that calls: on behalf of which job and bootenv. */
export type Wanted = { template: string; job: Job; bootenv: Bootenv };

/** What a template needs that is made up for this machine and this job; nothing where the template does not read it. */
export type Issued = { firstBoot?: string; madeUp: Record<string, string> };

/** Made by createRunFiles. */
export type RunFiles = ReturnType<typeof createRunFiles>;

/** The param that nobody gives: it is made up for each machine. */
const BMC_PASSWORD = 'bmcPassword';
/** From its making on: the install, and the first boot after it. */
const FIRST_BOOT_MS = 24 * 3600 * 1000;

/** What is rendered for one machine while it runs something of ours: the files of its installer, and its tasks. */
export function createRunFiles(options: DoorOptions) {
  const { machines, bmcs, jobs, events, runner, clock } = options;
  /** By machine, the token that its newest install gives to the new system. Only its hash is in the store. */
  const firstBoots = new Map<number, string>();
  machines.onRemoved((id) => void firstBoots.delete(id));

  /** `GET file/NAME`, a rendered file: only to its machine, only while its ticket is open. */
  function serve(call: Call, name: string): void {
    const { run, machine, response } = call;
    const install = findInstall(bootView(options, { mac: run.mac }), run, clock());
    const bootenv = options.library().content.bootenvs.get(run.bootenv);
    const template = bootenv?.files?.[name];
    const refusal = !install
      ? 'no install ticket of this machine is open'
      : !template
        ? `bootenv ${run.bootenv} has no file ${name}`
        : isOtherMachine(call)
          ? `asked from ${senderOf(call)}, which is not the address of ${machine.name} (${machine.address})`
          : undefined;
    if (refusal || !install || !bootenv || !template) {
      events.emit({ kind: 'file.refused', text: `${name} refused: ${refusal}`, mac: run.mac, machineId: machine.id });
      return answer(response, install ? 404 : 410, refusal ?? 'refused');
    }
    try {
      const wanted = { template, job: install.job, bootenv };
      const text = events.settle(() => render(call, wanted, issue(call, wanted)));
      events.emit({
        kind: 'file.served',
        text: `${name}, rendered, ${Buffer.byteLength(text)} bytes by HTTP`,
        mac: run.mac,
        machineId: machine.id,
        data: { name, by: 'HTTP', bytes: Buffer.byteLength(text) },
      });
      sendText(call, text);
    } catch (error) {
      refuse(call, name, error);
    }
  }

  /** What cannot be rendered ends the job, because the machine would wait for it. Throws what is our own fault. */
  function refuse(call: Call, name: string, error: unknown): void {
    if (!isRenderFault(error)) throw error;
    const why = `${name} cannot be rendered: ${error.message}`;
    events.emit({ kind: 'file.refused', text: why, mac: call.run.mac, machineId: call.machine.id });
    runner.happened(call.machine.id, { kind: 'failed', why });
    answer(call.response, 500, error.message);
  }

  /** Make and keep what this template needs of the things that nobody gives. Asked again, it gives what it gave. */
  function issue(call: Call, { template, job, bootenv }: Wanted): Issued {
    const { templates } = options.library();
    const isBmcTask = paramsOf(template, bootenv).includes(BMC_PASSWORD);
    return {
      madeUp: isBmcTask ? { [BMC_PASSWORD]: bmcs.passwordToSet(call.machine.id) } : {},
      ...(templates.readsFirstBoot(template) ? { firstBoot: issueFirstBoot(call, job, bootenv) } : {}),
    };
  }

  /** One for each install: a restart of ours forgets it, and the next file gets another, which is as good. */
  function issueFirstBoot({ run, machine }: Call, job: Job, bootenv: Bootenv): string {
    const present = firstBoots.get(machine.id);
    const known = present === undefined ? undefined : jobs.run(present);
    if (present !== undefined && known?.jobId === job.id && known.boot === run.boot) return present;
    const token = jobs.newRun({
      machineId: run.machineId,
      purpose: 'first-boot',
      mac: run.mac,
      bootenv: bootenv.name,
      jobId: job.id,
      boot: run.boot,
      expiresAt: after(clock(), FIRST_BOOT_MS),
    });
    firstBoots.set(machine.id, token);
    return token;
  }

  /** The template for the machine that calls. Changes nothing. Throws what `isRenderFault` knows where the content is wrong. */
  function render(call: Call, { template, bootenv }: Wanted, { firstBoot, madeUp }: Issued): string {
    const { run, machine, arrival, token } = call;
    const { content, templates } = options.library();
    const view = { ...bootView(options, { mac: run.mac }), machine };
    const sources = [{ name: 'this appliance', values: madeUp }, ...paramSources(view)];
    const context = templateContext({
      ...options.files.contextOf(run.mac, arrival, view),
      bootenv,
      tokens: { run: token, firstBoot },
      params: resolveParams(paramsOf(template, bootenv), content.params, sources),
    });
    return templates.render(template, context, assetsOf(call, bootenv));
  }

  function paramsOf(template: string, bootenv: Bootenv): string[] {
    return [...new Set([...(bootenv.params ?? []), ...options.library().templates.paramsOf(template)])];
  }

  /** The public files of a bootenv that can be served now. */
  function assetsOf({ run, arrival }: Call, bootenv: Bootenv): Map<string, TemplateAsset> {
    const assets = new Map<string, TemplateAsset>();
    for (const path of assetPaths(bootenv)) {
      const asset = options.library().asset(bootenv, assetName(path));
      if (!asset) continue;
      const url = bootUrl(arrival.url, { kind: 'asset', mac: run.mac, bootenv: bootenv.name, file: asset.name });
      assets.set(asset.name, { url, size: asset.size, sha256: asset.sha256 });
    }
    return assets;
  }

  function isOtherMachine(call: Call): boolean {
    return call.machine.address !== undefined && senderOf(call) !== call.machine.address;
  }

  return { serve, refuse, issue, render };
}
