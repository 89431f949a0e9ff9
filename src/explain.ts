import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { decideFile } from './boot/file.ts';
import type { Library } from './boot/library.ts';
import type { BootFiles } from './boot/open.ts';
import { formatBootPath, parseBootPath } from './boot/paths.ts';
import { isRenderFault } from './boot/render.ts';
import { renderScript } from './boot/script.ts';
import { decideDhcp } from './dhcp/decide.ts';
import type { Look } from './dhcp/look.ts';
import { type DhcpRequest, NO_ADDRESS } from './dhcp/view.ts';
import { ARCHITECTURES, classifyFirmware, type Firmware } from './model/firmware.ts';
import type { ClientKey } from './model/network.ts';
import type { Reason } from './model/reason.ts';
import type { Clock } from './model/time.ts';
import type { Arrival, BootView } from './model/view.ts';
import { type BootSources, bootView } from './store/views.ts';
import { type Mac, macToBytes } from './wire/address.ts';
import { setOption } from './wire/dhcp-options.ts';
import type { DhcpPacket } from './wire/dhcp-packet.ts';

/** One step of a boot: what the machine would be given, and every rule that decided it. */
export type ExplainStep = { step: string; result: string; because: Reason[] };

/** One boot from its first DISCOVER on. `firmware` is the kind that was assumed; `missing` is what cannot be served. */
export type Explanation = { mac: Mac; machine?: string; firmware: string; steps: ExplainStep[]; missing: string[] };

/** What a boot is decided from, as for a machine that asks. */
export type ExplainOptions = BootSources & {
  look: Look;
  library: () => Library;
  files: BootFiles;
  clock: Clock;
  arrivals: readonly Arrival[];
  loadersFolder: string;
};

/** The firmware kinds that can be asked for by name. */
export const FIRMWARE_KINDS = { bios: 0, uefi: 7, 'uefi-http': 16 } as const;
/** The name of such a kind. */
export type FirmwareKind = keyof typeof FIRMWARE_KINDS;

/**
 * Decide the whole boot of one machine, stage by stage, by the code that answers the machine, and change nothing. What is not
 * there to be served is in `missing`.
 */
