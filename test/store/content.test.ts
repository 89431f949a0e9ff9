import assert from 'node:assert/strict';
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { assetPaths, openLibrary } from '../../src/boot/library.ts';
import { openAssets } from '../../src/store/assets.ts';
import { describeProblem, loadContent } from '../../src/store/content.ts';
import { REPOSITORY, writeAsset } from '../harness.ts';

/** The repository's own content with these files changed; gives what is wrong with it, a line each. */
function problemsWith(files: Record<string, string>): string[] {
  const folder = mkdtempSync(join(tmpdir(), 'firstlight-content-'));
  try {
    for (const name of ['bootenvs', 'workflows', 'templates'])
      cpSync(join(REPOSITORY, name), join(folder, name), { recursive: true });
    for (const [name, text] of Object.entries(files)) {
      mkdirSync(dirname(join(folder, name)), { recursive: true });
      writeFileSync(join(folder, name), text);
    }
    const opened = openLibrary(loadContent(folder), openAssets(folder));
    return opened.problems.map(describeProblem);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test('the content of this repository is right', () => {
  assert.deepEqual(problemsWith({}), []);
});

const local = 'name: x\ndescription: x\nkind: local\n';
const installer = 'name: x\ndescription: x\nkind: installer\narch:\n  x64: { kernel: x/linux, initrds: [x/initrd] }\n';
const workflow =
  'name: w\ndescription: w\nstages:\n  - name: one\n    bootenv: scout\n    until: inventoried\n    timeoutMinutes: 5\n';

const TABLE: [string, Record<string, string>, RegExp][] = [
  [
    'a field that does not exist',
    { 'bootenvs/x.yaml': `${local}colour: red\n` },
    /^bootenvs\/x\.yaml:4: colour: there is no such field$/,
  ],
  [
    'a field of a field that does not exist',
    { 'bootenvs/x.yaml': `${local}arch:\n  x64: { kernel: x/l, initrds: [x/i], colour: red }\n` },
    /^bootenvs\/x\.yaml:5: arch\.x64\.colour: there is no such field$/,
  ],
  ['a field that is missing', { 'bootenvs/x.yaml': 'name: x\nkind: local\n' }, /^bootenvs\/x\.yaml:1: .*description/],
  ['a kind that nobody knows', { 'bootenvs/x.yaml': local.replace('local', 'magic') }, /^bootenvs\/x\.yaml:3: kind: /],
  [
    'a number where a text belongs',
    { 'bootenvs/x.yaml': local.replace('description: x', 'description: 7') },
    /^bootenvs\/x\.yaml:2: description: must be string$/,
  ],
  [
    'an asset outside of its folder',
    { 'bootenvs/x.yaml': `${local}assets:\n  - good/file\n  - ../../etc/passwd\n` },
    /^bootenvs\/x\.yaml:6: assets\.1: must match pattern/,
  ],
  [
    "a name that is not the file's",
    { 'bootenvs/x.yaml': local.replace('name: x', 'name: y') },
    /^bootenvs\/x\.yaml: name: y is not the file's name$/,
  ],
  ['YAML that is none', { 'bootenvs/x.yaml': 'name: x\n  kind: [\n' }, /^bootenvs\/x\.yaml:\d: /],
  ['a key twice', { 'bootenvs/x.yaml': `${local}kind: scout\n` }, /^bootenvs\/x\.yaml:4: Map keys must be unique/],
  ['an alias of nothing', { 'bootenvs/x.yaml': `${local}make: *nothing\n` }, /^bootenvs\/x\.yaml: .*nothing/],
  ['aliases that grow without end', { 'bootenvs/x.yaml': bomb() }, /^bootenvs\/x\.yaml: .*alias/i],
  ['an empty file', { 'bootenvs/x.yaml': '' }, /^bootenvs\/x\.yaml(:1)?: must be object$/],
  ['a list', { 'bootenvs/x.yaml': '- a\n' }, /^bootenvs\/x\.yaml:1: must be object$/],
  ['a folder named like a file', { 'bootenvs/x.yaml/y': '' }, /^bootenvs\/x\.yaml: cannot be read: EISDIR/],
  [
    'an installer without a kernel',
    { 'bootenvs/x.yaml': local.replace('local', 'installer') },
    /^bootenvs\/x\.yaml: arch: a bootenv of kind installer needs a kernel$/,
  ],
  [
    'an image without a task',
    { 'bootenvs/x.yaml': `${local.replace('local', 'image')}boots: scout\n` },
    /^bootenvs\/x\.yaml: task: an image needs one$/,
  ],
  [
    'a bootenv that boots what has no kernel',
    { 'bootenvs/x.yaml': `${local}boots: local\n` },
    /^bootenvs\/x\.yaml: boots: there is no bootenv local with a kernel$/,
  ],
  [
    'a template that is not there',
    { 'bootenvs/x.yaml': `${installer}files:\n  a.cfg: preseed/nosuch.hbs\n` },
    /^bootenvs\/x\.yaml: files\.a\.cfg: there is no templates\/preseed\/nosuch\.hbs$/,
  ],
  [
    'a param that is not declared',
    { 'bootenvs/x.yaml': `${installer}params: [nosuch]\n` },
    /^bootenvs\/x\.yaml: params: nosuch is not declared in workflows\/params\.yaml$/,
  ],
  [
    'a param that a template uses and the bootenv does not name',
    { 'bootenvs/x.yaml': `${installer}files:\n  a.cfg: preseed/a.hbs\n`, 'templates/preseed/a.hbs': '{{params.disk}}' },
    /^bootenvs\/x\.yaml: params: lacks disk, which templates\/preseed\/a\.hbs uses$/,
  ],
  [
    'a param of its arguments that the bootenv does not name',
    { 'bootenvs/x.yaml': `${installer}arguments: "a {{params.disk}}"\n` },
    /^bootenvs\/x\.yaml: params: lacks disk, which its arguments use$/,
  ],
  [
    'arguments that cannot be rendered',
    { 'bootenvs/x.yaml': `${installer}arguments: "a {{nosuch}}"\n` },
    /^bootenvs\/x\.yaml: arguments: there is no nosuch/,
  ],
  [
    'two files of one name',
    { 'bootenvs/x.yaml': `${installer}assets: [y/linux]\n` },
    /^bootenvs\/x\.yaml: has two files named linux$/,
  ],
  [
    'a stage whose bootenv is not there',
    { 'workflows/w.yaml': workflow.replace('scout', 'nosuch') },
    /^workflows\/w\.yaml: stages\.0\.bootenv: there is no bootenv nosuch$/,
  ],
  [
    'an action that nobody knows',
    { 'workflows/w.yaml': `${workflow}    do: [explode]\n` },
    /^workflows\/w\.yaml:8: stages\.0\.do\.0: /,
  ],
  [
    'a milestone that nobody knows',
    { 'workflows/w.yaml': workflow.replace('inventoried', 'happy') },
    /^workflows\/w\.yaml:6: stages\.0\.until: /,
  ],
  [
    'a workflow without a stage',
    { 'workflows/w.yaml': 'name: w\ndescription: w\nstages: []\n' },
    /^workflows\/w\.yaml:3: stages: /,
  ],
  [
    'a param without a default',
    { 'workflows/params.yaml': 'a:\n  description: a\n  type: text\n' },
    /^workflows\/params\.yaml:1: a: .*default/,
  ],
  [
    'a param of a type that nobody knows',
    { 'workflows/params.yaml': 'a:\n  description: a\n  type: colour\n  default: red\n' },
    /^workflows\/params\.yaml:3: a\.type: /,
  ],
  [
    'a param whose default is not of its type',
    { 'workflows/params.yaml': 'a:\n  description: a\n  type: integer\n  default: red\n' },
    /^workflows\/params\.yaml:4: a\.default: "red" is not an integer$/,
  ],
  [
    'a param whose pattern is none',
    { 'workflows/params.yaml': "a:\n  description: a\n  type: text\n  default: red\n  pattern: '('\n" },
    /^workflows\/params\.yaml:5: a\.pattern: .*regular expression/i,
  ],
  [
    'a template that is wrong',
    { 'templates/preseed/a.hbs': 'one\n{{nosuch}}\n' },
    /^templates\/preseed\/a\.hbs:2: there is no nosuch/,
  ],
  [
    'a template that cannot be parsed',
    { 'templates/preseed/a.hbs': 'one\n{{#if machine.name}}\n' },
    /^templates\/preseed\/a\.hbs:\d: cannot be parsed/,
  ],
  [
    'a template that is too large',
    { 'templates/preseed/a.hbs': 'x'.repeat(300_000) },
    /^templates\/preseed\/a\.hbs: is larger than 262144 bytes$/,
  ],
];

function bomb(): string {
  const lines = ['a0: &a0 [x, x, x, x, x, x, x, x, x]'];
  for (let i = 1; i < 9; i++)
    lines.push(
      `a${i}: &a${i} [${Array(9)
        .fill(`*a${i - 1}`)
        .join(', ')}]`,
    );
  return `${local}${lines.join('\n')}\n`;
}

for (const [what, files, expected] of TABLE)
  test(`${what}: told with its file, its line and its field`, () => {
    const problems = problemsWith(files);
    assert.ok(
      problems.some((problem) => expected.test(problem)),
      `${expected} is not among\n${problems.join('\n')}`,
    );
    for (const problem of problems) assert.doesNotMatch(problem, /\n|undefined/);
  });

test('params that are not there at all are told', () => {
  const content = loadContent('/nonexistent');
  assert.deepEqual(content.problems.map(describeProblem), ['workflows/params.yaml: is not there']);
});

/** Assets below a temporary folder; gives what `check` finds of `x/file`. */
async function assetWith(prepare: (folder: string) => void): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'firstlight-assets-'));
  try {
    prepare(folder);
    const assets = openAssets(folder);
    await assets.check(['x/file']);
    const asset = assets.get('x/file');
    return 'problem' in asset ? asset.problem : `${asset.name} of ${asset.size} bytes`;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const put = (folder: string, text: string): void => {
  mkdirSync(join(folder, 'x'), { recursive: true });
  writeFileSync(join(folder, 'x/file'), text);
};
const ASSETS: [string, (folder: string) => void, RegExp][] = [
  ['an asset that agrees with its sum', (f) => writeAsset(f, 'x/file', 'hello'), /^file of 5 bytes$/],
  ['an asset that is not there', () => undefined, /^x\/file is not there$/],
  ['an asset without sums', (f) => put(f, 'hello'), /^x\/file is not listed in its SHA256SUMS$/],
  [
    'an asset that does not agree',
    (f) => {
      writeAsset(f, 'x/file', 'hello');
      put(f, 'other');
    },
    /^x\/file is damaged: its sha256 is [0-9a-f]{64}, its SHA256SUMS says [0-9a-f]{64}$/,
  ],
  ['an asset that is a folder', (f) => mkdirSync(join(f, 'x/file'), { recursive: true }), /^x\/file is not a file$/],
  [
    'an asset that cannot be read',
    (f) => {
      writeAsset(f, 'x/file', 'hello');
      rmSync(join(f, 'x/file'));
      symlinkSync('/proc/self/mem', join(f, 'x/file'));
    },
    /^x\/file cannot be read: EIO/,
  ],
];
for (const [what, prepare, expected] of ASSETS)
  test(`${what}: ${expected.source}`, async () => assert.match(await assetWith(prepare), expected));

test('every asset of a bootenv is known by its path', () => {
  const bootenv = loadContent(REPOSITORY).bootenvs.get('debian-12-image');
  assert.deepEqual(bootenv && assetPaths(bootenv), ['debian-12-image/disk.img.zst', 'debian-12-image/disk.json']);
});
