import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { TestContext } from 'node:test';

/** Contents by path below the root; a link names its target from there. */
export type FakeFiles = Record<string, string | Buffer | { link: string }>;

/** A disk as /sys shows it: `at` is the place of its device in the tree of buses, `files` are relative to the block device. */
export type FakeDisk = {
  name: string;
  at: string;
  bytes: number;
  files?: Record<string, string | Buffer>;
  partitions?: string[];
};

/** A folder that stands before /sys and /proc, with these files and disks; it goes when the test ends. */
export function makeMachineTree(t: TestContext, files: FakeFiles, disks: FakeDisk[]): string {
  const root = mkdtempSync(join(tmpdir(), 'machine-'));
  t.after(() => rmSync(root, { recursive: true }));
  const write = (path: string, content: FakeFiles[string]) => {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    if (typeof content === 'object' && 'link' in content) symlinkSync(join(root, content.link), join(root, path));
    else writeFileSync(join(root, path), content);
  };
  for (const [path, content] of Object.entries(files)) write(path, content);
  mkdirSync(join(root, 'sys/block'), { recursive: true });
  for (const disk of disks) {
    const device = `sys/devices/${disk.at}`;
    const block = `${device}/block/${disk.name}`;
    write(`${block}/size`, `${disk.bytes / 512}\n`);
    write(`${block}/removable`, '0\n');
    write(`${block}/ro`, '0\n');
    for (const partition of disk.partitions ?? []) write(`${block}/${partition}/partition`, '1\n');
    for (const [path, content] of Object.entries(disk.files ?? {})) {
      write(path.startsWith('device/') ? `${device}/${path.slice('device/'.length)}` : `${block}/${path}`, content);
    }
    symlinkSync(join(root, device), join(root, block, 'device'));
    symlinkSync(join(root, block), join(root, 'sys/block', disk.name));
  }
  return root;
}

/** The answer of a SCSI or SATA disk that is asked for its serial number: four bytes of header, then the text. */
export function serialPage(serial: string): Buffer {
  const text = Buffer.from(serial.padStart(20));
  return Buffer.concat([Buffer.from([0, 0x80, 0, text.length]), text]);
}
