import type { BatchDatagram, BatchUdp } from '../../src/batch-udp.ts';
import type { Door } from '../../src/dhcp/view.ts';
import type { Arrival } from '../../src/model/view.ts';
import type { Ipv4 } from '../../src/wire/address.ts';
import { type DhcpPacket, decodeDhcp } from '../../src/wire/dhcp-packet.ts';
import { ARRIVAL, type Harness } from '../harness.ts';

/** A datagram and how it comes: broadcast on the wire from a client without an address, unless something else is said. */
export type Datagram = { bytes: Buffer; source?: Ipv4; port?: number; unicast?: boolean; door?: Door };

/** What left the server: the bytes themselves, what they mean, and where they went. */
export type Sent = { bytes: Buffer; packet: DhcpPacket; to: { address: Ipv4; port: number } };

/** Hands datagrams to the running server; gives what it sends within its turn, undefined for silence. */
export type Tap = (datagram: Datagram) => Promise<Sent | undefined>;

/** A tap on one more interface of the server; with `isProxy` it listens there as one beside a foreign server. */
export function openTap({ dhcp }: Harness, arrival: Arrival = ARRIVAL): Tap {
  let sent: Sent[] = [];
  const socket = () => {
    let listener: ((batch: BatchDatagram[]) => void) | undefined;
    return {
      hear: (datagram: BatchDatagram) => listener?.([datagram]),
      listen: (wanted: (batch: BatchDatagram[]) => void) => {
        listener = wanted;
      },
      send: (batch: readonly BatchDatagram[]) => {
        for (const { bytes, address, port } of batch)
          sent.push({ bytes: Buffer.from(bytes), packet: decodeDhcp(bytes), to: { address, port } });
        return { sent: batch.length, waiting: 0, failed: [] };
      },
      onError: () => undefined,
      close: () => undefined,
      plainBecause: undefined,
    } satisfies BatchUdp & { hear(datagram: BatchDatagram): void };
  };
  const sockets = { dhcp: socket(), dhcpBroadcast: socket(), pxe: socket(), pxeBroadcast: socket() };
  dhcp.serve(sockets, arrival);

  return async ({ bytes, source, port, unicast, door }) => {
    sent = [];
    const pair = door === 'boot-server' ? [sockets.pxe, sockets.pxeBroadcast] : [sockets.dhcp, sockets.dhcpBroadcast];
    pair[unicast ? 0 : 1]?.hear({ bytes, address: source ?? ('0.0.0.0' as Ipv4), port: port ?? 68 });
    // the server answers in the next turn, and one later for each address that it asks the wire for
    for (let turn = 0; turn < 4 && sent.length === 0; turn++) await new Promise((resolve) => setImmediate(resolve));
    if (sent.length > 1) throw new Error(`${sent.length} answers to one datagram`);
    return sent[0];
  };
}
