import { type Ipv4, isIpv4, type Mac } from '../../wire/address.ts';
import { withoutUndefined } from '../../wire/dhcp-shapes.ts';
import { isBrokenIpv4, macOfClientId, readHex, readMac, uuidOfOption97 } from './client.ts';
import {
  errorAt,
  type ImportedOption,
  type ImportedReservation,
  type ImportProblem,
  noteAt,
  quote,
} from './imported.ts';
import { type CustomOptions, phraseOf, readIscOption } from './isc-options.ts';
import { type IscStatement, keywordOf } from './isc-statements.ts';
import { bytesOfIscString, type IscToken, textOfIscToken } from './isc-tokens.ts';
import { judgeUnread } from './settings.ts';

/** A host declaration: `deleted` is how dhcpd.leases takes back one of the same name. */
export type IscHost = { name: string; deleted: boolean; reservation?: ImportedReservation; problems: ImportProblem[] };

/** What a `host NAME { ... }` says; `outer` are the options of the groups around it, the outermost first. */
export function readIscHost(
  { line, tokens, block = [] }: IscStatement,
  outer: readonly ImportedOption[],
  custom: CustomOptions,
): IscHost {
  const name = tokens[1] ? textOfIscToken(tokens[1]) : '';
  const problems: ImportProblem[] = [];
  const options = new Map(outer.map((option) => [option.code, option]));
  const client: { mac?: Mac; clientId?: Buffer; uuid?: string; circuitId?: Buffer; remoteId?: Buffer } = {};
  let address: Ipv4 | undefined;
  let hostname = name;
  let deleted = false;
  const say = (at: number, text: string) => problems.push(errorAt(at, `host ${quote(name)}: ${text}`));
  const tell = (at: number, text: string) => problems.push(noteAt(at, `host ${quote(name)}: ${text}`));

  for (const statement of block) {
    const [first, second] = statement.tokens;
    const keyword = keywordOf(first);
    const refuse = (why: string) => say(statement.line, `${quote(phraseOf(statement.tokens))} is not taken${why}`);
    if (statement.block) refuse(': it depends on the request');
    else if (keyword === 'hardware') {
      const mac = keywordOf(second) === 'ethernet' ? readMac(phraseOf(statement.tokens.slice(2))) : undefined;
      if (!mac) refuse(': it is no Ethernet address');
      else if (client.mac) refuse(`: the host has ${client.mac} already`);
      else client.mac = mac;
    } else if (keyword === 'fixed-address') {
      const told = statement.tokens
        .slice(1)
        .filter(({ kind }) => kind !== 'mark')
        .map(textOfIscToken);
      const addresses = told.filter(isIpv4);
      address ??= addresses[0];
      for (const other of told)
        if (!isIpv4(other))
          say(
            statement.line,
            `fixed-address ${quote(other)} is not taken: it is ${isBrokenIpv4(other) ? 'no IPv4 address' : 'a name'}`,
          );
        else if (other !== address)
          say(statement.line, `fixed-address ${other} is not taken: the host has ${address} already`);
    } else if (isIdentifier(statement.tokens)) {
      const problem = readIdentifierInto(client, statement.tokens);
      if (problem !== undefined) refuse(`: ${problem}`);
    } else if (keyword === 'deleted') deleted = true;
    else if (keyword !== 'dynamic' && keyword !== 'ddns-hostname') {
      const phrase = phraseOf(statement.tokens);
      const read = readIscOption(statement, custom);
      // that it gets no address, or none by booting, is lost; what else is no option says nothing to the client
      if (!read && /^(deny|ignore) /i.test(phrase)) refuse(': the host is answered');
      else if (!read) tell(statement.line, `${quote(phrase)} is not taken`);
      else if ('unread' in read)
        problems.push(judgeUnread({ ...read.unread, text: `host ${quote(name)}: ${read.unread.text}` }, 'client'));
      else if (read.option.code === 12) hostname = read.option.text;
      else {
        const { line: _, ...option } = read.option;
        options.set(option.code, option);
      }
    }
  }
  if (deleted) return { name, deleted, problems: [] };
  const mac = client.mac ?? macOfClientId(client.clientId);
  if (!mac && !client.clientId && !client.uuid && !client.circuitId && !client.remoteId) {
    say(line, 'the host is not taken: it names no client (hardware ethernet, dhcp-client-identifier, host-identifier)');
    return { name, deleted, problems };
  }
  const reservation = withoutUndefined<ImportedReservation>({
    ...client,
    line,
    mac,
    address,
    hostname,
    options: [...options.values()],
  });
  return { name, deleted, reservation, problems };
}

/** The bytes of one token: a string's, or those of hexadecimal text (`01:52:54:..`). */
export function bytesOfIscToken(token: IscToken | undefined): Buffer | undefined {
  if (token?.kind === 'string') return bytesOfIscString(token.text);
  return token?.kind === 'word' ? readHex(token.text) : undefined;
}

/** `option dhcp-client-identifier ..`, `uid ..` and `host-identifier option NAME ..` say who the client is. */
function isIdentifier(tokens: readonly IscToken[]): boolean {
  const [first, second] = tokens.map(keywordOf);
  return first === 'host-identifier' || first === 'uid' || (first === 'option' && second === 'dhcp-client-identifier');
}

/** Enters the identifier; gives back why it could not be. */
function readIdentifierInto(
  client: { clientId?: Buffer; uuid?: string; circuitId?: Buffer; remoteId?: Buffer },
  tokens: readonly IscToken[],
): string | undefined {
  const at = tokens.findIndex((token) => keywordOf(token) === 'option');
  const name = at < 0 ? 'dhcp-client-identifier' : keywordOf(tokens[at + 1]);
  const value = tokens.slice(at < 0 ? 1 : at + 2).filter(({ kind, text }) => kind !== 'mark' || text !== '=');
  const bytes = value.length === 1 ? bytesOfIscToken(value[0]) : undefined;
  if (!bytes || bytes.length === 0 || bytes.length > 255) return 'it has not 1 to 255 bytes';
  if (name === 'dhcp-client-identifier') client.clientId = bytes;
  else if (name === 'agent.circuit-id') client.circuitId = bytes;
  else if (name === 'agent.remote-id') client.remoteId = bytes;
  else if (name === 'pxe-client-id') {
    const uuid = uuidOfOption97(bytes);
    if (!uuid) return 'it is no UUID that tells machines apart';
    client.uuid = uuid;
  } else return `hosts cannot be told by ${name}`;
  return undefined;
}
