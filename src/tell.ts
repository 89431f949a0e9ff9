import { parseBootPath } from './boot/paths.ts';
import type { TftpEvent } from './boot/tftp-server.ts';
import type { WatchChange } from './dhcp/watch.ts';
import type { Events } from './events.ts';
import { formatBytes } from './model/size.ts';
import type { Leases } from './store/leases.ts';

export type TftpTellerOptions = {
  events: Pick<Events, 'emit'>;
  leases: Pick<Leases, 'macAt'>;
  log: (line: string) => void;
  /** Milliseconds that go on evenly whatever the host's clock is set to. */
  steady: () => number;
};

/** What the TFTP server refuses by itself is told once for each client and code within this time, */
const QUIET_MS = 10 * 60 * 1000;
/** and so many times in all: whoever makes up addresses cannot fill the log. */
const MOST_TOLD = 64;
/** Of a name that is refused; a write request may bring one as long as its datagram. */
const NAME_SHOWN = 100;

/** Told what the TFTP server does: on the timeline of the machine that it is about, or on the log. */
export function createTftpTeller({ events, leases, log, steady }: TftpTellerOptions): (event: TftpEvent) => void {
  const told = new Set<string>();
  let quietUntil = 0;

  function tellRefused({ address, name, code, text }: TftpEvent & { kind: 'refused' }): void {
    // every other refusal is a decision, which stands where it was made: on the machine's timeline
    if (code !== 'busy' && code !== 'illegal') return;
    const now = steady();
    if (now >= quietUntil) {
      told.clear();
      quietUntil = now + QUIET_MS;
    }
    const key = `${code} ${address}`;
    if (told.size >= MOST_TOLD || told.has(key)) return;
    told.add(key);
    const what = name === '' ? 'sent no request' : `asked for ${name.slice(0, NAME_SHOWN)}`;
    if (told.size < MOST_TOLD) return log(`TFTP: ${address} ${what}: ${text}`);
    quietUntil = now + QUIET_MS;
    log(`TFTP: ${address} ${what}: ${text}; more of this is not told for ${QUIET_MS / 60_000} minutes`);
  }

  return (event) => {
    if (event.kind === 'trouble') return log(`TFTP: ${event.text}`);
    if (event.kind === 'refused') return tellRefused(event);
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
