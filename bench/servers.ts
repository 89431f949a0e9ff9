import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Clients } from './clients.ts';
import { BenchError } from './error.ts';
import { NETMASK, POOL, SERVER_NAMESPACE, SUBNET } from './net.ts';
import type { Processes, Running } from './processes.ts';
import { INTERFACE } from './wire.ts';

export type ServerName = 'firstlight' | 'firstlight10000' | 'firstlightMachines' | 'keaSingle' | 'keaMulti' | 'dnsmasq';

/** A DHCP server to measure. */
export type Server = {
  name: ServerName;
  title: string;
  /** What is on disk when its ACK leaves. */
  persists: string;
  /** About what it keeps, where the search begins; 4,000 exchanges a second when it does not say. */
  about?: number;
  /** Who asks, when not everybody's clients do. */
  clients?: Clients;
  /** Starts it with nothing leased, its files in this empty folder; gives it when it answers. */
  start(processes: Processes, folder: string): Promise<Running>;
};

export const LEASE_SECONDS = 3600;
const READY_SECONDS = 30;

export function kea(threads: 'single' | 'multi'): Server {
  return {
    name: threads === 'single' ? 'keaSingle' : 'keaMulti',
    title: `Kea, ${threads}-threaded`,
    persists: 'appends each lease to its file, no fsync',
    async start(processes, folder) {
      const config = join(folder, 'kea.json');
      writeFileSync(config, JSON.stringify(keaConfig(folder, threads === 'multi')));
      return ready(
        processes.start(['kea-dhcp4', '-c', config], join(folder, 'log'), {
          namespace: SERVER_NAMESPACE,
          env: { KEA_PIDFILE_DIR: folder, KEA_LOCKFILE_DIR: folder },
        }),
      );
    },
  };
}

/** Kea as its manual says it is fast: leases in memory and appended to a file, no line of log for each packet. */
function keaConfig(folder: string, isMultiThreaded: boolean) {
  return {
    Dhcp4: {
      'interfaces-config': { interfaces: [INTERFACE], 'dhcp-socket-type': 'raw' },
      'lease-database': { type: 'memfile', persist: true, name: join(folder, 'leases.csv'), 'lfc-interval': 0 },
      'multi-threading': { 'enable-multi-threading': isMultiThreaded },
      'valid-lifetime': LEASE_SECONDS,
      subnet4: [{ subnet: SUBNET, pools: [{ pool: `${POOL.first}-${POOL.last}` }] }],
      loggers: [{ name: 'kea-dhcp4', severity: 'WARN', output_options: [{ output: 'stdout' }] }],
    },
  };
}

export const dnsmasq: Server = {
  name: 'dnsmasq',
  title: 'dnsmasq',
  about: 400,
  persists: 'writes its whole lease file anew, with fsync',
  async start(processes, folder) {
    const command = [
      ...['dnsmasq', '--keep-in-foreground', '--conf-file=/dev/null', '--log-facility=-', '--quiet-dhcp', '--port=0'],
      ...['--user=root', '--group=root', `--pid-file=${join(folder, 'pid')}`, `--interface=${INTERFACE}`],
      `--dhcp-range=${POOL.first},${POOL.last},${NETMASK},${LEASE_SECONDS}`,
      ...[`--dhcp-leasefile=${join(folder, 'leases')}`, '--no-ping', '--dhcp-lease-max=70000'],
    ];
    return ready(processes.start(command, join(folder, 'log'), { namespace: SERVER_NAMESPACE }));
  },
};

/** Waits until the server, which is inside the namespace, has port 67 open there. */
async function ready(server: Running): Promise<Running> {
  // local_address of /proc/PID/net/udp, proc(5): address and port in hexadecimal
  await until(server, () =>
    /^ *\d+: [0-9A-F]{8}:0043 /m.test(readFileSync(`/proc/${server.pid}/net/udp`, 'utf8')) ? true : undefined,
  );
  return server;
}

/** Asks again and again until there is an answer. Throws BenchError when the server ends meanwhile or never gets there. */
export async function until<T>(server: Running, ask: () => Promise<T | undefined> | T | undefined): Promise<T> {
  for (let round = 0; round < READY_SECONDS * 20; round++) {
    server.checkAlive();
    const answer = await ask();
    if (answer !== undefined) return answer;
    await sleep(50);
  }
  throw new BenchError(`process ${server.pid} does not serve after ${READY_SECONDS} s`);
}
