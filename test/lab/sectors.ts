/** Operating systems of one sector, to put on a BIOS machine's disk. */
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const SERIAL_PORT = 0x3f8;
/** PM1a_CNT of QEMU's q35 under SeaBIOS; SLP_EN with SLP_TYP 0 is S5, "off" (ACPI 4.8.3.2.1). */
const POWER_PORT = 0x604;
const POWER_OFF = 0x2000;
/** RST_CNT of q35's ICH9: 6 is a hard reset. */
const RESET_PORT = 0xcf9;
const RESET = 6;

const halt = [0xfa, 0xf4, 0xeb, 0xfd]; // cli; hlt; jmp hlt

const say = (text: string) =>
  [...Buffer.from(text)].flatMap((byte) => [0xba, SERIAL_PORT & 0xff, SERIAL_PORT >> 8, 0xb0, byte, 0xee]); // mov dx; mov al; out

const powerOff = [0xba, POWER_PORT & 0xff, POWER_PORT >> 8, 0xb8, POWER_OFF & 0xff, POWER_OFF >> 8, 0xef]; // mov dx; mov ax; out

const reset = [0xba, RESET_PORT & 0xff, RESET_PORT >> 8, 0xb0, RESET, 0xee]; // mov dx; mov al; out

/** INT 15h, AH=86h: waits so many microseconds, in CX and DX. */
const waitFor = (us: number) => {
  const [cx, dx] = [Math.floor(us / 0x10000), us % 0x10000];
  return [0xb9, cx & 0xff, cx >> 8, 0xba, dx & 0xff, dx >> 8, 0xb4, 0x86, 0xcd, 0x15]; // mov cx; mov dx; mov ah; int
};

/** Writes `text` to the serial port and stays on. */
export const sayAndStay = (text: string) => sector([...say(text), ...halt]);

/** Writes `text` to the serial port and switches the machine off. */
export const sayAndPowerOff = (text: string) => sector([...say(text), ...powerOff, ...halt]);

/** Writes `text` to the serial port, and switches the machine off some seconds later. */
export const sayAndPowerOffLater = (text: string, seconds: number) =>
  sector([...say(text), ...waitFor(seconds * 1_000_000), ...powerOff, ...halt]);

/** Writes `text` to the serial port and resets the machine, again and again. */
export const sayAndReset = (text: string) => sector([...say(text), ...reset, ...halt]);

function sector(code: number[]): Buffer {
  const bytes = Buffer.alloc(1024 * 1024);
  Buffer.from(code).copy(bytes);
  bytes.writeUInt16LE(0xaa55, 510);
  return bytes;
}

/** Replaces what is on that disk image; its machine must be off. */
export async function writeDisk(diskPath: string, content: Buffer): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'firstlight-sector-'));
  try {
    const raw = join(folder, 'raw');
    await writeFile(raw, content);
    await promisify(execFile)('qemu-img', ['convert', '-f', 'raw', '-O', 'qcow2', raw, diskPath]);
  } finally {
    await rm(folder, { recursive: true });
  }
}
