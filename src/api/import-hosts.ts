import { describeClient } from '../dhcp/import/client.ts';
import { errorAt, type ImportedReservation, type ImportProblem, noteAt } from '../dhcp/import/index.ts';
import type { RelayPort, Subnet } from '../model/network.ts';
import type { NewReservation } from '../store/network.ts';
import type { OptionSetting } from '../store/options.ts';
import {
  type CustomOption,
  formatOption,
  listOptions,
  OptionTextError,
  parseOption,
} from '../wire/dhcp-option-text.ts';
import { isHostname } from './client-text.ts';
import { canonicalName } from './dhcp-options.ts';
import { noteOnLease, subnetForClient } from './reservations.ts';
import type { ApiOptions } from './server.ts';

/** A reservation that is to be made, with the options that are its own. */
export type PlannedHost = { line: number; wanted: NewReservation; settings: Omit<OptionSetting, 'scopeId'>[] };

const NOTHING: Buffer = Buffer.alloc(0);
/** Options that nobody can set: the server says them itself (the lease time, by the subnet), or only a client does. */
const NOT_TO_SET = new Set(listOptions().flatMap((one) => ('refused' in one ? [one.code] : [])));

/** The name of a host as it is kept: '' when it is none that option 12 can have. */
export function nameOf({ hostname }: Pick<ImportedReservation, 'hostname'>): string {
  return isHostname(hostname) ? hostname : '';
}

/** What a reservation of a file becomes on its subnet. Throws when its address is one that no client can have. */
export function planHost(
  one: ImportedReservation,
  subnet: Subnet,
  options: ApiOptions,
  problems: ImportProblem[],
): PlannedHost {
  const { line, address, mac, clientId, uuid } = one;
  if (address) subnetForClient(address, options, subnet);
  const hostname = nameOf(one);
  if (hostname !== one.hostname) {
    const name = JSON.stringify(one.hostname);
    problems.push(noteAt(line, `the name ${name} of ${describeClient(one)} is not taken: it is no host name`));
  }
  const port = portOf(one);
  const wanted: NewReservation = {
    subnetId: subnet.id,
    ...(address ? { address } : {}),
    hostname,
    ...(mac ? { mac } : {}),
    ...(clientId ? { clientId } : {}),
    ...(uuid ? { uuid } : {}),
    ...(port ? { port } : {}),
  };
  const note = noteOnLease(wanted, options);
  if (note !== undefined) problems.push(noteAt(line, note));
  return { line, wanted, settings: settingsOf(one, options, problems) };
}

function portOf({ circuitId, remoteId }: ImportedReservation): RelayPort | undefined {
  if (!circuitId && !remoteId) return undefined;
  return { circuitId: circuitId ?? NOTHING, remoteId: remoteId ?? NOTHING };
}

function settingsOf(
  { line, options: told }: ImportedReservation,
  { optionSettings }: ApiOptions,
  problems: ImportProblem[],
): PlannedHost['settings'] {
  const custom = optionSettings.custom() as readonly CustomOption[];
  return told.flatMap(({ code, name, text }) => {
    if (code === 0) {
      // siaddr is no option, and names the server that a loader comes from: us
      problems.push(noteAt(line, `${name ?? 'next-server'} ${text} is not taken: this server names itself`));
      return [];
    }
    try {
      const { bytes } = parseOption(String(code), text, custom);
      const { value } = formatOption(code, bytes, custom);
      const isTemplate = JSON.stringify(value).includes('{{'); // to us, and not to who wrote the file
      return [
        {
          scope: 'reservation',
          name: canonicalName(String(code), custom, text),
          value: isTemplate ? `hex:${bytes.toString('hex')}` : value,
          force: false,
        },
      ];
    } catch (error) {
      if (!(error instanceof OptionTextError)) throw error;
      problems.push(NOT_TO_SET.has(code) ? noteAt(line, error.message) : errorAt(line, error.message));
      return [];
    }
  });
}
