import type { Reservation } from '../../model/network.ts';
import { isIpv4 } from '../../wire/address.ts';
import { withoutUndefined } from '../../wire/dhcp-shapes.ts';
import { colonHex, macOfClientId, readIdentifier, readMac, readUuid } from './client.ts';
import { type CsvRecord, csvField, readCsv, type Separator } from './csv.ts';
import {
  append,
  errorAt,
  type Found,
  type ImportedReservation,
  type ImportProblem,
  noteAt,
  quote,
} from './imported.ts';

const columns = ['mac', 'address', 'hostname', 'client-id', 'uuid', 'circuit-id', 'remote-id'] as const;
type Column = (typeof columns)[number];

/** What other tools and people call the columns, in lower case and without anything but letters and digits. */
const synonyms: Readonly<Record<Column, readonly string[]>> = {
  mac: [
    'mac',
    'macaddress',
    'macaddr',
    'hwaddr',
    'hwaddress',
    'hardware',
    'hardwareaddress',
    'hardwareethernet',
    'ethernet',
    'physicaladdress',
    'linkaddress',
  ],
  address: ['address', 'ip', 'ipaddress', 'ipaddr', 'ipv4', 'ipv4address', 'fixedaddress', 'reservedaddress'],
  hostname: ['hostname', 'name', 'host', 'fqdn', 'dnsname', 'computername', 'machine'],
  'client-id': ['clientid', 'clientidentifier', 'dhcpclientidentifier', 'clid', 'uid'],
  uuid: ['uuid', 'guid', 'smbiosuuid', 'systemuuid'],
  'circuit-id': ['circuitid', 'agentcircuitid'],
  'remote-id': ['remoteid', 'agentremoteid'],
};

/** Reservations from a table whose first record names the columns. */
export function importCsvReservations(text: string): Found {
  const { records, problems } = readCsv(withoutSeparatorLine(text), separatorOf(text));
  const header = records[0];
  if (!header) return { problems: [...problems, errorAt(1, 'the file has no header line, like mac,address,hostname')] };
  const order = header.fields.map(columnOf);
  if (
    !order.includes('mac') &&
    !order.includes('client-id') &&
    !order.includes('uuid') &&
    !order.includes('circuit-id')
  ) {
    const text = `the first line names no column for the client (mac, client-id, uuid, circuit-id): ${quote(header.fields.join(','))}`;
    return { problems: [...problems, errorAt(header.line, text)] };
  }
  append(problems, headerProblems(header, order));
  const reservations: ImportedReservation[] = [];
  for (const record of records.slice(1)) {
    const read = readRecord(record, order);
    if ('reservation' in read) reservations.push(read.reservation);
    else problems.push(read.problem);
  }
  return { reservations, problems };
}

/** A table that importCsvReservations reads back, with all its columns; lines ended by CRLF as RFC 4180 has them. */
export function exportReservationsCsv(list: readonly Omit<Reservation, 'id' | 'subnetId'>[]): string {
  const bytes = (value: Buffer | undefined): string => (value && value.length > 0 ? colonHex(value) : '');
  const rows = list.map(({ mac, address, hostname, clientId, uuid, port }) => {
    const fields: Readonly<Record<Column, string | undefined>> = {
      mac,
      address,
      hostname,
      'client-id': bytes(clientId),
      uuid,
      'circuit-id': bytes(port?.circuitId),
      'remote-id': bytes(port?.remoteId),
    };
    return columns.map((column) => csvField(fields[column] ?? '')).join(',');
  });
  return [columns.join(','), ...rows, ''].join('\r\n');
}

/** Is this the header of such a table? */
export function isReservationHeader(line: string): boolean {
  const fields = line.split(separatorOf(line)).map(columnOf);
  return fields.length > 1 && (fields.includes('mac') || fields.includes('client-id')) && fields.includes('address');
}

function readRecord(
  { line, fields }: CsvRecord,
  order: readonly (Column | undefined)[],
): { reservation: ImportedReservation } | { problem: ImportProblem } {
  const refuse = (text: string) => ({ problem: errorAt(line, text) });
  if (fields.length > order.length)
    return refuse(`the record has ${fields.length} fields, the header ${order.length}: ${quote(fields.join(','))}`);
  const of = (column: Column) => fields[order.indexOf(column)] ?? '';
  const mac = readMac(of('mac'));
  if (!mac && of('mac') !== '') return refuse(`${quote(of('mac'))} is not a MAC address`);
  const address = of('address');
  if (address !== '' && !isIpv4(address)) return refuse(`${quote(address)} is not an IPv4 address`);
  const uuid = readUuid(of('uuid'));
  if (!uuid && of('uuid') !== '') return refuse(`${quote(of('uuid'))} is not a UUID that tells machines apart`);
  // the export of Windows Server has the MAC in its column ClientId
  const macAsClientId = order.includes('mac') ? undefined : readMac(of('client-id'));
  const identifiers: Partial<Record<Column, Buffer | undefined>> = {};
  for (const column of ['client-id', 'circuit-id', 'remote-id'] as const) {
    if (of(column) === '' || (column === 'client-id' && macAsClientId)) continue;
    identifiers[column] = readIdentifier(of(column));
    if (!identifiers[column]) return refuse(`${column} ${quote(of(column))} has not 1 to 255 bytes`);
  }
  const clientId = identifiers['client-id'];
  const reservation = withoutUndefined<ImportedReservation>({
    line,
    mac: mac ?? macAsClientId ?? macOfClientId(clientId),
    clientId,
    uuid,
    circuitId: identifiers['circuit-id'],
    remoteId: identifiers['remote-id'],
    address: isIpv4(address) ? address : undefined,
    hostname: of('hostname'),
    options: [],
  });
  const { circuitId, remoteId } = reservation;
  if (!reservation.mac && !clientId && !uuid && !circuitId && !remoteId)
    return refuse(`the record names no client: ${quote(fields.join(','))}`);
  return { reservation };
}

function headerProblems(header: CsvRecord, order: readonly (Column | undefined)[]): ImportProblem[] {
  return header.fields.flatMap((field, index) => {
    const column = order[index];
    if (column === undefined && field !== '') return [noteAt(header.line, `column ${quote(field)} is not read`)];
    const first = order.indexOf(column);
    if (column === undefined || first === index) return [];
    const text = `column ${quote(field)} is not read: ${quote(header.fields[first] as string)} is the ${column} already`;
    return [errorAt(header.line, text)]; // which of the two is meant, the file does not say
  });
}

function columnOf(field: string): Column | undefined {
  const plain = field.toLowerCase().replace(/[^a-z0-9]/g, '');
  return columns.find((column) => synonyms[column].includes(plain));
}

/** The separator that the header has most of; `sep=;` before it is how a spreadsheet says so. */
function separatorOf(text: string): Separator {
  const lines = text.split(/\r\n|\n|\r/, 200);
  const said = /^sep=([,;\t])$/i.exec(lines[0] ?? '')?.[1];
  if (said) return said as Separator;
  const header = lines.find((line) => line.trim() !== '' && !line.startsWith('#')) ?? '';
  const count = (separator: Separator) => header.split(separator).length;
  return ([';', '\t'] as const).find((other) => count(other) > count(',')) ?? ',';
}

/** The text with `sep=;` made a comment, so that lines keep their numbers. */
function withoutSeparatorLine(text: string): string {
  return text.replace(/^sep=[,;\t](?=[\r\n])/i, '#');
}
