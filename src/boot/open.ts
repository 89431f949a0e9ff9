import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Events } from '../events.ts';
import type { EventKind } from '../model/event.ts';
import type { Machine } from '../model/machine.ts';
import { describeReasons, type Reason } from '../model/reason.ts';
import { after, type Clock } from '../model/time.ts';
import type { Arrival, BootView } from '../model/view.ts';
import type { Leases } from '../store/leases.ts';
import type { Network } from '../store/network.ts';
import { type BootSources, bootView } from '../store/views.ts';
import type { Ipv4, Mac } from '../wire/address.ts';
import { type BootFile, type BootRefusal, diskBootFile, textBootFile } from './boot-file.ts';
import type { ContextParts } from './context.ts';
import type { BootDecision } from './decide.ts';
import { decideFile, type FileDecision } from './file.ts';
import type { Library } from './library.ts';
import { parseBootPath, SCRIPT_FILE } from './paths.ts';
import { isRenderFault } from './render.ts';
import { renderRefusal, renderScript } from './script.ts';
import { commitStart } from './start.ts';

/** What the files of boots are decided from and made of. */
export type BootFilesOptions = BootSources & {
  network: Network;
  leases: Leases;
  events: Events;
  library: () => Library;
  loadersFolder: string;
  hasSecurityMirror: boolean;
  clock: Clock;
  /** End a job that must not install again. */
  failJob: (jobId: number, why: string) => void;
  /** Record a machine that was never seen. */
  recordMachine: (mac: Mac) => Machine;
};

/** Who asks for a file, and by which door. */
export type FileRequest = {
  name: string;
  from: Ipv4;
  arrival: Arrival;
  by: 'TFTP' | 'HTTP';
  /** Asked only how large it is: nothing may be counted as handed out. */
  isProbe?: boolean;
};

/** A file for a machine, with the machine it belongs to, for the timeline. */
export type OpenedFile = { file: BootFile | BootRefusal; mac?: Mac | undefined; because: Reason[] };

/** A run token lives this long at the most; a scout that waits longer boots anew. */
const RUN_TOKEN_MS = 7 * 24 * 3600 * 1000;

/** Stands where a token would, as long as one: a HEAD answer has the length that the GET will have. */
const PROBE_TOKEN = '-'.repeat(22);

const CONTENT_TYPES: Readonly<Record<string, string>> = {
  efi: 'application/efi', // exactly this, or firmware refuses it (boot-protocols 0.7)
  ipxe: 'text/plain',
};

