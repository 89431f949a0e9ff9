import { describeClient } from '../dhcp/import/client.ts';
import type { ImportedReservation, ImportProblem } from '../dhcp/import/index.ts';
import { AppError } from '../model/errors.ts';
import type { RelayPort, Reservation } from '../model/network.ts';
import type { NewReservation } from '../store/network.ts';
import type { OptionSetting } from '../store/options.ts';
import { type CustomOption, formatOption, OptionTextError, parseOption } from '../wire/dhcp-option-text.ts';
import { isHostname } from './client-text.ts';
import { canonicalName } from './dhcp-options.ts';
import { noteOnLease, subnetForClient } from './reservations.ts';
import type { ApiOptions } from './server.ts';

/** Kept here already for one of the same marks: no line is needed for it again. */
export function isPresent(one: ImportedReservation, { network }: ApiOptions): boolean {
  const { address, mac, clientId, uuid, circuitId, remoteId } = one;
  const port = portOf(one);
  const subnet = address ? network.subnetOf(address) : network.subnets()[0];
  if (!subnet) return false;
  if (!address) {
    const kept = network.reservationOf(subnet.id, { mac, clientId, uuid, port });
    return kept !== undefined && !kept.address && kept.hostname === one.hostname;
  }
  const kept = network.reservationAt(subnet.id, address);
  return (
    kept !== undefined &&
    ((mac !== undefined && kept.mac === mac) ||
      (clientId !== undefined && kept.clientId?.equals(clientId) === true) ||
      (uuid !== undefined && kept.uuid === uuid) ||
      (port !== undefined && isSame(kept.port?.circuitId, circuitId) && isSame(kept.port?.remoteId, remoteId)))
  );
}

/** The reservation made; undefined when the same one stood in the file before. */
export function addHost(
  one: ImportedReservation,
  options: ApiOptions,
  notes: ImportProblem[],
): Reservation | undefined {
  const wanted = newReservation(one, options, notes);
  if (isPresent(one, options)) return undefined;
  const note = noteOnLease(wanted, options);
  if (note !== undefined) notes.push({ line: one.line, text: note });
  return options.network.addReservation(wanted);
}

const NOTHING: Buffer = Buffer.alloc(0);
const isSame = (a: Buffer = NOTHING, b: Buffer = NOTHING): boolean => a.equals(b);

function newReservation(one: ImportedReservation, options: ApiOptions, notes: ImportProblem[]): NewReservation {
  const { network } = options;
  const { address, mac, clientId, uuid } = one;
  const port = portOf(one);
  const subnet = address ? subnetForClient(address, options) : network.subnets()[0];
  if (!subnet) throw new AppError('no-such-subnet', `${describeClient(one)} has no address, and there is no subnet`);
  const isNamed = one.hostname === '' || isHostname(one.hostname);
  if (!isNamed)
    notes.push({
      line: one.line,
      text: `the name ${JSON.stringify(one.hostname)} of ${describeClient(one)} is not taken: it is no host name`,
    });
  return {
    subnetId: subnet.id,
    ...(address ? { address } : {}),
    hostname: isNamed ? one.hostname : '',
    ...(mac ? { mac } : {}),
    ...(clientId ? { clientId } : {}),
    ...(uuid ? { uuid } : {}),
    ...(port ? { port } : {}),
  };
}

function portOf({ circuitId, remoteId }: ImportedReservation): RelayPort | undefined {
  if (!circuitId && !remoteId) return undefined;
  return { circuitId: circuitId ?? NOTHING, remoteId: remoteId ?? NOTHING };
}

/** The settings of a reservation that the file has options for. */
export function optionsOf(
  { line, options: told }: ImportedReservation,
  { id }: Reservation,
  { optionSettings }: ApiOptions,
  problems: ImportProblem[],
  notes: ImportProblem[],
): OptionSetting[] {
  const custom = optionSettings.custom() as readonly CustomOption[];
  return told.flatMap(({ code, name, text }): OptionSetting[] => {
    if (code === 0) {
      // siaddr is no option, and names the server that a loader comes from: us
      notes.push({ line, text: `${name ?? 'next-server'} ${text} is not taken: this server names itself` });
      return [];
    }
    try {
      const { bytes } = parseOption(String(code), text, custom);
      const { value } = formatOption(code, bytes, custom);
      const isTemplate = JSON.stringify(value).includes('{{'); // to us, and not to who wrote the file
      return [
        {
          scope: 'reservation',
          scopeId: String(id),
          name: canonicalName(String(code), custom, text),
          value: isTemplate ? `hex:${bytes.toString('hex')}` : value,
          force: false,
        },
      ];
    } catch (error) {
      if (!(error instanceof OptionTextError)) throw error;
      problems.push({ line, text: error.message });
      return [];
    }
  });
}
