import assert from 'node:assert/strict';
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { parse } from 'yaml';
import { compileTemplates } from '../../src/boot/render.ts';
import type { Bootenv } from '../../src/model/bootenv.ts';

const root = join(import.meta.dirname, '../..');
const templates = compileTemplates(
  new Map(
    ['preseed', 'partials'].flatMap((folder) =>
      readdirSync(join(root, 'templates', folder)).map((name): [string, string] => [
        `${folder}/${name}`,
        readFileSync(join(root, 'templates', folder, name), 'utf8'),
      ]),
    ),
  ),
);
const bootenv = parse(readFileSync(join(root, 'bootenvs/debian-12.yaml'), 'utf8')) as Bootenv;
const hash = '$6$salt$Wl4Dyy/uX0Rq1v8pZ0j1e.'; // crypt-like; nobody logs in with it
const key = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5 it\'s $(mine) `now` "too"';

const plain = {
  disk: 'smallest',
  rootPasswordHash: '',
  rootSshKeys: [] as string[],
  user: '',
  userFullName: '',
  userPasswordHash: '',
  userSshKeys: [] as string[],
  timezone: 'Etc/UTC',
  locale: 'C.UTF-8',
  keyboard: 'us',
  packages: [] as string[],
  lateScript: '',
  kernelArguments: '',
  kernelConsole: 'console=tty0 console=ttyS0,115200',
};
const full = {
  ...plain,
  disk: "model=INTEL* it's,largest",
  rootPasswordHash: hash,
  rootSshKeys: [key, 'ssh-ed25519 AAAA two'],
  user: 'ada',
  userFullName: 'Ada "the first" O\'Neil, $HOME `x` {{y}} \\n # z',
  userPasswordHash: hash,
  userSshKeys: [key],
  timezone: 'Europe/Berlin',
  locale: 'de_DE.UTF-8',
  packages: ['vim-tiny', 'g++'],
  lateScript: "#!/bin/sh\necho 'it''s late' \"$HOME\"\n",
  kernelArguments: 'console=ttyS0 quiet',
};
const context = (params: typeof plain) => ({
  machine: {
    name: 'web-1',
    hostname: 'web-1',
    domain: 'rack.example.org',
    mac: '52:54:00:aa:bb:01',
    bootif: '01-52-54-00-aa-bb-01',
    uuid: '',
    serial: '',
  },
  net: { address: '10.77.0.50', netmask: '255.255.255.0', prefix: 24, gateway: '', dns: [] },
  appliance: {
    url: 'http://10.77.0.1',
    address: '10.77.0.1',
    mirrorHost: '10.77.0.1',
    mirrorPath: '/mirror/debian',
    securityMirrorPath: '/mirror/debian-security',
  },
  run: { url: 'http://10.77.0.1/run/TOKEN', firstBootUrl: 'http://10.77.0.1/run/TOKEN2' },
  bootenv: { name: 'debian-12', description: '' },
  params,
});
const render = (file: string, params: typeof plain) => templates.render(bootenv.files?.[file] ?? file, context(params));
/** The value of one answer. */
const answer = (text: string, question: string) =>
  text
    .split('\n')
    .map((line) => /^\S+ (\S+) (?:string|boolean|password|select|multiselect|note) ?(.*)$/.exec(line))
    .find((match) => match?.[1] === question)?.[2];

test('the bootenv names the params that its templates use', () => {
  const used = new Set(Object.values(bootenv.files ?? {}).flatMap((name) => [...templates.paramsOf(name)]));
  for (const match of (bootenv.arguments ?? '').matchAll(/params\.(\w+)/g)) used.add(match[1] ?? '');
  assert.deepEqual([...used].sort(), [...(bootenv.params ?? [])].sort());
});

test("the kernel's arguments answer what is asked before there is a network", () => {
  const line = (params: typeof plain, domain: string) => {
    const data = context(params);
    data.machine.domain = domain;
    return templates.renderText('debian-12', bootenv.arguments ?? '', data).trim();
  };
  assert.equal(
    line(full, 'rack.example.org'),
    'auto=true priority=critical url=http://10.77.0.1/run/TOKEN/file/preseed.cfg interface=auto ' +
      'BOOTIF=01-52-54-00-aa-bb-01 netcfg/dhcp_timeout=60 netcfg/no_default_route=true netcfg/get_nameservers= netcfg/hostname=web-1 domain=rack.example.org ' +
      'console=tty0 console=ttyS0,115200 --- console=ttyS0 quiet',
  );
  assert.doesNotMatch(line(plain, ''), /domain=/);
});

