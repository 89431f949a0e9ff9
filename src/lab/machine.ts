import type { ChildProcess } from 'node:child_process';
import { copyFileSync, mkdirSync, readFileSync } from 'node:fs';
import { createTurns } from '../model/turns.ts';
import type { BmcAccess } from './bmc.ts';
import type { Children } from './children.ts';
import { LabError } from './error.ts';
import type { Accelerator, Firmware, MachinePlan } from './plan.ts';
import { isUefi, machinePaths, qemuArguments, UEFI_VARIABLES } from './qemu.ts';
import { Qmp, type QmpEvent } from './qmp.ts';

export type PowerState = 'on' | 'off';

/** For the next start or reset only: `pxe` the network first, `default` the disk first, `none` as the machine is set. */
export type BootOverride = 'none' | 'pxe' | 'default';

/** What all machines of one rack share. */
export type MachineHost = { children: Children; namespace: string; accelerator: Accelerator };

const POWER_OFF_PATIENCE_MS = 10_000;

/**
 * One virtual machine: off until switched on, and its disks keep what was written while the rack is open.
 * Every reset, whoever asks for it, is a new QEMU: docs/decisions/0005-lab-resets.md.
 */
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
  /** Between two QEMUs of one reset the machine counts as on. */
  #isResetting = false;
  #networkFirst: boolean;
  #override: BootOverride = 'none';
  /** One order after the other, as a BMC performs them; one that fails does not stop the next. */
  readonly #orders = createTurns();

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
    return this.#process || this.#isResetting ? 'on' : 'off';
  }

  bootOverride(): BootOverride {
    return this.#override;
  }

  /** Does nothing when the machine is on already. */
  powerOn(): Promise<void> {
    return this.#orders.take(() => this.#start());
  }

  /** As if the cable were pulled; does nothing when the machine is off already. */
  powerOff(): Promise<void> {
    return this.#orders.take(() => this.#stop());
  }

  /** Starts the firmware again, like the reset button; LabError when the machine is off. */
  reset(): Promise<void> {
    return this.#orders.take(async () => {
      if (!this.#process) throw this.#isOff();
      await this.#restart();
    });
  }

  /** Presses the power button; what follows is the guest's decision. LabError when the machine is off. */
  pressPowerButton(): Promise<void> {
    return this.#orders.take(async () => {
      if (!this.#qmp) throw this.#isOff();
      await this.#qmp.execute('system_powerdown');
    });
  }

  /** What a BMC's `bootdev` does; holds for the next start or reset, whoever causes it. */
  setBootOverride(override: BootOverride): Promise<void> {
    return this.#orders.take(async () => {
      this.#override = override;
    });
  }

  /** A firmware that always tries the network first, as many in the field are set; from the next start or reset on. */
  setNetworkFirst(networkFirst: boolean): Promise<void> {
    return this.#orders.take(async () => {
      this.#networkFirst = networkFirst;
    });
  }

  async #start(): Promise<void> {
    if (this.#process) return;
    const { children, namespace, accelerator } = this.#host;
    const args = qemuArguments(this.#plan, accelerator, this.#isNetworkNext());
    const child = children.start('qemu-system-x86_64', args, this.#paths.qemuLog, namespace);
    const over = () => {
      if (this.#process !== child) return;
      this.#process = undefined;
      this.#qmp?.close();
      this.#qmp = undefined;
    };
    child.once('exit', over);
    child.once('error', over);
    this.#process = child;
    try {
      const isAlive = () => this.#process === child;
      this.#qmp = await Qmp.open(this.#paths.qmp, isAlive, (event) => this.#onEvent(event, child));
    } catch (error) {
      child.kill('SIGKILL');
      if (children.refusing) throw error;
      throw new LabError(`machine ${this.name} does not start: ${lastLines(this.#paths.qemuLog)}`, 'QEMU said that');
    }
    // used up: the firmware has its boot order from the command line
    this.#override = 'none';
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

  async #restart(): Promise<void> {
    this.#isResetting = true;
    try {
      await this.#stop();
      await this.#start();
    } finally {
      this.#isResetting = false;
    }
  }

  /** QEMU stops and waits when its guest switches off or resets, and what happens then is done here. */
  #onEvent(event: QmpEvent, child: ChildProcess): void {
    if (event.event !== 'SHUTDOWN') return;
    const isReset = event.data?.reason === 'guest-reset';
    this.#orders
      .take(async () => {
        // else somebody switched it off meanwhile
        if (this.#process === child) await (isReset ? this.#restart() : this.#stop());
        // a start that fails leaves the machine off, with QEMU's complaint in its log
      })
      .catch(() => undefined);
  }

  #isOff(): LabError {
    return new LabError(`machine ${this.name} is off`, 'Switch it on first');
  }
}

function lastLines(logFile: string): string {
  return readFileSync(logFile, 'utf8').trim().split('\n').slice(-3).join(' / ') || 'it ended without a word';
}
