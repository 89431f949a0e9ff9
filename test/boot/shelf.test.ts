import assert from 'node:assert/strict';
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, unlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { openShelf, type Shelf } from '../../src/boot/shelf.ts';
import { openAssets } from '../../src/store/assets.ts';
import { REPOSITORY } from '../harness.ts';

type Bench = { content: string; shelf: Shelf; told: string[]; look: (until: () => boolean) => Promise<void> };

/** A shelf with a copy of the repository's content, after `prepare` has changed it; `look` lets it look at the disk. */
async function openBench(t: TestContext, prepare: (content: string) => void = () => undefined): Promise<Bench> {
  const content = mkdtempSync(join(tmpdir(), 'firstlight-shelf-'));
  for (const folder of ['bootenvs', 'templates', 'workflows'])
    cpSync(join(REPOSITORY, folder), join(content, folder), { recursive: true });
  prepare(content);
  t.mock.timers.enable({ apis: ['setInterval'] });
  const told: string[] = [];
  const shelf = await openShelf({ content, assets: join(content, 'assets'), tell: (problem) => told.push(problem) });
  t.after(() => {
    shelf.close();
    rmSync(content, { recursive: true });
  });
  const look = async (until: () => boolean): Promise<void> => {
    for (let turn = 0; turn < 2000 && !until(); turn++) {
      if (turn % 100 === 0) t.mock.timers.tick(3000);
      await nextTurn();
    }
    assert.ok(until(), `it looked again and again: ${shelf.problems()}`);
  };
  return { content, shelf, told, look };
}

test('a file that changes is read again, and one that is wrong leaves the library as it is', async (t) => {
  const { content, shelf, told, look } = await openBench(t);
  const before = shelf.library();
  writeFileSync(join(content, 'templates/tasks/new.sh.hbs'), 'echo {{machine.name}}\n');
  await look(() => shelf.library().templates.has('tasks/new.sh.hbs'));
  assert.notEqual(shelf.library(), before);
  const good = shelf.library();
  writeFileSync(join(content, 'templates/tasks/new.sh.hbs'), '{{nosuch}}\n');
  await look(() => shelf.problems().length > 0);
  assert.equal(told.length, 1);
  assert.match(told[0] ?? '', /^templates\/tasks\/new\.sh\.hbs:1: there is no nosuch/);
  assert.equal(shelf.library(), good);
});

test('a file that could not be read is read again although nothing has changed, and told of once', async (t) => {
  // a link to nothing, and later an empty file of 1970: for the shelf, which looks at size and time, they are the same
  const target = (content: string): string => join(content, 'target');
  const { content, shelf, told, look } = await openBench(t, (folder) =>
    symlinkSync(target(folder), join(folder, 'templates/tasks/new.sh.hbs')),
  );
  const unread = /^templates\/tasks\/new\.sh\.hbs: cannot be read: ENOENT/;
  assert.match(shelf.problems()[0] ?? '', unread);
  const first = shelf.library();
  let looks = 0;
  await look(() => looks++ > 500);
  assert.deepEqual([told.length, shelf.library() === first], [1, true]);
  writeFileSync(target(content), '');
  utimesSync(target(content), 0, 0);
  await look(() => shelf.library().templates.has('tasks/new.sh.hbs'));
  assert.deepEqual(shelf.problems(), []);
});

test('an asset that cannot be read says that it may be the next time; one that is damaged or missing does not', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'firstlight-assets-'));
  t.after(() => rmSync(folder, { recursive: true }));
  mkdirSync(join(folder, 'x'));
  const sum = '0'.repeat(64);
  writeFileSync(join(folder, 'x/SHA256SUMS'), `${sum}  broken\n${sum}  damaged\n${sum}  gone\n`);
  symlinkSync('/proc/self/mem', join(folder, 'x/broken')); // a file whose first page is an I/O error
  writeFileSync(join(folder, 'x/damaged'), 'other bytes');
  const assets = openAssets(folder);
  const paths = ['x/broken', 'x/damaged', 'x/gone'];
  await assets.check(paths);
  assert.deepEqual(
    paths.map((path) => 'isUnread' in assets.get(path)),
    [true, false, false],
  );
  unlinkSync(join(folder, 'x/SHA256SUMS'));
  mkdirSync(join(folder, 'x/SHA256SUMS')); // its sums cannot be read
  await assets.check(['x/damaged']);
  assert.ok('isUnread' in assets.get('x/damaged'));
});
