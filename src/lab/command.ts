import { closeSync, existsSync, openSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { findAccelerator } from './accel.ts';
import { sendOrder } from './control.ts';
import { enrollRack } from './enroll.ts';
import { LabError } from './error.ts';
import { checkHost } from './host.ts';
import { FIRMWARES, type Firmware, type MachineOptions, RACKS_FOLDER } from './plan.ts';
import { openRack } from './rack.ts';
import { isRackRunning, listRacks, type RackFile, readRackFile, removeStaleRacks } from './state.ts';

const USAGE = `The virtual rack: machines with real firmware and BMCs in a network namespace of their own. Needs root.

  firstlight lab up [--machines N] [--firmware bios,uefi,uefi-http] [--memory MB] [--disk SIZE]
                                   build a rack and keep it until Ctrl-C; firmware kinds are dealt out in turn
  firstlight lab list              the machines of every rack, and what is on
  firstlight lab power NAME on|off|status|reset|soft
  firstlight lab console NAME [--follow]
                                   what came out of the machine's serial port
  firstlight lab enroll [--power-on]
                                   tell the appliance the rack's MACs and BMCs, and switch its machines on
  firstlight lab down              end the rack, and remove what dead racks left behind
  firstlight lab accel             whether KVM or emulation is faster here, and why

  --rack NAME                      which rack, when it is not "firstlight"
`;

type Flags = {
  rack: string;
  machines?: string;
  firmware?: string;
  memory?: string;
  disk?: string;
  follow?: boolean;
  'power-on'?: boolean;
  help?: boolean;
};

const COMMANDS: Record<string, (flags: Flags, names: string[]) => Promise<void>> = {
  up,
  list,
  power,
  console: showConsole,
  enroll,
  down,
  accel,
};

/** Performs `firstlight lab ...` and gives the exit status: 0 done, 1 could not, 2 not understood. */
export async function runLab(argv: string[]): Promise<number> {
  try {
    const { flags, command, names } = readArguments(argv);
    if (flags.help || command === undefined) {
      process.stdout.write(USAGE);
      return flags.help ? 0 : 2;
    }
    const perform = COMMANDS[command];
    if (!perform) throw new UsageError(`there is no "lab ${command}"`);
    await perform(flags, names);
    return 0;
  } catch (error) {
    if (!(error instanceof LabError || error instanceof UsageError)) throw error;
    process.stderr.write(`firstlight lab: ${error.message}\n`);
    return error instanceof UsageError ? 2 : 1;
  }
}

class UsageError extends Error {
  constructor(problem: string) {
    super(`${problem}. See: firstlight lab --help`);
  }
}

function readArguments(argv: string[]): { flags: Flags; command: string | undefined; names: string[] } {
  try {
    const { values, positionals } = parseArgs({
      args: argv,
      allowPositionals: true,
      options: {
        rack: { type: 'string', default: 'firstlight' },
        machines: { type: 'string' },
        firmware: { type: 'string' },
        memory: { type: 'string' },
        disk: { type: 'string' },
        follow: { type: 'boolean', short: 'f' },
        'power-on': { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
      },
    });
    const [command, ...names] = positionals;
    return { flags: values, command, names };
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

async function up(flags: Flags): Promise<void> {
  const interrupted = new AbortController();
  const interrupt = () => interrupted.abort();
  const signals: NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGHUP'];
  for (const signal of signals) process.on(signal, interrupt);
  try {
    const machines = readMachines(flags);
    const rack = await openRack({ name: flags.rack, machines, signal: interrupted.signal, tell });
    const file = readRackFile(rack.stateFolder);
    if (file) await printRack(file);
    tell(`all of this and the BMC password is in ${join(rack.stateFolder, 'rack.json')}`);
    tell('the rack is up; Ctrl-C ends it');
    // A promise alone would not keep the process here.
    const alive = setInterval(() => undefined, 60_000);
    await rack.closed;
    clearInterval(alive);
    tell('the rack is gone');
  } catch (error) {
    if (!interrupted.signal.aborted) throw error;
    tell('the rack is gone');
  } finally {
    for (const signal of signals) process.removeListener(signal, interrupt);
  }
}

function readMachines(flags: Flags): MachineOptions[] {
  const kinds = (flags.firmware ?? FIRMWARES.join(',')).split(',').map(readFirmware);
  const count = flags.machines === undefined ? Math.max(kinds.length, 1) : readCount(flags.machines, '--machines');
  const memoryMegabytes = flags.memory === undefined ? undefined : readCount(flags.memory, '--memory');
  return Array.from({ length: count }, (_, index) => ({
    firmware: kinds[index % kinds.length]!,
    ...(memoryMegabytes === undefined ? {} : { memoryMegabytes }),
    ...(flags.disk === undefined ? {} : { disks: [{ size: flags.disk }] }),
  }));
}

function readFirmware(text: string): Firmware {
  const firmware = FIRMWARES.find((kind) => kind === text.trim());
  if (firmware) return firmware;
  throw new UsageError(`"${text}" is not a firmware: there are ${FIRMWARES.join(', ')}`);
}

function readCount(text: string, flag: string): number {
  if (/^[1-9]\d{0,5}$/.test(text)) return Number(text);
  throw new UsageError(`${flag} wants a whole number and not "${text}"`);
}

async function list(): Promise<void> {
  const names = listRacks();
  if (names.length === 0) tell('there is no rack; start one with: firstlight lab up');
  for (const name of names) {
    const stateFolder = join(RACKS_FOLDER, name);
    const file = readRackFile(stateFolder);
    if (!(await isRackRunning(stateFolder))) tell(`rack ${name} is dead; remove it with: firstlight lab down`);
    else if (!file) tell(`rack ${name} is just being built or removed`);
    else await printRack(file);
  }
}

async function printRack(file: RackFile): Promise<void> {
  tell(`rack ${file.name}, network namespace ${file.namespace}`);
  const rows = await Promise.all(
    file.machines.map(async (machine) => [
      machine.name,
      (await sendOrder(file.control, [machine.name, 'get', 'power'])) === 'power:1' ? 'on' : 'off',
      machine.firmware,
      machine.mac,
      machine.bmc ? `BMC ${machine.bmc.user}@${machine.bmc.address}:${machine.bmc.port}` : 'no BMC',
      machine.serialLog,
    ]),
  );
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]!.length))) ?? [];
  for (const row of rows) tell(`  ${row.map((cell, column) => cell.padEnd(widths[column]!)).join('  ')}`);
}

