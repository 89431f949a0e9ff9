import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

const SOURCE = join(import.meta.dirname, '../src');

/** Who may import whom (docs/architecture.md, "Imports go down only"). A folder may always import itself; a file stands for itself. */
const MAY: Readonly<Record<string, readonly string[]>> = {
  wire: [],
  model: ['wire/address.ts'],
  'start-error.ts': [],
  store: ['start-error.ts', 'model', 'wire'],
  'config.ts': ['model', 'wire'],
  'privileges.ts': [],
  'plain-udp.ts': ['wire'],
  'mmsg.ts': ['plain-udp.ts', 'wire'],
  'batch-udp.ts': ['mmsg.ts', 'plain-udp.ts', 'wire'],
  'sockets.ts': ['batch-udp.ts', 'wire'],
  'probe-sockets.ts': ['sockets.ts', 'wire'],
  'data-folder.ts': ['start-error.ts', 'sockets.ts'],
  'first-start.ts': ['store', 'model'],
  'served-subnet.ts': ['config.ts', 'model', 'wire'],
  'tell.ts': ['boot', 'dhcp', 'events.ts', 'store', 'model'],
  'events.ts': ['store', 'model', 'wire'],
  bmc: ['events.ts', 'store', 'model', 'wire'],
  boot: ['start-error.ts', 'events.ts', 'store', 'model', 'wire'],
  dhcp: ['boot', 'events.ts', 'batch-udp.ts', 'sockets.ts', 'probe-sockets.ts', 'store', 'model', 'wire'],
  workflow: ['bmc', 'boot', 'events.ts', 'store', 'model', 'wire'],
  'explain.ts': ['boot', 'dhcp', 'events.ts', 'store', 'model', 'wire'],
  api: [
    'start-error.ts',
    'explain.ts',
    'boot',
    'dhcp',
    'bmc',
    'workflow',
    'events.ts',
    'sockets.ts',
    'store',
    'model',
    'wire',
  ],
  'parts.ts': ['explain.ts', 'boot', 'dhcp', 'bmc', 'workflow', 'events.ts', 'store', 'model', 'wire'],
  'main.ts': [
    'start-error.ts',
    'parts.ts',
    'api',
    'boot',
    'dhcp',
    'config.ts',
    'data-folder.ts',
    'first-start.ts',
    'served-subnet.ts',
    'tell.ts',
    'privileges.ts',
    'sockets.ts',
    'probe-sockets.ts',
    'events.ts',
    'store',
    'model',
  ],
  web: ['model', 'wire'], // what the browser gets
  cli: ['lab', 'model', 'wire', 'config.ts', 'start-error.ts', 'sockets.ts', 'main.ts'],
  lab: ['wire', 'model'],
};

/** Single arrows beside those. */
const ALSO: readonly [string, string][] = [
  ['lab/enroll.ts', 'cli/client.ts'],
  // for the types of their answers
  ['cli/explain.ts', 'explain.ts'],
  ['cli/bmc.ts', 'bmc/boot-order.ts'],
  ['cli/bmc.ts', 'bmc/driver.ts'],
  ['cli/bmc.ts', 'bmc/health.ts'],
  ['cli/bmc.ts', 'bmc/scan.ts'],
  ['cli/bmc.ts', 'store/bmcs.ts'],
];

