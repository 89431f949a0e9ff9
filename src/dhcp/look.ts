import type { Instant } from '../model/time.ts';
import type { OfferedBootenv } from '../model/view.ts';
import type { Jobs } from '../store/jobs.ts';
import type { Machines } from '../store/machines.ts';
import type { Network } from '../store/network.ts';
import { beginsBoot, bootView } from '../store/views.ts';
import type { Offers } from './offers.ts';
import type { DhcpRequest, DhcpView } from './view.ts';

export type LookOptions = {
  machines: Machines;
  network: Network;
  jobs: Jobs;
  offers: Offers;
  bootenv: (name: string) => OfferedBootenv | undefined;
  settings: { unknownBoots: 'scout' | 'local' };
};

/** The snapshot for a DHCP decision. `isNewBoot`: this request begins a new boot, and the view has that boot's number. */
export type Look = (request: DhcpRequest, now: Instant) => { view: DhcpView; isNewBoot: boolean };

/** Reads the world for one request; changes nothing, so `explain` looks with it too. */
export function createLook({ machines, network, jobs, offers, bootenv, settings }: LookOptions): Look {
  return (request, now) => {
    const subnet = network.subnets().find((one) => one.interface === request.arrival.interface);
    let isNewBoot = false;
    const boot =
      request.mac &&
      bootView(machines, jobs, settings, bootenv, request.mac, (present, stage, seenAt) => {
        isNewBoot = request.type === 'discover' && beginsBoot(request.firmware.stage, stage, seenAt, now);
        return isNewBoot ? present + 1 : present;
      });
    if (!subnet) return { isNewBoot, view: { now, use: () => ({}), ended: () => [], boot } };
    return {
      isNewBoot,
      view: {
        now,
        subnet,
        reservation: request.mac && network.reservation(subnet.id, request.mac),
        lease: network.lease(subnet.id, request.client),
        offer: offers.of(subnet.id, request.client, now),
        use: (address) => ({
          lease: network.leaseAt(subnet.id, address),
          offer: offers.at(subnet.id, address, now),
          reservedFor: network.reservedFor(subnet.id, address),
        }),
        ended: () => network.endedLeases(subnet.id, now),
        boot,
      },
    };
  };
}
