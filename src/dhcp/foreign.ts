import type { Reason } from '../model/reason.ts';
import type { Ipv4, Mac } from '../wire/address.ts';
import { escapeText, textFromBytes } from '../wire/bytes.ts';
import { getOption } from '../wire/dhcp-options.ts';
import type { DhcpPacket } from '../wire/dhcp-packet.ts';
import { withoutUndefined } from '../wire/dhcp-shapes.ts';
import { decodePxe, discoveryControl } from '../wire/pxe.ts';
import { NO_ADDRESS } from './view.ts';

/** What a server tells its clients, as far as it matters beside us. Texts are made printable. */
export type ForeignOffer = {
  /** An address of its pool. None: it gives none, as a proxy. */
  address?: Ipv4;
  /** siaddr. dnsmasq always names itself, also when it boots nobody. */
  nextServer?: Ipv4;
  /** The header's file field. */
  bootFile?: string;
  /** Option 60. */
  vendorClass?: string;
  /** Option 43, in hexadecimal. */
  vendorOptions?: string;
  /** Option 66. */
  tftpServerName?: string;
  /** Option 67. */
  bootFileName?: string;
  routers?: Ipv4[];
  dnsServers?: Ipv4[];
  leaseSeconds?: number;
};

/** Another DHCP server on the wire, by what it sent. */
export type ForeignServer = {
  /** Where the packet came from: the server, or the relay in front of it. */
  address: Ipv4;
  /** Option 54, which is what clients know it by; of a BOOTP server the address. */
  serverId: Ipv4;
  /** Who put the packet on our wire. */
  mac?: Mac;
  offers: ForeignOffer;
  isFirstlight: boolean;
  /** Of a Firstlight that said so. */
  instance?: string;
  /** What of this spoils a network boot when we stand beside it as a proxy, and for whom. */
  spoils: Reason[];
};

/** Who we are, so that we do not take ourselves for somebody else. `instance`: letters, digits and hyphens, 50 at most. */
export type Own = { addresses: readonly Ipv4[]; instance: string; macs?: readonly Mac[] };

const MARK = 'firstlight-';
/** Before the instance in the client identifier of a question. */
export const WATCH_ID = 'firstlight-watch ';

/** The header's sname of a reply to another Firstlight's question: the name of a host, as RFC 2131 2 wants it there. */
export function watchMark(instance: string): string {
  return `${MARK}${instance}`;
}

/** Which Firstlight asks with this packet who serves the wire; undefined for every other client's. */
export function watcherOf(packet: DhcpPacket): string | undefined {
  const id = packet.op === 'request' ? getOption(packet, 'clientId') : undefined;
  const text = id?.[0] === 0 ? textFromBytes(id.subarray(1)) : '';
  return text.startsWith(WATCH_ID) ? text.slice(WATCH_ID.length) : undefined;
}

/** What a reply on the wire says of the server that sent it; undefined when that is ourselves, or it is no server's. */
export function judgeForeign(
  packet: DhcpPacket,
  from: { address: Ipv4; mac?: Mac },
  own: Own,
): ForeignServer | undefined {
  if (packet.op !== 'reply') return undefined;
  const serverId = getOption(packet, 'serverId') ?? from.address;
  if (own.addresses.includes(from.address)) {
    // a second server that was given our address (boot-protocols 6.1): nobody else sends as us from another card
    if (!from.mac || own.macs?.includes(from.mac) !== false) return undefined;
  } else if (own.addresses.includes(serverId)) return undefined; // our own name from another address: through a relay
  const instance = packet.sname.startsWith(MARK) ? escapeText(packet.sname.slice(MARK.length)) : undefined;
  if (instance === own.instance) return undefined;
  return withoutUndefined<ForeignServer>({
    ...from,
    serverId,
    offers: readOffer(packet),
    isFirstlight: instance !== undefined,
    instance,
    spoils: judgeSpoils(packet),
  });
}

function readOffer(packet: DhcpPacket): ForeignOffer {
  const text = (value: string | undefined): string | undefined => (value ? escapeText(value) : undefined);
  const address = (value: Ipv4): Ipv4 | undefined => (value === NO_ADDRESS ? undefined : value);
  return withoutUndefined<ForeignOffer>({
    address: address(packet.yiaddr),
    nextServer: address(packet.siaddr),
    bootFile: text(packet.file),
    vendorClass: text(getOption(packet, 'vendorClass')),
    vendorOptions: getOption(packet, 'vendorEncapsulated')?.toString('hex'),
    tftpServerName: text(getOption(packet, 'tftpServerName')),
    bootFileName: text(getOption(packet, 'bootFileName')),
    routers: getOption(packet, 'routers'),
    dnsServers: getOption(packet, 'dnsServers'),
    leaseSeconds: getOption(packet, 'leaseSeconds'),
  });
}

