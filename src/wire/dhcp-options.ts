import type { DhcpPacket } from './dhcp-packet.ts';
import {
  bool,
  bytes,
  clientId,
  domains,
  flag,
  fqdn,
  guid,
  ip,
  ipPairs,
  ips,
  messageType,
  optionCodes,
  relayInformation,
  routes,
  type Shape,
  seconds,
  signedSeconds,
  text,
  textz,
  u8,
  u16,
  u16s,
  undi,
  userClass,
  vendorData,
} from './dhcp-shapes.ts';
import { ipxe } from './pxe.ts';

/** A row of the table of options; `source` is the document and section that defines it. */
export type OptionRow<T> = { readonly code: number; readonly shape: Shape<T>; readonly source: string };

/** Every DHCP option that we can name: its code, the shape of its value, where it is defined. To add one, add its row. */
export const dhcpOptions = {
  subnetMask: row(1, ip, 'RFC 2132 3.3'),
  timeOffset: row(2, signedSeconds, 'RFC 2132 3.4'),
  routers: row(3, ips, 'RFC 2132 3.5'),
  timeServers: row(4, ips, 'RFC 2132 3.6'),
  nameServers: row(5, ips, 'RFC 2132 3.7 (IEN 116, not DNS)'),
  dnsServers: row(6, ips, 'RFC 2132 3.8'),
  logServers: row(7, ips, 'RFC 2132 3.9'),
  cookieServers: row(8, ips, 'RFC 2132 3.10'),
  lprServers: row(9, ips, 'RFC 2132 3.11'),
  impressServers: row(10, ips, 'RFC 2132 3.12'),
  resourceLocationServers: row(11, ips, 'RFC 2132 3.13'),
  hostName: row(12, text, 'RFC 2132 3.14'),
  bootFileSize: row(13, u16, 'RFC 2132 3.15'),
  meritDumpFile: row(14, text, 'RFC 2132 3.16'),
  domainName: row(15, text, 'RFC 2132 3.17'),
  swapServer: row(16, ip, 'RFC 2132 3.18'),
  rootPath: row(17, text, 'RFC 2132 3.19'),
  extensionsPath: row(18, text, 'RFC 2132 3.20'),
  ipForwarding: row(19, bool, 'RFC 2132 4.1'),
  nonLocalSourceRouting: row(20, bool, 'RFC 2132 4.2'),
  policyFilter: row(21, ipPairs, 'RFC 2132 4.3'),
  maxReassemblySize: row(22, u16, 'RFC 2132 4.4'),
  defaultIpTtl: row(23, u8, 'RFC 2132 4.5'),
  pathMtuAgingSeconds: row(24, seconds, 'RFC 2132 4.6'),
  pathMtuPlateaus: row(25, u16s, 'RFC 2132 4.7'),
  interfaceMtu: row(26, u16, 'RFC 2132 5.1'),
  allSubnetsLocal: row(27, bool, 'RFC 2132 5.2'),
  broadcastAddress: row(28, ip, 'RFC 2132 5.3'),
  maskDiscovery: row(29, bool, 'RFC 2132 5.4'),
  maskSupplier: row(30, bool, 'RFC 2132 5.5'),
  routerDiscovery: row(31, bool, 'RFC 2132 5.6'),
  routerSolicitationAddress: row(32, ip, 'RFC 2132 5.7'),
  staticRoutes: row(33, ipPairs, 'RFC 2132 5.8'),
  trailerEncapsulation: row(34, bool, 'RFC 2132 6.1'),
  arpCacheSeconds: row(35, seconds, 'RFC 2132 6.2'),
  ethernetEncapsulation: row(36, bool, 'RFC 2132 6.3'),
  tcpDefaultTtl: row(37, u8, 'RFC 2132 7.1'),
  tcpKeepaliveSeconds: row(38, seconds, 'RFC 2132 7.2'),
  tcpKeepaliveGarbage: row(39, bool, 'RFC 2132 7.3'),
  nisDomain: row(40, text, 'RFC 2132 8.1'),
  nisServers: row(41, ips, 'RFC 2132 8.2'),
  ntpServers: row(42, ips, 'RFC 2132 8.3'),
  /** Means what the vendor class says; for PXE clients see decodePxe. */
  vendorEncapsulated: row(43, bytes, 'RFC 2132 8.4'),
  netbiosNameServers: row(44, ips, 'RFC 2132 8.5'),
  netbiosDatagramServers: row(45, ips, 'RFC 2132 8.6'),
  netbiosNodeType: row(46, u8, 'RFC 2132 8.7'),
  netbiosScope: row(47, text, 'RFC 2132 8.8'),
  xFontServers: row(48, ips, 'RFC 2132 8.9'),
  xDisplayManagers: row(49, ips, 'RFC 2132 8.10'),
  requestedAddress: row(50, ip, 'RFC 2132 9.1'),
  leaseSeconds: row(51, seconds, 'RFC 2132 9.2'),
  /** Read and written by the packet codec alone: it is never among a packet's options. */
  overload: row(52, u8, 'RFC 2132 9.3'),
  messageType: row(53, messageType, 'RFC 2132 9.6'),
  serverId: row(54, ip, 'RFC 2132 9.7'),
  parameterRequestList: row(55, optionCodes, 'RFC 2132 9.8'),
  message: row(56, text, 'RFC 2132 9.9'),
  maxMessageSize: row(57, u16, 'RFC 2132 9.10'),
  renewalSeconds: row(58, seconds, 'RFC 2132 9.11'),
  rebindingSeconds: row(59, seconds, 'RFC 2132 9.12'),
  vendorClass: row(60, text, 'RFC 2132 9.13'),
  clientId: row(61, clientId, 'RFC 2132 9.14, RFC 4361, RFC 6842'),
  netwareDomain: row(62, text, 'RFC 2242 2'),
  netwareOptions: row(63, bytes, 'RFC 2242 3'),
  nisPlusDomain: row(64, text, 'RFC 2132 8.11'),
  nisPlusServers: row(65, ips, 'RFC 2132 8.12'),
  tftpServerName: row(66, text, 'RFC 2132 9.4'),
  bootFileName: row(67, textz, 'RFC 2132 9.5'),
  mobileIpHomeAgents: row(68, ips, 'RFC 2132 8.13'),
  smtpServers: row(69, ips, 'RFC 2132 8.14'),
  pop3Servers: row(70, ips, 'RFC 2132 8.15'),
  nntpServers: row(71, ips, 'RFC 2132 8.16'),
  wwwServers: row(72, ips, 'RFC 2132 8.17'),
  fingerServers: row(73, ips, 'RFC 2132 8.18'),
  ircServers: row(74, ips, 'RFC 2132 8.19'),
  streetTalkServers: row(75, ips, 'RFC 2132 8.20'),
  streetTalkDirectoryServers: row(76, ips, 'RFC 2132 8.21'),
  userClass: row(77, userClass, 'RFC 3004 4'),
  rapidCommit: row(80, flag, 'RFC 4039 4'),
  clientFqdn: row(81, fqdn, 'RFC 4702 2'),
  relayInformation: row(82, relayInformation, 'RFC 3046 2.0'),
  clientArchitectures: row(93, u16s, 'RFC 4578 2.1'),
  clientNetworkInterface: row(94, undi, 'RFC 4578 2.2'),
  clientMachineId: row(97, guid, 'RFC 4578 2.3'),
  timezonePosix: row(100, text, 'RFC 4833 2'),
  timezoneDatabase: row(101, text, 'RFC 4833 2'),
  ipv6OnlyWaitSeconds: row(108, seconds, 'RFC 8925 3.1'),
  captivePortal: row(114, text, 'RFC 8910 2.1'),
  autoConfigure: row(116, bool, 'RFC 2563 2'),
  subnetSelection: row(118, ip, 'RFC 3011 2'),
  domainSearch: row(119, domains, 'RFC 3397 2'),
  sipServers: row(120, bytes, 'RFC 3361 3'),
  classlessRoutes: row(121, routes, 'RFC 3442'),
  vendorIdentifyingClass: row(124, vendorData, 'RFC 3925 3'),
  vendorIdentifyingOptions: row(125, vendorData, 'RFC 3925 4'),
  pxeVendor128: row(128, bytes, 'RFC 4578 4'),
  pxeVendor129: row(129, bytes, 'RFC 4578 4'),
  pxeVendor130: row(130, bytes, 'RFC 4578 4'),
  pxeVendor131: row(131, bytes, 'RFC 4578 4'),
  pxeVendor132: row(132, bytes, 'RFC 4578 4'),
  pxeVendor133: row(133, bytes, 'RFC 4578 4'),
  pxeVendor134: row(134, bytes, 'RFC 4578 4'),
  pxeVendor135: row(135, bytes, 'RFC 4578 4'),
  capwapControllers: row(138, ips, 'RFC 5417 2'),
  tftpServers: row(150, ips, 'RFC 5859 2'),
  ipxe: row(175, ipxe, 'iPXE src/include/ipxe/dhcp.h, DHCP_EB_ENCAP'),
  iscsiInitiator: row(203, text, 'iPXE src/include/ipxe/dhcp.h, DHCP_ISCSI_INITIATOR_IQN'),
  pxelinuxMagic: row(208, bytes, 'RFC 5071 3'),
  pxelinuxConfigFile: row(209, text, 'RFC 5071 4'),
  pxelinuxPathPrefix: row(210, text, 'RFC 5071 5'),
  pxelinuxRebootSeconds: row(211, seconds, 'RFC 5071 6'),
  classlessRoutesMicrosoft: row(249, routes, 'MS-DHCPE 2.2.8'),
  proxyAutoDiscovery: row(252, text, 'draft-ietf-wrec-wpad-01 4.4.1'),
} as const;