/** Folders and files that decide, and so see no clock, no disk, no network and no chance. */
const PURE: readonly string[] = [
  'wire/',
  'model/',
  'dhcp/import/',
  ...'decide loaders paths file library render script context'.split(' ').map((name) => `boot/${name}.ts`),
  ...'decide proxy request wire lease reply target boot boot-options view foreign'
    .split(' ')
    .map((name) => `dhcp/${name}.ts`),
  ...'plan advance rights'.split(' ').map((name) => `workflow/${name}.ts`),
  ...'order retry health polling other-way boot-order'.split(' ').map((name) => `bmc/${name}.ts`),
];
const NOT_PURE: readonly [RegExp, string][] = [
  [/import\('/, 'imports the world'],
  [/\bDate\.now\(\)|\bnew Date\(\)/, 'reads a clock'],
  [/\bMath\.random\(\)|\brandom(Bytes|UUID|Int)\(/, 'asks chance'],
  [/\bset(Timeout|Interval|Immediate)\(/, 'waits'],
  [/\bconsole\.|\bprocess\./, 'speaks to the outside'],
];
/** The clock is handed on as a value from here, and called nowhere else in floor 1. */
const ALLOWED: readonly [string, RegExp][] = [['model/time.ts', /wallClock: Clock = \(\) => Date\.now\(\)/]];

/** What pure files may take from outside: it computes, and no more. */
const PURE_PACKAGES: readonly string[] = ['handlebars', 'typebox', 'node:crypto', 'node:util'];

/** What is wrong with one file, as `file:line: rule`. */
function problemsOf(file: string, text: string): string[] {
  return [...lineProblems(file, text), ...(isPure(file) ? impureImports(file, text) : [])];
}

const isPure = (file: string): boolean => PURE.some((one) => (one.endsWith('/') ? file.startsWith(one) : file === one));

/** What a pure file runs of files and packages that are not: all that is imported but types. */
function impureImports(file: string, text: string): string[] {
  return [...text.matchAll(/^(?:import|export)\s(?!type\b)(?:[^;']*?\sfrom\s)?\s*'([^']+)'/gm)].flatMap((match) => {
    const target = match[1] as string;
    const to = resolveImport(file, target);
    if (to === undefined ? PURE_PACKAGES.includes(target) : isPure(to)) return [];
    const line = text.slice(0, match.index + match[0].length).split('\n').length;
    return [`${file}:${line}: a pure file runs what is not pure: ${to ?? target}`];
  });
}

/** The file that is imported, from the root of the source; undefined for a package. */
function resolveImport(file: string, target: string): string | undefined {
  return target.startsWith('.') ? new URL(target, `file:///${file}`).pathname.slice(1) : undefined;
}

function lineProblems(file: string, text: string): string[] {
  return text.split('\n').flatMap((line, index) => {
    const place = `${file}:${index + 1}`;
    const found: string[] = [];
    const target = /(?:from|import\()\s*'(\.[^']+)'/.exec(line)?.[1];
    const to = target === undefined ? undefined : resolveImport(file, target);
    if (to !== undefined && !mayImport(file, to))
      found.push(`${place}: ${partOf(file)} must not import ${to} (docs/architecture.md)`);
    const isAllowed = ALLOWED.some(([name, pattern]) => name === file && pattern.test(line));
    if (isPure(file) && !isAllowed && !/^\s*(\/?\*|\/\/)/.test(line))
      for (const [pattern, what] of NOT_PURE)
        if (pattern.test(line)) found.push(`${place}: a pure file ${what}: ${line.trim()}`);
    return found;
  });
}

function mayImport(from: string, to: string): boolean {
  if (partOf(from) === partOf(to)) return true;
  if (to === 'main.ts') return from === 'cli/serve.ts';
  if (ALSO.some(([one, other]) => one === from && other === to)) return true;
  return (MAY[partOf(from)] ?? []).some((part) => part === partOf(to) || part === to);
}

/** The folder of a file, or the file itself when it stands at the top. */
function partOf(file: string): string {
  return file.includes('/') ? (file.split('/')[0] as string) : file;
}

const files = readdirSync(SOURCE, { recursive: true, encoding: 'utf8' }).filter((name) => /\.tsx?$/.test(name));

test('imports go down only, and what decides is pure', () => {
  const problems = files.flatMap((file) => problemsOf(file, readFileSync(join(SOURCE, file), 'utf8')));
  assert.deepEqual(problems, []);
});

test('every part of the source has its row among the rules', () => {
  assert.deepEqual(
    [...new Set(files.map(partOf))].filter((part) => MAY[part] === undefined),
    [],
  );
});

test('the table of pure files names files that are there', () => {
  assert.deepEqual(
    PURE.filter((one) => !files.some((file) => (one.endsWith('/') ? file.startsWith(one) : file === one))),
    [],
  );
});

/** Made-up files, each with its one mistake. */
const WRONG: [string, string, string][] = [
  [
    'wire/x.ts',
    `import { a } from '../model/a.ts';`,
    'wire/x.ts:1: wire must not import model/a.ts (docs/architecture.md)',
  ],
  [
    'model/x.ts',
    `import { a } from '../wire/dhcp-packet.ts';`,
    'model/x.ts:1: model must not import wire/dhcp-packet.ts (docs/architecture.md)',
  ],
  [
    'store/x.ts',
    `\nimport type { A } from '../boot/a.ts';`,
    'store/x.ts:2: store must not import boot/a.ts (docs/architecture.md)',
  ],
  ['boot/x.ts', `} from '../dhcp/a.ts';`, 'boot/x.ts:1: boot must not import dhcp/a.ts (docs/architecture.md)'],
  ['bmc/x.ts', `} from '../workflow/a.ts';`, 'bmc/x.ts:1: bmc must not import workflow/a.ts (docs/architecture.md)'],
  ['dhcp/x.ts', `} from '../workflow/a.ts';`, 'dhcp/x.ts:1: dhcp must not import workflow/a.ts (docs/architecture.md)'],
  [
    'workflow/actions/x.ts',
    `} from '../../api/a.ts';`,
    'workflow/actions/x.ts:1: workflow must not import api/a.ts (docs/architecture.md)',
  ],
  ['cli/x.ts', `} from '../store/a.ts';`, 'cli/x.ts:1: cli must not import store/a.ts (docs/architecture.md)'],
  [
    'cli/x.ts',
    `const m = await import('../main.ts');`,
    'cli/x.ts:1: cli must not import main.ts (docs/architecture.md)',
  ],
  ['api/x.ts', `} from '../main.ts';`, 'api/x.ts:1: api must not import main.ts (docs/architecture.md)'],
  ['lab/x.ts', `} from '../cli/client.ts';`, 'lab/x.ts:1: lab must not import cli/client.ts (docs/architecture.md)'],
  [
    'boot/decide.ts',
    `import { readFileSync } from 'node:fs';`,
    'boot/decide.ts:1: a pure file runs what is not pure: node:fs',
  ],
  [
    'dhcp/lease.ts',
    `import { wait } from 'node:timers/promises';`,
    'dhcp/lease.ts:1: a pure file runs what is not pure: node:timers/promises',
  ],
  [
    'workflow/plan.ts',
    `  const now = Date.now();`,
    'workflow/plan.ts:1: a pure file reads a clock: const now = Date.now();',
  ],
  ['model/x.ts', `  return Math.random();`, 'model/x.ts:1: a pure file asks chance: return Math.random();'],
  [
    'boot/script.ts',
    `import {\n  a,\n  type B,\n} from './open.ts';`,
    'boot/script.ts:4: a pure file runs what is not pure: boot/open.ts',
  ],
  [
    'bmc/order.ts',
    `export { a } from '../store/a.ts';`,
    'bmc/order.ts:1: a pure file runs what is not pure: store/a.ts',
  ],
  ['model/x.ts', `import 'fastify';`, 'model/x.ts:1: a pure file runs what is not pure: fastify'],
  ['web/x.tsx', `} from '../api/a.ts';`, 'web/x.tsx:1: web must not import api/a.ts (docs/architecture.md)'],
  ['boot/render.ts', `  console.log(1);`, 'boot/render.ts:1: a pure file speaks to the outside: console.log(1);'],
];
for (const [file, text, problem] of WRONG)
  test(`${file} with ${text.trim()} is found`, () => assert.deepEqual(problemsOf(file, text), [problem]));

test('what is right passes: down, sideways where it is allowed, and within a folder', () => {
  for (const [file, text] of [
    ['dhcp/x.ts', `} from '../boot/a.ts';`],
    ['workflow/x.ts', `} from '../bmc/a.ts';`],
    ['lab/enroll.ts', `} from '../cli/client.ts';`],
    ['boot/open.ts', `import { readFileSync } from 'node:fs';`],
    ['workflow/actions/x.ts', `} from '../runner.ts';`],
    ['boot/decide.ts', ` * Date.now() is not for us.`],
    ['boot/decide.ts', `import type { A } from '../store/a.ts';\nimport { b } from './paths.ts';`],
    ['wire/rakp.ts', `import { createHmac } from 'node:crypto';`],
  ] as const)
    assert.deepEqual(problemsOf(file, text), []);
});
