import { formatBytes } from './boot/http-server.ts';
import { parseBootPath } from './boot/paths.ts';
import type { TftpEvent } from './boot/tftp-server.ts';
import type { WatchChange } from './dhcp/watch.ts';
import type { Events } from './events.ts';
import type { Leases } from './store/leases.ts';

export type TftpTellerOptions = {
  events: Pick<Events, 'emit'>;
  leases: Pick<Leases, 'macAt'>;
  log: (line: string) => void;
};

/** Told what the TFTP server does: on the timeline of the machine that it is about, or on the log. */
export function createTftpTeller({ events, leases, log }: TftpTellerOptions): (event: TftpEvent) => void {
  return (event) => {
    if (event.kind === 'trouble') return log(`TFTP: ${event.text}`);
    const path = parseBootPath(event.name);
    const mac = (path && 'mac' in path ? path.mac : undefined) ?? leases.macAt(event.address);
    if (!mac) return;
    const data = { name: event.name, by: 'TFTP' };
    if (event.kind === 'done')
      events.emit({
        kind: 'file.served',
        text: `${event.name}, ${formatBytes(event.bytes)} by TFTP`,
        mac,
        data: { ...data, bytes: event.bytes, ms: event.ms, blockSize: event.blockSize, retransmits: event.retransmits },
      });
    if (event.kind === 'probe')
      events.emit({ kind: 'file.probed', text: `${event.name}: asked for its size by TFTP`, mac, data });
    if (event.kind === 'failed')
      events.emit({ kind: 'file.failed', text: `${event.name} by TFTP broke off: ${event.reason}`, mac, data });
  };
}

/** Told what changes with a DHCP server that is not ours: on the timeline of the appliance. */
export function createForeignTeller(events: Pick<Events, 'emit'>): (change: WatchChange) => void {
  return ({ server, text }) => {
    events.emit({
      kind: 'dhcp.server',
      text,
      because: server.spoils,
      data: { address: server.address, serverId: server.serverId, interface: server.interface },
    });
  };
}
