import { isIpv4 } from '../../wire/address.ts';
import { withoutUndefined } from '../../wire/dhcp-shapes.ts';
import { describeClient, macOfClientId, readIdentifier, readMac } from './client.ts';
import { errorAt, type ImportedReservation, type ImportProblem, noteAt, quote } from './imported.ts';
import { isEmpty, itemsOf, type Json, memberOf, textOf } from './json.ts';
import { type KeaDefinitions, readKeaOptions } from './kea-options.ts';

/** Members that are read, and those that say nothing to the client. */
const known = new Set(
  `hw-address client-id circuit-id duid flex-id ip-address hostname option-data next-server server-hostname boot-file-name
   user-context comment`.split(/\s+/),
);
/** Identifiers that Kea knows clients by and we cannot. */
const foreign: readonly (readonly [string, string])[] = [
  ['duid', 'the DUID alone does not make the client id that the client sends (RFC 4361 6.1)'],
  ['flex-id', 'it is the value of an expression over the request'],
];

/** One element of `reservations`; without a reservation when it names no client that we can know. */
export function readKeaReservation(
  json: Json,
  definitions: KeaDefinitions,
): { reservation?: ImportedReservation; problems: ImportProblem[] } {
  const { line } = json;
  if (json.kind !== 'object') return { problems: [errorAt(line, 'a reservation is not taken: it is no object')] };
  const told = (name: string) => textOf(memberOf(json, name)) ?? '';
  const clientId = told('client-id') === '' ? undefined : readIdentifier(told('client-id'));
  const circuitId = told('circuit-id') === '' ? undefined : readIdentifier(told('circuit-id'));
  const hardware = readMac(told('hw-address'));
  const mac = hardware ?? macOfClientId(clientId);
  const whole = `the reservation of ${describeClient({ mac, clientId, circuitId })}`;
  const { options, problems } = readKeaOptions(json, definitions, whole, 'client');
  const lineOf = (name: string) => memberOf(json, name)?.line ?? line;
  const say = (name: string, text: string) => problems.push(errorAt(lineOf(name), text));
  for (const [name, value] of [
    ['hw-address', hardware],
    ['client-id', clientId],
    ['circuit-id', circuitId],
  ] as const)
    if (told(name) !== '' && !value) say(name, `${name} ${quote(told(name))} is not taken: it is no such identifier`);
  for (const [name, why] of foreign)
    if (told(name) !== '') say(name, `${name} ${quote(told(name))} is not taken: ${why}`);
  for (const [name, member] of json.members)
    if (name === 'client-classes' && isDropped(json))
      say(name, `${whole} is for a client to be ignored (class DROP): that is not taken, it is answered`);
    else if (!known.has(name) && !isEmpty(member))
      problems.push(noteAt(lineOf(name), `${quote(name)} of ${whole} is not taken`));
  if (!mac && !clientId && !circuitId) {
    problems.push(
      errorAt(
        line,
        `the reservation of ${told('ip-address') || quote(told('hostname'))} is not taken: it names no client that we can know`,
      ),
    );
    return { problems };
  }
  const address = told('ip-address');
  if (address !== '' && !isIpv4(address))
    say('ip-address', `${quote(address)} is not an IPv4 address: the reservation has none`);
  const reservation = withoutUndefined<ImportedReservation>({
    line,
    mac,
    clientId,
    circuitId,
    address: isIpv4(address) && address !== '0.0.0.0' ? address : undefined,
    hostname: told('hostname').replace(/\.$/, ''),
    options: options.map(({ line: _, ...option }) => option),
  });
  return { reservation, problems };
}

/** Is the client in the class whose requests Kea throws away? Kea ARM, "Built-in Client Classes". */
function isDropped(json: Json): boolean {
  return itemsOf(json, 'client-classes').items.some((item) => textOf(item) === 'DROP');
}
