import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LOADERS } from '../../src/boot/loaders.ts';
import { checkParam } from '../../src/model/params.ts';
import { loadContent } from '../../src/store/content.ts';
import { REPOSITORY } from '../harness.ts';

test('the param loader takes each loader that there is, and nothing else', () => {
  const declaration = loadContent(REPOSITORY).params.loader ?? assert.fail('it is declared');
  for (const { file } of LOADERS) assert.equal(checkParam(declaration, file), undefined);
  for (const file of ['local-boot.efi', 'undionly-kpxe', 'ipxe.pxe ', 'IPXE.PXE', 'xipxe.efi', 1])
    assert.match(checkParam(declaration, file) ?? 'taken', /^("|1 )/, String(file));
});
