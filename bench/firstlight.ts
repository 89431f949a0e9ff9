import { cpSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { type Clients, clientMac, MACHINES } from './clients.ts';
import { BenchError } from './error.ts';
import { POOL, poolAddress, RELAY, SERVER_NAMESPACE } from './net.ts';
import type { Processes, Running } from './processes.ts';
import { LEASE_SECONDS, type Server, until } from './servers.ts';
import { INTERFACE } from './wire.ts';

const PROJECT = join(import.meta.dirname, '..');
const PERSISTS = 'lease and event in SQLite, one fsync for all answers of a moment';
/** Requests that are on their way to the API at once while machines are entered. */
const AT_ONCE = 16;

type Api = (method: string, path: string, body?: unknown) => Promise<unknown>;

/** Firstlight with an empty store. */
export const firstlight: Server = {
  name: 'firstlight',
  title: 'Firstlight',
  persists: PERSISTS,
  start: async (processes, folder) => (await startFirstlight(processes, folder)).running,
};

/**
 * Firstlight with the store that `enterMachines` made in `full`: each start has a copy of its own. Strangers ask it, or the machines
 * in it themselves, of each of which the history keeps what it asked and got.
 */
export function firstlightWith(full: string, asking: 'strangers' | 'machines'): Server {
  return {
    ...(asking === 'strangers'
      ? { name: 'firstlight10000', title: 'Firstlight, 10,000 machines' }
      : { name: 'firstlightMachines', title: 'Firstlight, its machines ask', clients: MACHINES }),
    persists: PERSISTS,
    async start(processes, folder) {
      cpSync(join(full, 'data'), join(folder, 'data'), { recursive: true });
      cpSync(join(full, 'credentials.json'), join(folder, 'credentials.json'));
      return (await startFirstlight(processes, folder)).running;
    },
  };
}

/** Enters these machines with a reservation each, over the API, into a store in this folder, and stops again. */
export async function enterMachines(processes: Processes, folder: string, wanted: Clients): Promise<void> {
  mkdirSync(folder);
  const { running, api } = await startFirstlight(processes, folder);
  let next = 0;
  const enter = async (): Promise<void> => {
    for (let place = next++; place < wanted.count; place = next++) {
      const mac = clientMac(wanted, place);
      await api('POST', '/api/v1/machines', { macs: [mac], accepted: true });
      await api('POST', '/api/v1/reservations', { mac, address: poolAddress(place) });
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, enter));
  await running.stop();
}

async function startFirstlight(processes: Processes, folder: string): Promise<{ running: Running; api: Api }> {
  const host = `127.0.0.1:${await freePort()}`;
  const credentials = join(folder, 'credentials.json');
  const command = [
    ...[join(PROJECT, 'bin/firstlight'), 'serve', '--namespace', SERVER_NAMESPACE, '--interface', INTERFACE],
    ...['--range', `${POOL.first}-${POOL.last}`, '--relay', RELAY, '--lease-seconds', String(LEASE_SECONDS)],
    ...['--data', join(folder, 'data'), '--api', host, '--credentials', credentials],
    // a process that changes its user is no longer ended by the kernel with the one that started it
    ...['--user', 'root'],
  ];
  const running = processes.start(command, join(folder, 'log'));
  const api = await until(running, async () => {
    if (!existsSync(credentials)) return undefined;
    const ask = apiAt(`http://${host}`, (JSON.parse(readFileSync(credentials, 'utf8')) as { token: string }).token);
    return ask('GET', '/api/v1/status').then(
      () => ask,
      () => undefined,
    );
  });
  return { running, api };
}

function apiAt(url: string, token: string): Api {
  return async (method, path, body) => {
    const response = await fetch(`${url}${path}`, {
      method,
      headers: {
        Authorization: `Bearer ${token}`,
        ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    if (!response.ok)
      throw new BenchError(`${method} ${path} ${JSON.stringify(body)} answers ${response.status}: ${text}`);
    return JSON.parse(text) as unknown;
  };
}

async function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}
