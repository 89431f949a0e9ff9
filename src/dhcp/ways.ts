import { isLoaderFile } from '../boot/loaders.ts';
import type { Machine } from '../model/machine.ts';
import type { Machines } from '../store/machines.ts';
import type { Mac } from '../wire/address.ts';
import type { Door } from './view.ts';

/** Machines whose way is remembered between answer and download. */
const REMEMBERED = 10_000;

/** Beside a foreign server: how each machine was told its file the last time, and which way has worked. */
export function createWays(machines: Machines) {
  /** The longest ago stands first. */
  const toldBy = new Map<Mac, NonNullable<Machine['pxeLearned']>>();

  return {
    /** A machine was told a file at this door. As the only server of the wire we have no choice to learn about. */
    note(mac: Mac, door: Door): void {
      if (door === 'server') return;
      toldBy.delete(mac);
      toldBy.set(mac, door === 'proxy' ? 'direct' : 'binl');
      for (const oldest of toldBy.keys()) {
        if (toldBy.size <= REMEMBERED) break;
        toldBy.delete(oldest);
      }
    },

    /** A machine fetched the file of this name. Was it a loader, the way in which it was told works with it, and is taken again. */
    learn(mac: Mac, name: string): void {
      const way = toldBy.get(mac);
      if (!way || !isLoaderFile(name.slice(name.lastIndexOf('/') + 1))) return;
      toldBy.delete(mac);
      const machine = machines.byMac(mac);
      if (machine && machine.pxeLearned !== way) machines.setPxeLearned(machine.id, way);
    },
  };
}

/** What createWays gives. */
export type Ways = ReturnType<typeof createWays>;
