import { readMac } from './client.ts';
import { isReservationHeader } from './csv-reservations.ts';
import { type ImportFormat, linesOf } from './imported.ts';

/** Characters that are looked at: what a file is shows at its beginning. */
const ENOUGH = 64 * 1024;

/** Which format the text has, by what stands in it; by the file's name when the text says nothing (an empty lease file). */
export function guessImportFormat(fileName: string, text: string): ImportFormat | undefined {
  return byContent(text.replace(/^\uFEFF/, '').slice(0, ENOUGH)) ?? byName(fileName.toLowerCase());
}

/** The first sign that fits counts. Lines are without the blanks around them, and none is a comment or empty. */
const signs: readonly (readonly [ImportFormat, (line: string) => boolean])[] = [
  ['kea-leases', (line) => line.startsWith('address,hwaddr,client_id,')],
  ['dnsmasq-leases', (line) => /^[0-9]+ \S+ \S+ \S+ \S+$/.test(line) || /^duid [0-9a-f:]+$/i.test(line)],
  ['isc-leases', (line) => /^lease [0-9.]+ *(\{|$)|^(authoring-byte-order|server-duid) /.test(line)],
  [
    'isc',
    (line) =>
      /^(subnet [0-9.]+ netmask|shared-network |host [^ ,=]+ *\{|group *\{|option [a-z0-9.-]+ [^=]*;|(default|max)-lease-time |ddns-update-style |authoritative *;)/.test(
        line,
      ),
  ],
  [
    'dnsmasq',
    (line) =>
      /^(--)?(dhcp-(host|range|option|boot|option-force|hostsfile)|conf-file|conf-dir|interface|domain|server|port) *=|^(domain-needed|bogus-priv|dhcp-authoritative|expand-hosts|no-resolv)$/.test(
        line,
      ),
  ],
  ['csv', (line) => isReservationHeader(line) || /^sep=[,;\t]$/i.test(line)],
  [
    'dnsmasq',
    (line) =>
      line.split(',').length > 1 &&
      line.split(',').some((part) => readMac(part.trim()) !== undefined || /^id:/.test(part.trim())),
  ],
];

function byContent(text: string): ImportFormat | undefined {
  if (/"Dhcp4"\s*:/.test(text)) return 'kea';
  const lines = linesOf(text)
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'));
  for (const line of lines) {
    const format = signs.find(([, fits]) => fits(line))?.[0];
    if (format) return format;
  }
  return undefined;
}

function byName(name: string): ImportFormat | undefined {
  if (/kea-leases4\.csv/.test(name)) return 'kea-leases';
  if (/dhcpd\.leases/.test(name)) return 'isc-leases';
  if (/dnsmasq\.leases/.test(name)) return 'dnsmasq-leases';
  if (/dhcpd.*\.conf/.test(name)) return 'isc';
  if (/dnsmasq/.test(name)) return 'dnsmasq';
  if (/kea.*\.(conf|json)/.test(name)) return 'kea';
  return /\.csv$/.test(name) ? 'csv' : undefined;
}
