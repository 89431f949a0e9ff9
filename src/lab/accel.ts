import { spawn } from 'node:child_process';
import { existsSync, lstatSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { LabError } from './error.ts';
import type { Accelerator } from './plan.ts';

export type AcceleratorVerdict = { accelerator: Accelerator; reason: string };

const ENOUGH_MS = 60_000;

/**
 * Which accelerator runs a guest faster here. Tried, not asked: inside some virtual machines /dev/kvm is there and
 * many times slower than emulation. The outcome is kept until the next boot of this host.
 * `folder` is where the trial may put its files.
 */
export async function findAccelerator(folder: string = tmpdir()): Promise<AcceleratorVerdict> {
  if (!existsSync('/dev/kvm')) return { accelerator: 'tcg', reason: 'there is no /dev/kvm' };
  const known = loadVerdict();
  if (known) return known;
  const verdict = await tryAccelerators(mkdtempSync(join(folder, 'firstlight-accel-')));
  storeVerdict(verdict);
  return verdict;
}

async function tryAccelerators(folder: string): Promise<AcceleratorVerdict> {
  try {
    const disk = join(folder, 'disk.img');
    writeFileSync(disk, trialSector());
    const tcg = await timeTrial('tcg', disk, ENOUGH_MS);
    if (!tcg.finished) {
      throw new LabError(
        `QEMU's trial guest did not end: ${tcg.complaint}`,
        'See whether qemu-system-x86_64 works here',
      );
    }
    // KVM that has not finished by then has lost; on the machines this is for it would take minutes.
    const kvm = await timeTrial('kvm', disk, Math.max(tcg.ms, 500));
    if (kvm.finished && kvm.ms < tcg.ms) {
      return { accelerator: 'kvm', reason: `the trial guest took ${kvm.ms} ms with KVM and ${tcg.ms} ms emulated` };
    }
    const lost = kvm.finished ? `${kvm.ms} ms` : kvm.complaint;
    return { accelerator: 'tcg', reason: `the trial guest took ${tcg.ms} ms emulated, and with KVM: ${lost}` };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

type Trial = { finished: boolean; ms: number; complaint: string };

function timeTrial(accelerator: Accelerator, disk: string, limitMs: number): Promise<Trial> {
  const args = [
    ...['-accel', accelerator, '-machine', 'pc', '-nodefaults', '-display', 'none', '-m', '32'],
    ...['-drive', `file=${disk},format=raw,if=ide,snapshot=on`],
    ...['-device', 'isa-debug-exit,iobase=0xf4,iosize=1'],
  ];
  const start = performance.now();
  // Bound to our life like every process of the rack, though no rack exists yet.
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', '--', 'qemu-system-x86_64', ...args], {
    detached: true,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let complaint = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (complaint += text));
  const timer = setTimeout(() => child.kill('SIGKILL'), limitMs);
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => {
      clearTimeout(timer);
      const ms = Math.round(performance.now() - start);
      const why = signal === 'SIGKILL' ? `not done after ${ms} ms` : complaint.trim().split('\n').at(-1)!;
      resolve({ finished: code === GUEST_DONE, ms, complaint: why || `exit status ${code}` });
    });
  });
}

/** isa-debug-exit: a guest that writes 0x10 to the port ends QEMU with (0x10 << 1) | 1. */
const GUEST_DONE = 0x21;

/** A boot sector that counts (what emulation is bad at) and leaves to the host (what poor KVM is bad at), then ends. */
function trialSector(): Buffer {
  const code = [
    ...[0xfa], //                                     cli
    ...[0xbb, 0xb8, 0x0b], //                         mov bx, 3000
    ...[0x66, 0xb9, 0xa0, 0x86, 0x01, 0x00], // outer: mov ecx, 100000
    ...[0x66, 0x49], //                        inner: dec ecx
    ...[0x75, 0xfc], //                               jnz inner
    ...[0xe6, 0x80], //                               out 0x80, al
    ...[0x4b], //                                     dec bx
    ...[0x75, 0xf1], //                               jnz outer
    ...[0xb0, 0x10, 0xe6, 0xf4], //                   mov al, 0x10; out 0xf4, al
    ...[0xf4, 0xeb, 0xfd], //                  stop:  hlt; jmp stop
  ];
  const sector = Buffer.alloc(512);
  Buffer.from(code).copy(sector);
  sector.writeUInt16LE(0xaa55, 510);
  return sector;
}

const verdictFile = () => join(tmpdir(), 'firstlight-accel.json');

const bootId = () => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();

function loadVerdict(): AcceleratorVerdict | undefined {
  try {
    // Anybody can write into the temporary folder: only our own file counts.
    if (lstatSync(verdictFile()).uid !== process.getuid?.()) return undefined;
    const kept = JSON.parse(readFileSync(verdictFile(), 'utf8')) as Partial<AcceleratorVerdict & { bootId: string }>;
    const isVerdict = kept.accelerator === 'kvm' || kept.accelerator === 'tcg';
    if (!isVerdict || kept.bootId !== bootId()) return undefined;
    return { accelerator: kept.accelerator!, reason: String(kept.reason) };
  } catch {
    return undefined;
  }
}

function storeVerdict(verdict: AcceleratorVerdict): void {
  const fresh = `${verdictFile()}.${process.pid}`;
  rmSync(fresh, { force: true });
  writeFileSync(fresh, JSON.stringify({ bootId: bootId(), ...verdict }), { flag: 'wx', mode: 0o600 });
  renameSync(fresh, verdictFile());
}
