import type { ChildProcess } from 'node:child_process';
import { copyFileSync, mkdirSync, readFileSync, statSync } from 'node:fs';
import type { BmcAccess } from './bmc.ts';
import type { Children } from './children.ts';
import { LabError } from './error.ts';
import type { Accelerator, Firmware, MachinePlan } from './plan.ts';
import { isUefi, machinePaths, networkBootIndex, qemuArguments, UEFI_VARIABLES } from './qemu.ts';
import { Qmp, type QmpEvent } from './qmp.ts';

export type PowerState = 'on' | 'off';

/** For the next start or reset only: `pxe` the network first, `default` the disk first, `none` as the machine is set. */
export type BootOverride = 'none' | 'pxe' | 'default';

/** What all machines of one rack share. */
export type MachineHost = { children: Children; namespace: string; accelerator: Accelerator };

const POWER_OFF_PATIENCE_MS = 10_000;
const FIRMWARE_WATCH_MS = 50;

/** One virtual machine: off until switched on, and its disks keep what was written while the rack is open. */
export class Machine {
  readonly name: string;
  readonly uuid: string;
  readonly firmware: Firmware;
  /** The first card's; all are in `macs`. */
  readonly mac: string;
  readonly macs: string[];
  /** Everything that ever came out of the serial port, over all starts. */
  readonly serialLog: string;
  /** A unix socket: the serial port itself, both ways, while the machine is on. */
  readonly consoleSocket: string;
  /** The first disk's, '' without one; all are in `diskPaths`. */
  readonly diskPath: string;
  readonly diskPaths: string[];
  /** Absent on a machine without a BMC. */
  readonly bmc: BmcAccess | undefined;

  readonly #plan: MachinePlan;
  readonly #host: MachineHost;
  readonly #paths: ReturnType<typeof machinePaths>;
  #process: ChildProcess | undefined;
  #qmp: Qmp | undefined;
  /** Whether QEMU has the network before the disks for its next reset. */
  #isSteeredToNetwork = false;
  #firmwareWatch: NodeJS.Timeout | undefined;
  #logSizeAtReset = 0;
  #networkFirst: boolean;
  #override: BootOverride = 'none';
  #lastOrder: Promise<unknown> = Promise.resolve();

  constructor(plan: MachinePlan, host: MachineHost, bmc: BmcAccess | undefined) {
    this.#plan = plan;
    this.#host = host;
    this.#paths = machinePaths(plan);
    this.#networkFirst = plan.networkFirst;
    this.name = plan.name;
    this.uuid = plan.uuid;
    this.firmware = plan.firmware;
    this.macs = plan.nics.map((nic) => nic.mac);
    this.mac = this.macs[0] ?? '';
    this.serialLog = this.#paths.serialLog;
    this.consoleSocket = this.#paths.console;
    this.diskPaths = plan.disks.map((disk) => disk.path);
    this.diskPath = this.diskPaths[0] ?? '';
    this.bmc = bmc;
  }

  /** Makes the machine's folder, its empty disks and its own copy of the UEFI variables. */
  async build(): Promise<void> {
    mkdirSync(this.#plan.folder, { mode: 0o700 });
    if (isUefi(this.firmware)) copyFileSync(UEFI_VARIABLES, this.#paths.uefiVariables);
    for (const disk of this.#plan.disks) {
      await this.#host.children.run('qemu-img', ['create', '-q', '-f', 'qcow2', disk.path, disk.size]);
    }
  }

  powerState(): PowerState {
    return this.#process ? 'on' : 'off';
  }

  bootOverride(): BootOverride {
    return this.#override;
  }

  /** Does nothing when the machine is on already. */
  powerOn(): Promise<void> {
    return this.#inTurn(() => this.#start());
  }

  /** As if the cable were pulled; does nothing when the machine is off already. */
  powerOff(): Promise<void> {
    return this.#inTurn(() => this.#stop());
  }

  /** Starts the firmware again, like the reset button; LabError when the machine is off. */
  reset(): Promise<void> {
    return this.#inTurn(async () => {
      await this.qmp('system_reset');
    });
  }

