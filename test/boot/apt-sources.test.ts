import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { chooseAptMirror, hostAptMirror } from '../../src/boot/apt-sources.ts';

const cases: { name: string; file: string; text: string; mirror: string | undefined }[] = [
  {
    name: 'a one-line source',
    file: 'sources.list',
    text: '# the archive\ndeb http://mirror.example.org/debian bookworm main contrib\n',
    mirror: 'http://mirror.example.org/debian',
  },
  {
    name: 'a one-line source with options and a slash at its end',
    file: 'x.list',
    text: 'deb [arch=amd64 signed-by=/usr/share/keyrings/a.gpg] https://mirror.example.org/debian/ bookworm main # why',
    mirror: 'https://mirror.example.org/debian',
  },
  {
    name: 'sources that are not the archive: source packages, another suite, another component, no http',
    file: 'x.list',
    text: [
      'deb-src http://mirror.example.org/a bookworm main',
      'deb http://mirror.example.org/b bookworm-security main',
      'deb http://mirror.example.org/c bookworm contrib # main',
      'deb cdrom:[Debian]/ bookworm main',
      '#deb http://mirror.example.org/d bookworm main',
      'deb file:/srv/debian bookworm main',
    ].join('\n'),
    mirror: undefined,
  },
  {
    name: 'a deb822 source with comments, two suites and values that go on',
    file: 'debian.sources',
    text: [
      'Types: deb',
      '# http://old.example.org/debian',
      'URIs: http://mirror.example.org/debian',
      'Suites: bookworm',
      '  bookworm-updates',
      'Components: main non-free-firmware',
      '',
      'Types: deb',
      'URIs: http://mirror.example.org/debian-security',
      'Suites: bookworm-security',
      'Components: main',
    ].join('\n'),
    mirror: 'http://mirror.example.org/debian',
  },
  {
    name: 'the second deb822 paragraph when the first is switched off, the first http URI of several',
    file: 'debian.sources',
    text: [
      'Enabled: no',
      'Types: deb',
      'URIs: http://off.example.org/debian',
      'Suites: bookworm',
      'Components: main',
      ' ',
      'types: deb deb-src',
      'uris: mirror+file:/etc/apt/mirrors https://on.example.org/debian/',
      'suites: bookworm',
      'components: main',
    ].join('\n'),
    mirror: 'https://on.example.org/debian',
  },
  { name: 'nothing in an empty file', file: 'debian.sources', text: '', mirror: undefined },
];
for (const { name, file, text, mirror } of cases) {
  test(`reads ${name}`, () => assert.equal(chooseAptMirror(file, text, 'bookworm'), mirror));
}

test("reads apt's folder in apt's order and skips names that apt skips", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'apt-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  assert.equal(await hostAptMirror('bookworm', folder), undefined);

  const parts = join(folder, 'sources.list.d');
  await mkdir(parts);
  await writeFile(join(parts, 'a.list.disabled'), 'deb http://skipped.example.org/debian bookworm main\n');
  await writeFile(
    join(parts, 'b.sources'),
    'Types: deb\nURIs: http://b.example.org/debian\nSuites: bookworm\nComponents: main\n',
  );
  await writeFile(join(parts, 'c.list'), 'deb http://c.example.org/debian trixie main\n');
  assert.equal(await hostAptMirror('bookworm', folder), 'http://b.example.org/debian');
  assert.equal(await hostAptMirror('trixie', folder), 'http://c.example.org/debian');

  await writeFile(join(folder, 'sources.list'), 'deb http://first.example.org/debian bookworm main\n');
  assert.equal(await hostAptMirror('bookworm', folder), 'http://first.example.org/debian');
});
