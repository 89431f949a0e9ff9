import { createConsoles } from './bmc/console.ts';
import { createSupervisor, type SupervisorOptions } from './bmc/supervisor.ts';
import { createBootFiles } from './boot/open.ts';
import type { Shelf } from './boot/shelf.ts';
import { createDhcpServer } from './dhcp/server.ts';
import { createEvents } from './events.ts';
import { createExplain } from './explain.ts';
import type { Clock } from './model/time.ts';
import type { Arrival } from './model/view.ts';
import { openBmcs } from './store/bmcs.ts';
import type { Db } from './store/db.ts';
import { openHistory } from './store/history.ts';
import { openJobs } from './store/jobs.ts';
import { openLeases } from './store/leases.ts';
import { openMachines } from './store/machines.ts';
import { openNetwork } from './store/network.ts';
import { openOptionSettings } from './store/options.ts';
import { openOrders } from './store/orders.ts';
import type { Secrets } from './store/secrets.ts';
import { createDiscovery } from './workflow/discovery.ts';
import { createDoor } from './workflow/door.ts';
import { createRunner } from './workflow/runner.ts';

/** What the parts are made of. */
export type Given = {
  db: Db;
  secrets: Secrets;
  library: Shelf['library'];
  settings: { unknownBoots: 'scout' | 'local'; acceptAutomatically: boolean };
  clock: Clock;
  /** Milliseconds that go on evenly whatever the host's clock is set to. */
  steady: () => number;
  /** Who we are among several Firstlights on one wire. */
  instance: string;
  arrivals: readonly Arrival[];
  loadersFolder: string;
  /** Where the logs of serial consoles are kept. */
  consoleFolder: string;
  /** Where faults that no timeline has a place for are told. */
  log?: (line: string) => void;
  hasSecurityMirror: boolean;
  /** How BMCs are treated, where it is not as usual. */
  power?: Partial<Pick<SupervisorOptions, 'settings' | 'clock' | 'steady' | 'sleep'>>;
};

/** Made by joinParts. */
export type Parts = ReturnType<typeof joinParts>;

/** Everything that decides and remembers, joined; main.ts puts the sockets, the mirrors and the API around it. */
export function joinParts({
  db,
  secrets,
  library,
  settings,
  clock,
  steady,
  instance,
  arrivals,
  loadersFolder,
  consoleFolder,
  log = (line) => console.error(line),
  hasSecurityMirror,
  power,
}: Given) {
  const leases = openLeases(db);
  const machines = openMachines(db, leases.addressOf);
  const bmcs = openBmcs(db, secrets, machines);
  const orders = openOrders(db);
  const network = openNetwork(db);
  const jobs = openJobs(db);
  const history = openHistory(db, machines);
  const optionSettings = openOptionSettings(db, () => library().content.params);
  machines.onRemoved((id) => {
    jobs.forgetMachine(id);
    network.reload();
    optionSettings.reload();
  });
  const events = createEvents(db, history, clock);
  const bootenv = (name: string) => library().offered(name);
  const kept = { machines, bmcs, orders, network, leases, optionSettings, jobs, events, settings, bootenv, clock };

  const supervisor = createSupervisor({ machines, bmcs, orders, events, clock, steady, ...power });
  const consoles = createConsoles({ machines, bmcs, events, supervisor, folder: consoleFolder, steady });
  const runner = createRunner({
    machines,
    jobs,
    supervisor,
    events,
    clock,
    acceptAutomatically: settings.acceptAutomatically,
  });
  const workflow = (name: string) => library().workflow(name);
  const discovery = createDiscovery({ machines, events, runner, clock, settings, workflow });
  const steps = { failJob: runner.fail, recordMachine: discovery.record };
  const files = createBootFiles({ ...kept, ...steps, library, loadersFolder, hasSecurityMirror });
  const door = createDoor({ ...kept, runner, discovery, files, library });
  const dhcp = createDhcpServer({
    ...kept,
    ...steps,
    db,
    steady,
    instance,
    log: (line) => log(`DHCP: ${line}`),
  });
  const explain = createExplain({ ...kept, look: dhcp.look, library, files, arrivals, loadersFolder });
  return {
    ...kept,
    secrets,
    history,
    library,
    supervisor,
    consoles,
    runner,
    discovery,
    files,
    door,
    dhcp,
    explain,
    arrivals,
  };
}
