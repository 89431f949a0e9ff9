import { randomBytes } from 'node:crypto';
import type { Server } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findAccelerator } from './accel.ts';
import { BMC_PORT, BMC_USER, type BmcSubnet, claimBmcSubnet, openBmc, performChassisOrder } from './bmc.ts';
import { Children, killChildren } from './children.ts';
import { openControl } from './control.ts';
import { LabError } from './error.ts';
import { checkHost } from './host.ts';
import { Machine, type MachineHost } from './machine.ts';
import { openNamespace } from './namespace.ts';
import { type MachinePlan, type NetworkOptions, planRack, type RackOptions, type RackPlan } from './plan.ts';
import { openSerialPort, type SerialPort } from './serial.ts';
import { claimState, removeRack, removeStaleRacks, type StateFolder, writeRackFile } from './state.ts';

export type { BmcAccess } from './bmc.ts';
export { LabError } from './error.ts';
export type { BootOverride, Machine, PowerState } from './machine.ts';
export type { DiskOptions, Firmware, MachineOptions, NetworkOptions, NicOptions, RackOptions } from './plan.ts';

const ROUTER_PROGRAM = fileURLToPath(new URL('router.ts', import.meta.url));

/**
 * Builds a rack: its network namespace, its machines (all off) and their BMCs. Needs root. LabError when the host
 * cannot hold it, and then nothing of it stays. Racks that died earlier are removed first.
 */
export async function openRack(options: RackOptions = {}): Promise<Rack> {
  const plan = planRack(options);
  checkHost();
  const rack = new Rack(plan, options);
  const forget = options.signal ? closeOnAbort(rack, options.signal) : closeOnSignals(rack);
  rack.closed.then(forget);
  try {
    await rack.open();
    return rack;
  } catch (error) {
    await rack.close();
    throw error;
  }
}

/** A rack in a network namespace of its own; everything of it ends with `close` or with this process. */
export class Rack {
  readonly name: string;
  readonly namespace: string;
  readonly networks: readonly NetworkOptions[];
  readonly stateFolder: string;
  /** Resolves when nothing of the rack is left. */
  readonly closed: Promise<void>;
  machines: readonly Machine[] = [];

  readonly #plan: RackPlan;
  readonly #options: RackOptions;
  readonly #children: Children;
  readonly #tell: (line: string) => void;
  #opening: Promise<void> = Promise.resolve();
  #closing: Promise<void> | undefined;
  #state: StateFolder | undefined;
  #subnet: BmcSubnet | undefined;
  #control: Server | undefined;
  readonly #serialPorts: SerialPort[] = [];
  #resolveClosed: () => void = () => undefined;

  constructor(plan: RackPlan, options: RackOptions) {
    this.#plan = plan;
    this.#options = options;
    this.#tell = options.tell ?? (() => undefined);
    this.#children = new Children(plan.stateFolder);
    this.name = plan.name;
    this.namespace = plan.namespace;
    this.networks = plan.networks;
    this.stateFolder = plan.stateFolder;
    this.closed = new Promise((resolve) => {
      this.#resolveClosed = resolve;
    });
  }

  /** Called once, by openRack. */
  open(): Promise<void> {
    this.#opening = this.#build();
    return this.#opening;
  }

  /** The machine of that name; LabError when there is none. */
  machine(name: string): Machine {
    const machine = this.machines.find((machine) => machine.name === name);
    if (machine) return machine;
    const names = this.machines.map((machine) => machine.name).join(', ');
    throw new LabError(`rack ${this.name} has no machine ${name}`, `It has ${names}`);
  }

  /** Ends every process of the rack and removes its namespace and files; safe to call at any moment and again. */
  close(): Promise<void> {
    this.#closing ??= this.#tearDown();
    return this.#closing;
  }

  async #build(): Promise<void> {
    const plan = this.#plan;
    for (const name of await removeStaleRacks()) this.#tell(`removed what rack ${name} had left behind`);
    this.#state = await claimState(plan);
    const accelerator = await this.#chooseAccelerator();
    await openNamespace(plan, this.#children);
    this.#tell(
      `network namespace ${plan.namespace}: ${plan.networks.map((n) => `${n.bridge} ${n.address}`).join(', ')}`,
    );
    this.#startRouter();