  /** Presses the power button; what follows is the guest's decision. LabError when the machine is off. */
  pressPowerButton(): Promise<void> {
    return this.#inTurn(async () => {
      await this.qmp('system_powerdown');
    });
  }

  /** What a BMC's `bootdev` does; holds for the next start or reset, whoever causes it. */
  setBootOverride(override: BootOverride): Promise<void> {
    return this.#inTurn(async () => {
      this.#override = override;
      await this.#steer();
    });
  }

  /** A firmware that always tries the network first, as many in the field are set; from the next start or reset on. */
  setNetworkFirst(networkFirst: boolean): Promise<void> {
    return this.#inTurn(async () => {
      this.#networkFirst = networkFirst;
      await this.#steer();
    });
  }

  /** Sends one command to QEMU's monitor and gives its answer; LabError when the machine is off. */
  async qmp(command: string, args?: Record<string, unknown>): Promise<unknown> {
    if (!this.#qmp) throw new LabError(`machine ${this.name} is off`, 'Switch it on first');
    return this.#qmp.execute(command, args);
  }

  async #start(): Promise<void> {
    if (this.#process) return;
    const { children, namespace, accelerator } = this.#host;
    this.#isSteeredToNetwork = this.#isNetworkNext();
    const args = qemuArguments(this.#plan, accelerator, this.#isSteeredToNetwork);
    const child = children.start('qemu-system-x86_64', args, this.#paths.qemuLog, namespace);
    const over = () => {
      if (this.#process !== child) return;
      this.#process = undefined;
      this.#qmp?.close();
      this.#qmp = undefined;
      this.#endFirmwareWatch();
    };
    child.once('exit', over);
    child.once('error', over);
    this.#process = child;
    try {
      const isAlive = () => this.#process === child;
      this.#qmp = await Qmp.open(this.#paths.qmp, isAlive, (event) => this.#onEvent(event));
    } catch (error) {
      child.kill('SIGKILL');
      if (children.refusing) throw error;
      throw new LabError(`machine ${this.name} does not start: ${lastLines(this.#paths.qemuLog)}`, 'QEMU said that');
    }
    // The firmware has its boot order from the command line; what is set now counts from the next reset on.
    this.#override = 'none';
    await this.#steer();
  }

  async #stop(): Promise<void> {
    const child = this.#process;
    if (!child) return;
    const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    // Not SIGKILL: QEMU must write the tables of its disk images, which to the guest is a power cut all the same.
    child.kill('SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), POWER_OFF_PATIENCE_MS);
    await gone;
    clearTimeout(timer);
  }

  #isNetworkNext(): boolean {
    return this.#override === 'none' ? this.#networkFirst : this.#override === 'pxe';
  }

  /** SeaBIOS and OVMF read the boot order at each reset, and QEMU makes it from these properties just before. */
  async #steer(): Promise<void> {
    const networkFirst = this.#isNetworkNext();
    // Setting an index to the value it has is refused as a collision with itself.
    if (!this.#qmp || networkFirst === this.#isSteeredToNetwork) return;
    this.#isSteeredToNetwork = networkFirst;
    for (const card of this.#plan.nics.keys()) {
      const value = networkBootIndex(card, networkFirst);
      await this.#qmp.execute('qom-set', { path: `/machine/peripheral/nic${card}`, property: 'bootindex', value });
    }
  }

  /**
   * An override is used up when the firmware has begun its start, and that is when it first writes to the serial port:
   * SeaBIOS answers a reset with one or two more of its own before it reads the boot order.
   */
  #onEvent(event: QmpEvent): void {
    if (event.event !== 'RESET' || this.#override === 'none') return;
    this.#logSizeAtReset = statSync(this.serialLog).size;
    this.#firmwareWatch ??= setInterval(() => {
      if (statSync(this.serialLog).size === this.#logSizeAtReset) return;
      this.#endFirmwareWatch();
      this.#override = 'none';
      // When this fails the machine went off, and its next start has the order from the command line.
      this.#steer().catch(() => undefined);
    }, FIRMWARE_WATCH_MS);
  }

  #endFirmwareWatch(): void {
    clearInterval(this.#firmwareWatch);
    this.#firmwareWatch = undefined;
  }

  /** One order after the other, as a BMC performs them; one that fails does not stop the next. */
  #inTurn(perform: () => Promise<void>): Promise<void> {
    const mine = this.#lastOrder.then(perform);
    this.#lastOrder = mine.catch(() => undefined);
    return mine;
  }
}

function lastLines(logFile: string): string {
  return readFileSync(logFile, 'utf8').trim().split('\n').slice(-3).join(' / ') || 'it ended without a word';
}