for (const [name, params] of Object.entries({ plain, full })) {
  test(`debconf accepts the answers with ${name} params`, { skip: hasNot('debconf-set-selections') }, () => {
    const text = render('preseed.cfg', params);
    const checked = spawnSync('debconf-set-selections', ['-c'], { input: text, encoding: 'utf8' });
    assert.equal(checked.status, 0, checked.stderr);
    assert.equal(checked.stderr, '');
  });

  test(`the scripts with ${name} params are POSIX shell`, () => {
    for (const file of ['early.sh', 'disk.sh', 'late.sh']) {
      const checked = spawnSync('sh', ['-n'], { input: render(file, params), encoding: 'utf8' });
      assert.equal(checked.status, 0, `${file}: ${checked.stderr}`);
    }
  });
}

test('values come out as they went in', () => {
  const text = render('preseed.cfg', full);
  assert.equal(answer(text, 'passwd/user-fullname'), full.userFullName);
  assert.equal(answer(text, 'passwd/root-password-crypted'), hash);
  assert.equal(answer(text, 'passwd/user-password-crypted'), hash);
  assert.equal(answer(text, 'time/zone'), 'Europe/Berlin');
  assert.equal(answer(text, 'mirror/http/hostname'), '10.77.0.1');
  assert.equal(answer(text, 'pkgsel/include'), 'openssh-server sudo vim-tiny g++');
});

test('without a hash an account is locked, never open and never asked for', () => {
  const text = render('preseed.cfg', { ...plain, user: 'ada' });
  assert.equal(answer(text, 'passwd/root-password-crypted'), '*');
  assert.equal(answer(text, 'passwd/user-password-crypted'), '*');
  assert.equal(answer(render('preseed.cfg', plain), 'passwd/make-user'), 'false');
  assert.doesNotMatch(render('preseed.cfg', full) + text, /passwd\/(root|user)-password(-again)? /);
});

test('a line break in a value is refused', () => {
  const refused = [
    { userFullName: 'Ada\nd-i passwd/root-password password open' },
    { timezone: 'Etc/UTC\r\nx' },
    { packages: ['vim', 'x\ny'] },
    { locale: 'C\0' },
  ];
  for (const params of refused) {
    const asUser = { ...plain, user: 'ada', ...params };
    assert.throws(() => render('preseed.cfg', asUser), /line break/, JSON.stringify(params));
  }
});

test('nothing of the test fixture is in what a real installer gets', () => {
  const texts = ['preseed.cfg', 'early.sh', 'disk.sh', 'late.sh'].map((file) => render(file, full));
  assert.doesNotMatch(texts.join('') + bootenv.arguments, /allow_unauthenticated|stand-?in/i);
});

test('late.sh leaves keys, sudo and the late script as they were given', {
  skip: process.getuid?.() !== 0 && 'not root',
}, (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'late-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const target = join(folder, 'target');
  const bin = join(folder, 'bin');
  for (const path of ['root', 'home/ada', 'etc/sudoers.d', 'etc/default', 'etc/apt', 'etc/systemd/system']) {
    mkdirSync(join(target, path), { recursive: true });
  }
  mkdirSync(bin);
  // What the installer has, as far as late.sh uses it.
  const tool = (name: string, text: string) => writeFileSync(join(bin, name), `#!/bin/sh\n${text}\n`, { mode: 0o755 });
  tool('wget', `echo "$@" >> ${folder}/wget`);
  tool('mount', 'exit 1');
  tool('chroot', `echo "$@" >> ${folder}/chroot`);
  tool('in-target', `cp ${target}/root/firstlight-late-script ${folder}/late; cat > ${folder}/stdin < /dev/null`);
  const runLate = (params: typeof plain) =>
    spawnSync('sh', [], {
      input: render('late.sh', params)
        .replace('TARGET=/target', `TARGET=${target}`)
        .replaceAll(' /tmp/', ` ${folder}/`),
      env: { PATH: `${bin}:${process.env.PATH}` },
      encoding: 'utf8',
    });

  const passwordless = runLate({ ...full, userPasswordHash: '' });
  assert.equal(passwordless.status, 0, passwordless.stderr);
  assert.equal(
    readFileSync(join(target, 'etc/default/grub.d/firstlight.cfg'), 'utf8'),
    [
      'GRUB_CMDLINE_LINUX="$GRUB_CMDLINE_LINUX console=tty0 console=ttyS0,115200 "',
      'GRUB_TERMINAL="console serial"',
      'GRUB_SERIAL_COMMAND="serial --unit=0 --speed=115200"',
      '',
    ].join('\n'),
  );
  assert.match(
    readFileSync(join(target, 'etc/apt/sources.list'), 'utf8'),
    /^deb http:\/\/[^/ ]+\/mirror\/debian-security bookworm-security main$/m,
  );
  assert.equal(readFileSync(join(target, 'root/.ssh/authorized_keys'), 'utf8'), `${full.rootSshKeys.join('\n')}\n`);
  assert.equal(readFileSync(join(target, 'home/ada/.ssh/authorized_keys'), 'utf8'), `${key}\n`);
  assert.equal(statSync(join(target, 'home/ada/.ssh/authorized_keys')).mode & 0o777, 0o600);
  assert.equal(statSync(join(target, 'home/ada/.ssh')).mode & 0o777, 0o700);
  const sudoers = join(target, 'etc/sudoers.d/90-firstlight');
  assert.equal(readFileSync(sudoers, 'utf8'), 'ada ALL=(ALL:ALL) NOPASSWD: ALL\n');
  assert.equal(statSync(sudoers).mode & 0o777, 0o440);
  assert.equal(readFileSync(join(folder, 'late'), 'utf8'), full.lateScript);
  assert.deepEqual(readdirSync(join(target, 'root')), ['.ssh'], 'the late script does not stay');
  assert.ok(existsSync(join(folder, 'firstlight-late-is-over')));

  tool('in-target', 'exit 3');
  for (const name of ['wget', 'firstlight-late-is-over']) rmSync(join(folder, name));
  const failed = runLate(full);
  assert.equal(failed.status, 3);
  const told = readFileSync(join(folder, 'wget'), 'utf8');
  assert.match(told, /run\/TOKEN\/failed\n$/);
  assert.equal(existsSync(join(folder, 'firstlight-late-is-over')), false, 'so that nothing reports done');
});