    this.#subnet = await claimBmcSubnet();
    const password = randomBytes(8).toString('hex');
    const host: MachineHost = { children: this.#children, namespace: plan.namespace, accelerator };
    this.machines = plan.machines.map((machine) => new Machine(machine, host, this.#bmcAccess(machine, password)));
    for (const machine of this.machines) await machine.build();

    const controlPath = join(plan.stateFolder, 'control');
    this.#control = await openControl(controlPath, (order) => this.#perform(order));
    for (const [index, machine] of this.machines.entries()) {
      if (!machine.bmc) continue;
      const serial = await openSerialPort(machine.consoleSocket, machine.bmc.address);
      this.#serialPorts.push(serial);
      await openBmc(plan.machines[index]!, machine.bmc, {
        control: controlPath,
        serialPort: serial.port,
        children: this.#children,
      });
    }
    if (this.#children.refusing) throw new LabError('the rack was closed while it opened', 'Open it again');
    this.#writeFile(controlPath);
  }

  async #chooseAccelerator(): Promise<'kvm' | 'tcg'> {
    if (this.#options.accelerator) return this.#options.accelerator;
    const { accelerator, reason } = await findAccelerator(this.stateFolder);
    this.#tell(`accelerator ${accelerator}: ${reason}`);
    return accelerator;
  }

  #startRouter(): void {
    const log = join(this.stateFolder, 'router.log');
    const bridges = this.networks.map((network) => network.bridge);
    const args = ['--disable-warning=ExperimentalWarning', ROUTER_PROGRAM, ...bridges];
    const router = this.#children.start(process.execPath, args, log, this.namespace);
    router.once('exit', () => {
      if (!this.#closing) this.#tell(`the IPv6 router of the rack ended, so iPXE will wait for one: see ${log}`);
    });
  }

  #bmcAccess(machine: MachinePlan, password: string) {
    if (!machine.bmc) return undefined;
    return { address: `${this.#subnet!.prefix}.${machine.number}`, port: BMC_PORT, user: BMC_USER, password };
  }

  /** `MACHINE get power` and the like, and `rack close`. */
  async #perform(order: string[]): Promise<string> {
    const [whom, ...rest] = order;
    if (whom !== 'rack') return performChassisOrder(this.machine(whom ?? ''), rest);
    if (rest.join(' ') !== 'close') throw new LabError(`the rack cannot "${rest.join(' ')}"`, 'It can close');
    setImmediate(() => this.close());
    return 'closing';
  }

  #writeFile(control: string): void {
    writeRackFile(this.stateFolder, {
      name: this.name,
      namespace: this.namespace,
      pid: process.pid,
      networks: [...this.networks],
      control,
      machines: this.machines.map((machine) => ({
        name: machine.name,
        uuid: machine.uuid,
        firmware: machine.firmware,
        mac: machine.mac,
        macs: machine.macs,
        bmc: machine.bmc ?? null,
        serialLog: machine.serialLog,
        console: machine.consoleSocket,
        disks: machine.diskPaths,
      })),
    });
  }

  async #tearDown(): Promise<void> {
    try {
      // Opening must have come to its end first, or it would go on making what is removed here.
      this.#children.refuse();
      if (this.#state) await killChildren(this.stateFolder);
      await this.#opening.catch(() => undefined);
      this.#control?.close();
      for (const port of this.#serialPorts) port.close();
      this.#subnet?.release();
      if (this.#state) await removeRack(this.stateFolder);
      this.#state?.release();
    } finally {
      this.#resolveClosed();
    }
  }
}

function closeOnAbort(rack: Rack, signal: AbortSignal): () => void {
  const close = () => void rack.close();
  if (signal.aborted) close();
  signal.addEventListener('abort', close, { once: true });
  return () => signal.removeEventListener('abort', close);
}

/** Closes the rack on the signals that end a process, and then lets the signal do so. */
function closeOnSignals(rack: Rack): () => void {
  const signals: NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGHUP'];
  const onSignal = (signal: NodeJS.Signals) => {
    const raise = () => {
      forget();
      process.kill(process.pid, signal);
    };
    rack.close().then(raise, raise);
  };
  const forget = () => {
    for (const signal of signals) process.removeListener(signal, onSignal);
  };
  for (const signal of signals) process.on(signal, onSignal);
  return forget;
}