export function createExplain(options: ExplainOptions) {
  const { machines, library, clock } = options;

  return function explain(mac: Mac, kind?: FirmwareKind, onInterface?: string): Explanation {
    const machine = machines.byMac(mac);
    const architecture = FIRMWARE_KINDS[kind ?? (machine?.firmware === 'bios' ? 'bios' : 'uefi')];
    const arrival = options.arrivals.find((one) => onInterface === undefined || one.interface === onInterface);
    const explanation: Explanation = {
      mac,
      ...(machine ? { machine: machine.name } : {}),
      firmware: ARCHITECTURES[architecture]?.name ?? '',
      steps: [],
      missing: [],
    };
    if (!arrival) {
      explanation.missing.push(`no interface ${onInterface ?? ''} is served`);
      return explanation;
    }
    const add = (step: string, result: string, because: Reason[]): void =>
      void explanation.steps.push({ step, result, because });
    add('machine', machine ? `${machine.name}, ${machine.state}${machine.locked ? ', locked' : ''}` : 'unknown', [
      machine
        ? { rule: 'known-mac', text: `${mac} is one of its interfaces`, ref: `machine ${machine.id}` }
        : { rule: 'unknown', text: `no machine has ${mac}` },
    ]);

    const isHttp = ARCHITECTURES[architecture]?.transport === 'http';
    const firmware = classifyFirmware({
      vendorClass: isHttp ? 'HTTPClient' : 'PXEClient',
      architectures: [architecture],
      mac,
    });
    const first = answerTo(mac, firmware, arrival);
    for (const reason of first.because)
      if (reason.rule === 'bootenv-unavailable') explanation.missing.push(reason.text);
    add('address', first.address, first.because.slice(0, 1));
    add('firmware', `${firmware.name} is told: ${first.file || 'no file'}`, first.because.slice(1));
    if (first.file) explainFile(first.file);
    if (first.boot?.kind !== 'bootenv' && firmware.mode !== 'bios') return explanation;

    const ipxe: Firmware = {
      ...firmware,
      stage: 'ipxe',
      transport: 'http',
      name: `iPXE on ${firmware.mode.toUpperCase()}`,
    };
    const second = answerTo(mac, ipxe, arrival);
    add('iPXE', `is told: ${second.file}`, second.because.slice(1));
    explainFile(second.file);
    return explanation;

    /** What stands behind a name that was handed out, and behind the names in it. */
    function explainFile(name: string): void {
      const path = parseBootPath(
        name.startsWith(`${arrival?.url}/`) ? name.slice((arrival as Arrival).url.length + 1) : name,
      );
      if (!path || !arrival) {
        explanation.missing.push(`${name} is none of our names`);
        return;
      }
      const view = viewOf(mac, firmware, arrival);
      const decision = decideFile(path, view, clock());
      const shown = formatBootPath(path);
      switch (decision.kind) {
        case 'loader':
          add('loader', `${decision.file} is served`, []);
          if (!existsSync(join(options.loadersFolder, decision.file)))
            explanation.missing.push(`${decision.file} is not in ${options.loadersFolder}`);
          return;
        case 'declined':
          add(
            'local boot',
            `${shown} is answered with an error at once: the firmware goes on to the disk`,
            decision.because,
          );
          return;
        case 'asset': {
          const asset = library().asset(decision.bootenv, decision.file);
          if (asset) add('file', `${shown}, ${asset.size} bytes`, []);
          else
            explanation.missing.push(
              library().offered(decision.bootenv.name)?.missing ||
                `${decision.bootenv.name} has no file ${decision.file}`,
            );
          return;
        }
        case 'refused':
          explanation.missing.push(
            `${shown} would be refused: ${decision.because.map((reason) => reason.text).join('; ')}`,
          );
          return;
        case 'script':
          return explainScript(view, arrival, decision.boot);
      }
    }

    function explainScript(view: BootView, at: Arrival, boot: ReturnType<typeof decideFile>['boot']): void {
      try {
        const text = renderScript(library(), options.files.contextOf(mac, at, view), boot, view, 'TOKEN');
        add(
          'script',
          `${text.split('\n').length} lines${boot.kind === 'bootenv' ? `: boots ${boot.bootenv.name}` : ': boots the local disk'}`,
          boot.because,
        );
        for (const url of text.match(/https?:\/\/\S+/g) ?? []) if (url.startsWith(`${at.url}/b/`)) explainFile(url);
      } catch (error) {
        if (!isRenderFault(error)) throw error;
        explanation.missing.push(`the script cannot be rendered: ${error.message}`);
      }
    }
  };

  function viewOf(mac: Mac, firmware: Firmware, arrival: Arrival): BootView {
    const view = options.look(discover(mac, firmware, arrival), clock()).view.boot;
    return view ?? bootView(options, { mac });
  }

  /** The answer to the DISCOVER that this firmware would send. */
  function answerTo(mac: Mac, firmware: Firmware, arrival: Arrival) {
    const request = discover(mac, firmware, arrival);
    const { view } = options.look(request, clock());
    const decision = decideDhcp(request, view);
    if (decision.kind !== 'reply') return { address: 'none', file: '', because: decision.because, boot: undefined };
    return {
      address: decision.packet.yiaddr,
      file: decision.packet.file,
      because: decision.because,
      boot: decision.boot,
    };
  }
}

/** Made by createExplain. */
export type Explain = ReturnType<typeof createExplain>;

function discover(mac: Mac, firmware: Firmware, arrival: Arrival): DhcpRequest {
  const chaddr = macToBytes(mac);
  const options = new Map<number, Buffer>();
  setOption(options, 'messageType', 'discover');
  const packet: DhcpPacket = {
    op: 'request',
    htype: 1,
    hops: 0,
    xid: 0,
    secs: 0,
    broadcast: true,
    ciaddr: NO_ADDRESS,
    yiaddr: NO_ADDRESS,
    siaddr: NO_ADDRESS,
    giaddr: NO_ADDRESS,
    chaddr,
    sname: '',
    file: '',
    options,
  };
  return {
    packet,
    type: 'discover',
    client: `hw:1:${chaddr.toString('hex')}` as ClientKey,
    mac,
    firmware,
    arrival,
    door: arrival.isProxy ? 'proxy' : 'server',
    unicast: false,
    source: { address: NO_ADDRESS, port: 68 },
    serverIds: [arrival.serverAddress],
  };
}