type Signs = {
  /** It gives no address. */
  isProxy: boolean;
  kind: 'pxe' | 'http' | 'none';
  /** Option 43 has one of 6 to 10: to EDK2 the offer is complete, and nobody has to be asked on port 4011. */
  isComplete: boolean;
  /** Option 43 has a boot menu that is to be shown. */
  hasMenu: boolean;
  hasFile: boolean;
  forbidsProxies: boolean;
};

const EDK2 = 'EDK2 PxeBcDhcp4.c PxeBcSelectDhcp4Offer';
const EDK2_HTTP = 'EDK2 HttpBootDhcp4.c HttpBootSelectDhcpOffer';
const IPXE = 'iPXE net/udp/dhcp.c dhcp_discovery_rx';
const IPXE_FILE = 'iPXE core/settings.c reprioritise_settings';

/** What spoils a boot beside us: when, what happens to whom, and whose code says so. As a proxy we offer 60 with 43 (boot-protocols 2.4). */
export const SPOILERS: readonly (Reason & { when: (signs: Signs) => boolean })[] = [
  {
    rule: 'complete-pxe-offer',
    when: ({ isProxy, kind, isComplete }) => !isProxy && kind === 'pxe' && isComplete,
    text: 'PXE firmware and iPXE take the boot that comes with its address (options 60 and 43) before anything a proxy offers',
    ref: EDK2,
  },
  {
    rule: 'binl-offer',
    when: ({ isProxy, kind, isComplete }) => !isProxy && kind === 'pxe' && !isComplete,
    text: 'PXE firmware is sent to its port 4011 (option 60 without boot servers in 43), and fails with PXE-E16 when nobody answers there',
    ref: EDK2,
  },
  {
    rule: 'other-proxy',
    when: ({ isProxy, kind, isComplete }) => isProxy && kind === 'pxe' && isComplete,
    text: 'PXE firmware and iPXE obey whichever of two proxies they hear first',
    ref: EDK2,
  },
  {
    rule: 'other-proxy-4011',
    when: ({ isProxy, kind, isComplete }) => isProxy && kind === 'pxe' && !isComplete,
    text: 'iPXE and BIOS firmware obey whichever of two proxies they hear first; UEFI prefers ours, which needs no port 4011',
    ref: IPXE,
  },
  {
    rule: 'http-offer',
    when: ({ isProxy, kind, hasFile }) => !isProxy && kind === 'http' && hasFile,
    text: 'UEFI HTTP boot takes the URI that comes with its address before anything a proxy offers',
    ref: EDK2_HTTP,
  },
  {
    rule: 'other-http-proxy',
    when: ({ isProxy, kind, hasFile }) => isProxy && kind === 'http' && hasFile,
    text: 'UEFI HTTP boot obeys whichever of two proxies it hears first',
    ref: EDK2_HTTP,
  },
  {
    rule: 'boot-file',
    when: ({ isProxy, kind, hasFile }) => !isProxy && kind === 'none' && hasFile,
    text: 'iPXE takes the boot file that comes with its address, unless the proxy says that it goes first (175.1); so does firmware that knows no proxies',
    ref: IPXE_FILE,
  },
  {
    rule: 'menu-without-class',
    when: ({ isProxy, kind, hasMenu }) => !isProxy && kind === 'none' && hasMenu,
    text: 'iPXE shows the menu of its option 43 as soon as a proxy says PXEClient',
    ref: 'iPXE usr/autoboot.c have_pxe_menu',
  },
  {
    rule: 'proxies-forbidden',
    when: ({ isProxy, forbidsProxies }) => !isProxy && forbidsProxies,
    text: 'iPXE is told by its option 175 (176) to ignore proxies',
    ref: IPXE,
  },
];

function judgeSpoils(packet: DhcpPacket): Reason[] {
  const vendorClass = getOption(packet, 'vendorClass') ?? '';
  const pxe = decodePxe(getOption(packet, 'vendorEncapsulated') ?? Buffer.alloc(0));
  const control = pxe.discoveryControl ?? 0;
  const hasFile = packet.file !== '' || getOption(packet, 'bootFileName') !== undefined;
  const signs: Signs = {
    isProxy: packet.yiaddr === NO_ADDRESS,
    kind: vendorClass.startsWith('PXEClient') ? 'pxe' : vendorClass.startsWith('HTTPClient') ? 'http' : 'none',
    isComplete: [pxe.discoveryControl, pxe.multicastAddress, pxe.bootServers, pxe.menu, pxe.prompt].some(
      (one) => one !== undefined,
    ),
    hasMenu: pxe.menu !== undefined && !((control & discoveryControl.useThisBootFile) !== 0 && hasFile),
    hasFile,
    forbidsProxies: getOption(packet, 'ipxe')?.skipProxyDhcp === true,
  };
  return SPOILERS.filter(({ when }) => when(signs)).map(({ rule, text, ref }) => withoutUndefined({ rule, text, ref }));
}
