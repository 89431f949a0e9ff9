/** DHCP servers that are not ours, with no word about booting unless they are told to say one. Who starts one ends it. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { logged, type Program, startIn } from './wires.ts';

export type ForeignPlace = {
  namespace: string;
  card: string;
  /** For its files. */
  folder: string;
  /** In CIDR form, and the addresses it gives. */
  subnet: string;
  first: string;
  last: string;
};

const LEASE_SECONDS = 600;

/** dnsmasq, which names itself in siaddr whatever it is told. `words` are added to its command line. */
export async function startDnsmasq(place: ForeignPlace, words: readonly string[] = []): Promise<Program> {
  const { namespace, folder, card, first, last } = place;
  const program = startIn(namespace, newLog(folder), 'dnsmasq', [
    ...['--keep-in-foreground', '--conf-file=/dev/null', '--log-facility=-', '--log-dhcp', '--port=0', '--no-ping'],
    ...['--user=root', '--group=root', '--pid-file=', `--dhcp-leasefile=${join(folder, 'foreign-dnsmasq.leases')}`],
    ...[`--interface=${card}`, '--bind-interfaces', `--dhcp-range=${first},${last},${LEASE_SECONDS}`, ...words],
  ]);
  await logged(program, /DHCP, IP range/);
  return program;
}

/** ISC's newer one. */
export async function startKea(place: ForeignPlace): Promise<Program> {
  const { namespace, folder, card, subnet, first, last } = place;
  const config = join(folder, 'foreign-kea.json');
  const leases = join(folder, 'foreign-kea.csv');
  writeFileSync(
    config,
    JSON.stringify({
      Dhcp4: {
        'interfaces-config': { interfaces: [card], 'dhcp-socket-type': 'raw' },
        'lease-database': { type: 'memfile', persist: true, name: leases, 'lfc-interval': 0 },
        'valid-lifetime': LEASE_SECONDS,
        subnet4: [{ subnet, pools: [{ pool: `${first}-${last}` }] }],
        loggers: [{ name: 'kea-dhcp4', severity: 'INFO', output_options: [{ output: 'stdout', flush: true }] }],
      },
    }),
  );
  const folders = { KEA_PIDFILE_DIR: folder, KEA_LOCKFILE_DIR: folder };
  const program = startIn(namespace, newLog(folder), 'kea-dhcp4', ['-c', config], folders);
  await logged(program, /DHCP4_STARTED/);
  return program;
}

let logs = 0;
/** One of its own for each start, so that what an earlier one said is not taken for this one's. */
const newLog = (folder: string): string => join(folder, `foreign-${++logs}.log`);
