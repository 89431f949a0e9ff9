/**
 * The udebs of the Debian installer that a package source may lack, and how a stand-in for each is made of ordinary
 * debs and the small scripts in `udebs/`. Only what a preseeded, non-interactive install reaches is stood in for.
 */
import { execFile } from 'node:child_process';
import { chmod, cp, mkdir, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** One stand-in: what it is called, when it is wanted, and what goes into it beside `udebs/NAME/`. */
export interface StandIn {
  name: string;
  /** Real udebs of which each must be served for the real thing to be used; the first bears the stand-in's name. */
  wants: readonly string[];
  /** Real udebs, beside `wants`, that make no sense any more when the stand-in is used; a trailing * is a prefix. */
  drops?: readonly string[];
  menuItem?: number;
  depends?: string;
  provides?: string;
  /** Files of ordinary debs: `from` inside the unpacked deb (a file, or a folder with a trailing /) to `to`. */
  files?: readonly { deb: string; from: string; to: string }[];
  /** Take debconf templates from this deb. */
  templatesOf?: string;
}

const tools = '/usr/lib/stand-ins';
const libraries = '/usr/lib/x86_64-linux-gnu/';

/** Every stand-in, in the order in which the installer reaches it. */
export const standIns: readonly StandIn[] = [
  { name: 'di-utils-mapdevfs', wants: ['di-utils-mapdevfs'] },
  {
    name: 'user-setup-udeb',
    wants: ['user-setup-udeb'],
    menuItem: 2400,
    depends: 'cdebconf-udeb',
    templatesOf: 'user-setup',
    files: [{ deb: 'user-setup', from: '/usr/lib/user-setup/', to: '/usr/lib/user-setup/' }],
  },
  {
    name: 'clock-setup',
    wants: ['clock-setup', 'tzsetup-udeb', 'rdate-udeb', 'libbsd0-udeb', 'libmd0-udeb'],
    menuItem: 2600,
    depends: 'cdebconf-udeb, configured-network',
    provides: 'tzsetup-udeb',
  },
  {
    name: 'partman-base',
    wants: [
      'partman-base',
      'partman-auto',
      'partman-basicfilesystems',
      'partman-basicmethods',
      'partman-efi',
      'partman-ext3',
      'partman-partitioning',
      'partman-target',
      'partman-utils',
      'disk-detect',
      'dosfstools-udeb',
      'e2fsprogs-udeb',
      'libparted2-udeb',
      'libparted-fs-resize0-udeb',
      'libdevmapper1.02.1-udeb',
    ],
    drops: ['partman-*', 'multipath-udeb', 'open-iscsi-udeb', 'mdadm-udeb', 'os-prober-udeb', 'jfsutils-udeb'],
    menuItem: 4200,
    depends: 'cdebconf-udeb, di-utils, preseed-common, ext4-modules, scsi-modules, efi-modules',
    provides: 'partman-auto, partman-target, mounted-partitions, created-fstab, harddrive-detection, partman-utils',
    files: [
      { deb: 'fdisk', from: '/sbin/sfdisk', to: `${tools}/bin/` },
      { deb: 'libfdisk1', from: libraries, to: `${tools}/lib/` },
      { deb: 'libsmartcols1', from: libraries, to: `${tools}/lib/` },
      { deb: 'e2fsprogs', from: '/sbin/mke2fs', to: `${tools}/bin/` },
      { deb: 'e2fsprogs', from: '/etc/mke2fs.conf', to: '/etc/' },
      { deb: 'libext2fs2', from: '/lib/x86_64-linux-gnu/', to: `${tools}/lib/` },
      { deb: 'libcom-err2', from: '/lib/x86_64-linux-gnu/', to: `${tools}/lib/` },
      { deb: 'dosfstools', from: '/sbin/mkfs.fat', to: `${tools}/bin/` },
    ],
  },
  {
    name: 'debootstrap-udeb',
    wants: ['debootstrap-udeb'],
    depends: 'mounted-partitions',
    files: [
      { deb: 'debootstrap', from: '/usr/sbin/debootstrap', to: '/usr/sbin/' },
      { deb: 'debootstrap', from: '/usr/share/debootstrap/', to: '/usr/share/debootstrap/' },
    ],
  },
  {
    name: 'apt-setup-udeb',
    wants: ['apt-setup-udeb', 'apt-mirror-setup'],
    drops: ['apt-mirror-setup', 'apt-cdrom-setup'],
    // Right before pkgsel, which depends on it.
    menuItem: 6900,
    depends: 'cdebconf-udeb, installed-base, di-utils',
    provides: 'apt-mirror-setup',
  },
  {
    name: 'grub-installer',
    wants: ['grub-installer', 'os-prober-udeb', 'libparted2-udeb', 'partman-utils'],
    drops: ['nobootloader', 'depthcharge-tools-installer', 'lilo-installer'],
    menuItem: 7400,
    depends: 'cdebconf-udeb, kernel-installer, created-fstab, di-utils',
    provides: 'bootable-system',
  },
  {
    name: 'finish-install',
    wants: ['finish-install'],
    menuItem: 7800,
    depends: 'cdebconf-udeb, installed-base, created-fstab, bootable-system',
  },
];

/** Udebs of standard priority that such an install does not need: left out when they are not served. */
export const dispensable: readonly string[] = ['libpcre3-udeb', 'nobootloader', 'depthcharge-tools-installer'];

/** A udeb that was made: its file and its paragraph of a Packages file, without Filename. */
export interface MadeUdeb {
  file: string;
  control: string;
}

/** Makes one stand-in in `folder`, or finds it made there before of the same ingredients. */
export async function makeUdeb(standIn: StandIn, folder: string): Promise<MadeUdeb> {
  const file = join(folder, `${standIn.name}.udeb`);
  const control = controlOf(standIn);
  const source = join(import.meta.dirname, 'udebs', standIn.name);
  if (!(await isNewer(file, [source, import.meta.filename]))) await build(standIn, source, control, folder, file);
  return { file, control };
}

async function build(standIn: StandIn, source: string, control: string, folder: string, file: string): Promise<void> {
  const tree = await mkdtemp(join(folder, 'tree-'));
  try {
    await chmod(tree, 0o755);
    await mkdir(join(tree, 'DEBIAN'));
    await cp(source, tree, { recursive: true, force: true }).catch(ignoreMissing);
    await writeFile(join(tree, 'DEBIAN/control'), control);
    for (const { deb, from, to } of standIn.files ?? []) {
      const wanted = join(await unpackedDeb(deb, folder), from);
      const target =
        to.endsWith('/') && !from.endsWith('/') ? join(tree, to, from.slice(from.lastIndexOf('/'))) : join(tree, to);
      await mkdir(join(tree, to), { recursive: true });
      await cp(wanted, target, { recursive: true, verbatimSymlinks: true });
    }
    if (standIn.templatesOf) {
      await cp(
        join(await unpackedDeb(standIn.templatesOf, folder), 'DEBIAN/templates'),
        join(tree, 'DEBIAN/templates'),
      );
    }
    await run('dpkg-deb', ['--root-owner-group', '--nocheck', '-Zxz', '-z1', '--build', tree, `${file}.new`]);
    await rename(`${file}.new`, file);
  } finally {
    await rm(tree, { recursive: true, force: true });
  }
}

function controlOf({ name, menuItem, depends, provides }: StandIn): string {
  const fields: [string, string | number | undefined][] = [
    ['Package', name],
    ['Version', '999+stand-in'],
    ['Architecture', 'amd64'],
    ['Section', 'debian-installer'],
    ['Priority', 'standard'],
    ['Installer-Menu-Item', menuItem],
    ['Depends', depends],
    ['Provides', provides],
    ['Maintainer', 'Firstlight lab <lab@example.org>'],
    ['Description', `Stand-in for ${name} (test fixture)`],
  ];
  return fields.flatMap(([field, value]) => (value === undefined ? [] : [`${field}: ${value}\n`])).join('');
}

/** The unpacked deb with its control files in DEBIAN/, fetched by apt as the host is set up to fetch. */
async function unpackedDeb(deb: string, folder: string): Promise<string> {
  const tree = join(folder, 'debs', deb);
  if (await stat(tree).catch(() => undefined)) return tree;
  const download = await mkdtemp(join(folder, 'download-'));
  try {
    await run('apt-get', ['-q', '-o', 'APT::Sandbox::User=root', 'download', deb], { cwd: download });
    const [name] = await readdir(download);
    if (name === undefined) throw new Error(`apt-get download ${deb} brought nothing`);
    await run('dpkg-deb', ['--raw-extract', join(download, name), join(download, 'tree')]);
    await mkdir(join(folder, 'debs'), { recursive: true });
    await rename(join(download, 'tree'), tree);
  } finally {
    await rm(download, { recursive: true, force: true });
  }
  return tree;
}

async function isNewer(file: string, sources: string[]): Promise<boolean> {
  const made = await stat(file).catch(() => undefined);
  if (!made) return false;
  for (const source of sources) {
    const info = await stat(source).catch(() => undefined);
    if (!info) continue;
    const names = info.isDirectory() ? await readdir(source, { recursive: true }) : [''];
    for (const name of names) if ((await stat(join(source, name))).mtimeMs > made.mtimeMs) return false;
  }
  return true;
}

function ignoreMissing(error: NodeJS.ErrnoException): void {
  if (error.code !== 'ENOENT') throw error;
}

/** The bytes of a made udeb. */
export const readUdeb = (udeb: MadeUdeb): Promise<Buffer> => readFile(udeb.file);
