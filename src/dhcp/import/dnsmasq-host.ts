import { type Ipv4, isIpv4, type Mac } from '../../wire/address.ts';
import { withoutUndefined } from '../../wire/dhcp-shapes.ts';
import { describeClient, isBrokenIpv4, macOfClientId, readHex, readMac } from './client.ts';
import { type DnsmasqField, type DnsmasqLine, readDnsmasqTime, sliceField } from './dnsmasq-lines.ts';
import { errorAt, type ImportedReservation, type ImportProblem, noteAt, quote } from './imported.ts';
import { importedOption } from './option-names.ts';

/** A dhcp-host and the tags that it sets, which choose options for it. */
export type DnsmasqHost = { reservation?: ImportedReservation; tags: string[]; problems: ImportProblem[] };

/** What a dhcp-host (or a line of a dhcp-hostsfile) says. dnsmasq 2.90 manual, --dhcp-host. */
export function readDnsmasqHost({ line, fields, text }: DnsmasqLine): DnsmasqHost {
  const macs: Mac[] = [];
  const tags: string[] = [];
  const problems: ImportProblem[] = [];
  let clientId: Buffer | undefined;
  let address: Ipv4 | undefined;
  let hostname: string | undefined;
  let leaseSeconds: number | undefined;
  let ignored = false;
  const say = (sentence: string) => problems.push(errorAt(line, sentence));
  for (const field of fields) {
    const part = readPart(field);
    if ('mac' in part) macs.push(part.mac);
    else if ('clientId' in part) clientId = part.clientId;
    else if ('tag' in part) tags.push(part.tag);
    else if ('address' in part) {
      if (address) say(`${part.address} is not taken: the line has ${address} already`);
      address ??= part.address;
    } else if ('hostname' in part) {
      if (hostname !== undefined)
        say(`the name ${quote(part.hostname)} is not taken: the line has ${quote(hostname)} already`);
      hostname ??= part.hostname;
    } else if ('leaseSeconds' in part) leaseSeconds = part.leaseSeconds;
    else if ('ignored' in part) ignored = true;
    else if ('problem' in part) say(part.problem);
    else if ('note' in part) problems.push(noteAt(line, part.note));
  }
  const mac = macs[0] ?? macOfClientId(clientId);
  const client = describeClient({ mac, clientId });
  if (ignored) {
    say(`${mac || clientId ? client : quote(text)} is to be ignored by the server: that is not taken, it is answered`);
    return { tags, problems };
  }
  if (!mac && !clientId) {
    say(`the line has no MAC or client id that can be taken: ${quote(text)}`);
    return { tags, problems };
  }
  for (const other of macs.slice(1))
    say(`${other} is not taken: ${address ?? 'a reservation'} can be kept for one client only, here ${client}`);
  const reservation = withoutUndefined<ImportedReservation>({
    line,
    mac,
    clientId,
    address,
    hostname: hostname ?? '',
    options: leaseSeconds === undefined ? [] : [importedOption(51, String(leaseSeconds))],
  });
  return { reservation, tags, problems };
}

type Part =
  | { mac: Mac }
  | { clientId: Buffer }
  | { tag: string }
  | { address: Ipv4 }
  | { hostname: string }
  | { leaseSeconds: number }
  | { ignored: true }
  | { nothing: true }
  | { problem: string }
  | { note: string };

function readPart(field: DnsmasqField): Part {
  const { text, syntax } = field;
  if (text === '') return { nothing: true };
  if (/^id:/i.test(syntax)) {
    const id = sliceField(field, 3);
    if (id.syntax.startsWith('*')) return { nothing: true }; // "know it by its MAC alone", which we do in any case
    const clientId = id.syntax.includes(':') ? readHex(id.text) : Buffer.from(id.text);
    return clientId && clientId.length > 0 && clientId.length <= 255
      ? { clientId }
      : { problem: `the client id ${quote(id.text)} is not taken: it has not 1 to 255 bytes` };
  }
  if (/^(set|net):/.test(syntax)) return { tag: text.slice(4) };
  if (/^tag:/.test(syntax))
    return { problem: `${quote(text)} is not taken: the line counts for every request of its client` };
  if (syntax.startsWith('[')) return { note: `the IPv6 address ${quote(text)} is not taken` };
  const mac = readMac(syntax.replace(/^01-(?=[^-]*:)/, '')); // 01- before it: for Ethernet only
  if (mac && /[:.-]/.test(syntax)) return { mac };
  if (syntax.includes(':')) {
    if (syntax.includes('*')) return { problem: `${quote(text)} is not taken: it stands for several MAC addresses` };
    return { problem: `${quote(text)} is not taken: it is no Ethernet address` };
  }
  if (isIpv4(syntax)) return { address: syntax };
  if (isBrokenIpv4(syntax)) return { problem: `${quote(text)} is not an IPv4 address: the reservation has none` };
  const leaseSeconds = readDnsmasqTime(syntax);
  if (leaseSeconds !== undefined) return { leaseSeconds };
  return syntax === 'ignore' ? { ignored: true } : { hostname: text };
}