test('early.sh tells the steps of the installer, and the first failure with the log and without the token', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'early-'));
  const log = join(folder, 'syslog');
  const told = join(folder, 'told');
  writeFileSync(log, "Jan  1 00:00:01 main-menu[260]: INFO: Menu item 'network-preseed' selected\n");
  writeFileSync(join(folder, 'wget'), `#!/bin/sh\necho "$@" >> ${told}\n`, { mode: 0o755 });
  const script = render('early.sh', plain)
    .replaceAll('/tmp/', `${folder}/`)
    .replaceAll('/var/log/syslog', log)
    .replaceAll('/usr/lib/finish-install.d', folder);
  const child = spawn('sh', ['-c', script], {
    env: { PATH: `${folder}:${process.env.PATH}` },
    detached: true, // its watcher goes on when it has ended: a group of its own to end
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  t.after(() => {
    process.kill(-child.pid!, 'SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  });
  // It ends, and lets go of what it was given, although its watcher goes on.
  await new Promise((resolve) => child.on('close', resolve));
  assert.equal(child.exitCode, 0);

  const wait = async (pattern: RegExp) => {
    for (let tries = 0; tries < 1000; tries++) {
      const text = readFileSync(told, 'utf8');
      if (pattern.test(text)) return text;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    assert.match(readFileSync(told, 'utf8'), pattern);
    return '';
  };
  await wait(/progress\?percent=2&text=The%20installer/);
  const say = (line: string) => appendFileSync(log, `Jan  1 00:00:02 ${line}\n`);
  // Again and again, for only what comes after its watcher has begun is seen.
  const starting = setInterval(() => say("main-menu[260]: INFO: Menu item 'choose-mirror' selected"), 50);
  await wait(/progress\?percent=4&text=Looking/).finally(() => clearInterval(starting));
  say("main-menu[260]: INFO: Menu item 'partman-base' selected");
  await wait(/progress\?percent=13&text=Partitioning%20the%20disk/);
  say("main-menu[260]: (process:9): Configuring 'netcfg' failed with error code 10");
  say('preseed: running http://10.77.0.1/run/TOKEN/file/disk.sh');
  say('base-installer: error: exiting on error base-installer/debootstrap-failed');
  say("main-menu[260]: WARNING **: Configuring 'bootstrap-base' failed with error code 1");
  say("main-menu[260]: INFO: Menu item 'finish-install' selected");
  const text = await wait(/Finishing/);
  assert.equal(text.match(/run\/TOKEN\/failed/g)?.length, 1);
  const why = readFileSync(join(folder, 'firstlight-failed'), 'utf8');
  assert.match(why, /^The installer stopped: base-installer\/debootstrap-failed\.\n/);
  assert.match(why, /RUN\/file\/disk\.sh/);
  assert.doesNotMatch(why, /TOKEN/);

  // The step that it adds to the installer's last ones.
  const last = () => spawnSync(join(folder, '96firstlight'), { env: { PATH: `${folder}:${process.env.PATH}` } });
  assert.equal(last().status, 0);
  assert.doesNotMatch(readFileSync(told, 'utf8'), /done/, 'late.sh did not come to its end');
  writeFileSync(join(folder, 'firstlight-late-is-over'), '');
  assert.equal(last().status, 0);
  assert.match(readFileSync(told, 'utf8'), /run\/TOKEN\/done\n$/);
});

function hasNot(program: string): string | false {
  try {
    execFileSync('sh', ['-c', `command -v ${program}`], { stdio: 'ignore' });
    return false;
  } catch {
    return `${program} is not installed`;
  }
}
