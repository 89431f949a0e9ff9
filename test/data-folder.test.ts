import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { takeDataFolder } from '../src/data-folder.ts';

test('a data folder belongs to one appliance until it ends, and only its owner may read it', () => {
  const place = mkdtempSync(join(tmpdir(), 'firstlight-lock-'));
  try {
    const data = join(place, 'a/data');
    const taken = takeDataFolder(data);
    assert.equal(statSync(data).mode & 0o777, 0o700);
    assert.throws(() => takeDataFolder(data), {
      name: 'StartError',
      message: `another Firstlight (process ${process.pid}) uses ${data} already: stop it first, or name another folder with --data`,
    });
    assert.equal(readFileSync(join(data, 'lock'), 'utf8'), `${process.pid}\n`, 'who was refused has changed nothing');
    taken.close();
    takeDataFolder(data).close();
  } finally {
    rmSync(place, { recursive: true });
  }
});
