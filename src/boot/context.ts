import type { Bootenv } from '../model/bootenv.ts';
import type { Machine } from '../model/machine.ts';
import type { Subnet } from '../model/network.ts';
import type { EffectiveParam } from '../model/params.ts';
import { describeReasons, type Reason } from '../model/reason.ts';
import type { Arrival } from '../model/view.ts';
import { cidrNetmask, type Ipv4, type Mac, macToHyphens } from '../wire/address.ts';
import { MIRROR_PATH, runUrl, SECURITY_MIRROR_PATH } from './paths.ts';
import type { TemplateData } from './render.ts';

/** What is known of one machine and its boot when something is rendered for it. */
export type ContextParts = {
  mac: Mac;
  machine?: Machine | undefined;
  arrival: Arrival;
  subnet?: Subnet | undefined;
  address?: Ipv4 | undefined;
  bootenv?: Bootenv | undefined;
  params?: readonly EffectiveParam[] | undefined;
  /** Whether security updates can be had through the appliance. */
  hasSecurityMirror?: boolean | undefined;
  tokens?: { run?: string | undefined; firstBoot?: string | undefined } | undefined;
};

/** What a template sees of one machine, in the shape of docs/architecture.md: every name is there, unknown texts are ''. */
export function templateContext(parts: ContextParts): TemplateData {
  const { machine, arrival, subnet, tokens } = parts;
  const name = machine?.name ?? `m-${parts.mac.replaceAll(':', '')}`;
  return {
    machine: {
      name,
      hostname: name,
      domain: subnet?.domain ?? '',
      mac: parts.mac,
      bootif: `01-${macToHyphens(parts.mac)}`,
      uuid: machine?.uuid ?? '',
      serial: machine?.serial ?? '',
    },
    net: {
      address: parts.address ?? '',
      netmask: subnet ? cidrNetmask(subnet.cidr) : '',
      prefix: subnet?.cidr.prefix ?? '',
      gateway: subnet?.gateway ?? '',
      dns: subnet?.dns ?? [],
    },
    appliance: {
      url: arrival.url,
      address: arrival.serverAddress,
      mirrorHost: new URL(arrival.url).host,
      mirrorPath: MIRROR_PATH,
      securityMirrorPath: parts.hasSecurityMirror ? SECURITY_MIRROR_PATH : '',
    },
    run: {
      url: tokens?.run ? runUrl(arrival.url, tokens.run) : '',
      firstBootUrl: tokens?.firstBoot ? runUrl(arrival.url, tokens.firstBoot) : '',
    },
    bootenv: { name: parts.bootenv?.name ?? '', description: parts.bootenv?.description ?? '' },
    params: Object.fromEntries((parts.params ?? []).map((param) => [param.name, param.value])),
  };
}

/** Text that goes onto a machine's screen through an iPXE script: one line of ASCII without iPXE's own signs. */
export function screenText(text: string): string {
  return text
    .replace(/[^\x20-\x7e]+/g, ' ')
    .replace(/[${}|&#;\\"']/g, '')
    .slice(0, 160);
}

/** The reasons as lines for the screen. */
export function screenReasons(because: readonly Reason[]): string[] {
  return because.map((reason) => screenText(describeReasons([reason])));
}