/** The name of a row of dhcpOptions. */
export type OptionName = keyof typeof dhcpOptions;
/** What the value of that row's option is in code. */
export type OptionValue<N extends OptionName> = (typeof dhcpOptions)[N] extends OptionRow<infer T> ? T : never;

/** The option's value; undefined when the packet has none, or one that is malformed. */
export function getOption<N extends OptionName>(
  packet: Pick<DhcpPacket, 'options'>,
  name: N,
): OptionValue<N> | undefined {
  const { code, shape } = rowOf(name);
  const value = packet.options.get(code);
  return value === undefined ? undefined : shape.decode(value);
}

/** Puts the option into the map, at its end if it was not there. WireError when the value cannot be written. */
export function setOption<N extends OptionName>(options: Map<number, Buffer>, name: N, value: OptionValue<N>): void {
  const { code, shape } = rowOf(name);
  options.set(code, shape.encode(value));
}

/** The code of an option of the table. */
export function optionCode(name: OptionName): number {
  return dhcpOptions[name].code;
}

/** The name of a code in the table, or undefined. */
export function optionName(code: number): OptionName | undefined {
  return names.get(code);
}

const names = new Map(Object.entries(dhcpOptions).map(([name, { code }]) => [code, name as OptionName]));

function row<T>(code: number, shape: Shape<T>, source: string): OptionRow<T> {
  return { code, shape, source };
}

/** TypeScript cannot see that the row of N has the shape of N's value, though that is how OptionValue is defined. */
function rowOf<N extends OptionName>(name: N): OptionRow<OptionValue<N>> {
  return dhcpOptions[name] as unknown as OptionRow<OptionValue<N>>;
}