/** The one door to every file a machine can ask for by TFTP or HTTP: parse, look, decide, commit, open. */
export function createBootFiles(options: BootFilesOptions) {
  const { machines, network, leases, jobs, events, clock } = options;

  async function open(request: FileRequest): Promise<OpenedFile> {
    const path = parseBootPath(request.name);
    if (!path) {
      const because = [{ rule: 'no-such-name', text: `${JSON.stringify(request.name)} is not a name of ours` }];
      return refuse(request, leases.macAt(request.from), 'not-found', because);
    }
    const mac = path.mac ?? leases.macAt(request.from);
    if (!mac) {
      const because = [
        { rule: 'unknown-sender', text: `${request.from} has no lease here, so nobody can tell which machine asks` },
      ];
      return refuse(request, undefined, 'not-found', because);
    }
    const view = bootView(options, { mac });
    const decision = decideFile(path, view, clock());
    if (decision.boot.kind === 'local' && decision.boot.failJob && view.job)
      options.failJob(view.job.id, decision.boot.failJob);
    switch (decision.kind) {
      case 'script':
        return openScript(request, mac, decision.boot);
      case 'loader':
        return { file: await openLoader(decision.file), mac, because: decision.because };
      case 'asset':
        return { file: await openAsset(decision), mac, because: decision.because };
      case 'declined':
        if (view.machine) machines.setBoot(view.machine.id, view.machine.boot, 'local', clock());
        return refuse(request, mac, 'declined', decision.because);
      case 'refused':
        return refuse(request, mac, decision.code, decision.because);
    }
  }

  function refuse(
    request: FileRequest,
    mac: Mac | undefined,
    code: BootRefusal['code'],
    because: Reason[],
  ): OpenedFile {
    const kind: EventKind = code === 'declined' ? 'file.declined' : 'file.refused';
    const text =
      code === 'declined'
        ? `told to boot its own disk: ${because[0]?.text}`
        : `${request.name} refused: ${describeReasons(because)}`;
    // a stranger's wrong names are the network's noise, not anybody's history
    if (mac) events.emit({ kind, text, mac, because, data: { name: request.name, by: request.by } });
    return { file: { kind: 'refused', code, text: describeReasons(because) }, mac, because };
  }

  function openLoader(name: string): Promise<BootFile | BootRefusal> {
    return diskBootFile(name, join(options.loadersFolder, name), contentType(name));
  }

  async function openAsset(decision: FileDecision & { kind: 'asset' }): Promise<BootFile | BootRefusal> {
    const asset = options.library().asset(decision.bootenv, decision.file);
    if (!asset)
      return {
        kind: 'refused',
        code: 'not-found',
        text: `${decision.bootenv.name} has no file ${decision.file} that can be served`,
      };
    return diskBootFile(asset.name, asset.path, contentType(asset.name), { etag: `"${asset.sha256.slice(0, 32)}"` });
  }

  /** Render the script this machine gets now, with a token for what runs next; counts a start on an installer's ticket. */
  function openScript(request: FileRequest, mac: Mac, boot: BootDecision): OpenedFile {
    return events.settle(() => {
      const machine = machines.byMac(mac) ?? options.recordMachine(mac);
      const view = bootView(options, { mac });
      const parts = contextOf(mac, request.arrival, view);
      if (!request.isProbe)
        machines.setBoot(machine.id, machine.boot, boot.kind === 'local' ? 'local' : 'script', clock());
      const text = renderOrRefuse(parts, boot, view, request);
      return { file: textBootFile(SCRIPT_FILE, text, 'text/plain'), mac, because: boot.because };
    });
  }

  function renderOrRefuse(parts: ContextParts, boot: BootDecision, view: BootView, request: FileRequest): string {
    try {
      if (boot.kind === 'local' || request.isProbe)
        return renderScript(options.library(), parts, boot, view, PROBE_TOKEN);
      const text = renderScript(options.library(), parts, boot, view, newRun(parts.mac, boot, view));
      const { ticket, bootenv } = boot;
      // an image is not begun by its boot: the scout asks for it at the door, and that is its start
      if (ticket && bootenv.kind === 'installer')
        commitStart(options, { ticket, boot: view.boot, mac: parts.mac, because: boot.because });
      return text;
    } catch (error) {
      if (!isRenderFault(error)) throw error;
      events.emit({
        kind: 'file.refused',
        text: `the boot script cannot be rendered: ${error.message}`,
        mac: parts.mac,
      });
      return renderRefusal(options.library(), parts, boot, error.message);
    }
  }

  function newRun(mac: Mac, boot: BootDecision & { kind: 'bootenv' }, view: BootView): string {
    return jobs.newRun({
      machineId: (view.machine as Machine).id,
      purpose: boot.bootenv.kind === 'installer' ? 'install' : 'scout',
      mac,
      bootenv: boot.bootenv.name,
      ...(view.job ? { jobId: view.job.id } : {}),
      boot: view.boot,
      expiresAt: after(clock(), RUN_TOKEN_MS),
    });
  }

  /** The facts of one machine for a template. */
  function contextOf(mac: Mac, arrival: Arrival, view: BootView): ContextParts {
    const address = view.machine?.address;
    const subnet =
      (address && network.subnetOf(address)) ?? network.subnets().find((one) => one.interface === arrival.interface);
    return {
      mac,
      machine: view.machine,
      arrival,
      subnet,
      address,
      hasSecurityMirror: options.hasSecurityMirror,
    };
  }

  return { open, contextOf };
}

/** Made by createBootFiles. */
export type BootFiles = ReturnType<typeof createBootFiles>;

/** The loaders that are not on this host, with what to do about it. */
export function missingLoaders(folder: string, files: readonly string[]): string[] {
  return files.filter((file) => !existsSync(join(folder, file)));
}

function contentType(name: string): string {
  return CONTENT_TYPES[name.slice(name.lastIndexOf('.') + 1)] ?? 'application/octet-stream';
}