async function enroll(flags: Flags): Promise<void> {
  for (const line of await enrollRack(flags.rack, { powerOn: flags['power-on'] ?? false })) tell(line);
}

const POWER_ORDERS: Record<string, string[]> = {
  on: ['set', 'power', '1'],
  off: ['set', 'power', '0'],
  status: ['get', 'power'],
  reset: ['set', 'reset', '1'],
  soft: ['set', 'shutdown', '1'],
};

async function power(flags: Flags, [name, what]: string[]): Promise<void> {
  const order = POWER_ORDERS[what ?? ''];
  if (name === undefined || !order)
    throw new UsageError(`power wants a machine and ${Object.keys(POWER_ORDERS).join(', ')}`);
  const { file, machine } = findMachine(flags.rack, name);
  await sendOrder(file.control, [machine.name, ...order]);
  const answer = await sendOrder(file.control, [machine.name, 'get', 'power']);
  tell(`${machine.name} is ${answer === 'power:1' ? 'on' : 'off'}`);
}

async function showConsole(flags: Flags, [name]: string[]): Promise<void> {
  if (name === undefined) throw new UsageError('console wants a machine');
  const { machine } = findMachine(flags.rack, name);
  if (!existsSync(machine.serialLog) && !flags.follow) {
    throw new LabError(
      `${name} was never on, so its console is empty`,
      `Switch it on: firstlight lab power ${name} on`,
    );
  }
  let position = 0;
  for (;;) {
    position = printFrom(machine.serialLog, position);
    if (!flags.follow || !(await isRackRunning(join(RACKS_FOLDER, flags.rack)))) return;
    await sleep(200);
  }
}

/** Prints that file from there to its end and gives the place of its end. */
function printFrom(path: string, position: number): number {
  if (!existsSync(path)) return position;
  const file = openSync(path, 'r');
  const chunk = Buffer.alloc(65_536);
  try {
    for (;;) {
      const length = readSync(file, chunk, 0, chunk.length, position);
      if (length === 0) return position;
      process.stdout.write(Buffer.from(chunk.subarray(0, length)));
      position += length;
    }
  } finally {
    closeSync(file);
  }
}

async function down(flags: Flags): Promise<void> {
  checkHost();
  for (const name of await removeStaleRacks()) tell(`removed what rack ${name} had left behind`);
  const stateFolder = join(RACKS_FOLDER, flags.rack);
  if (!(await isRackRunning(stateFolder))) {
    tell(`rack ${flags.rack} is not up`);
    return;
  }
  await sendOrder(findRack(flags.rack).control, ['rack', 'close']);
  const deadline = Date.now() + 60_000;
  while (await isRackRunning(stateFolder)) {
    if (Date.now() > deadline) throw new LabError(`rack ${flags.rack} does not end`, 'Look at its terminal');
    await sleep(100);
  }
  tell(`rack ${flags.rack} is gone`);
}

async function accel(): Promise<void> {
  checkHost();
  const { accelerator, reason } = await findAccelerator();
  tell(`${accelerator}: ${reason}`);
}

function findRack(name: string): RackFile {
  const file = readRackFile(join(RACKS_FOLDER, name));
  if (file) return file;
  throw new LabError(`rack ${name} is not up`, 'Start it with: firstlight lab up');
}

function findMachine(rack: string, name: string): { file: RackFile; machine: RackFile['machines'][number] } {
  const file = findRack(rack);
  const machine = file.machines.find((machine) => machine.name === name);
  if (machine) return { file, machine };
  const names = file.machines.map((machine) => machine.name).join(', ');
  throw new LabError(`rack ${rack} has no machine ${name}`, `It has ${names}`);
}

function tell(line: string): void {
  process.stdout.write(`${line}\n`);
}
