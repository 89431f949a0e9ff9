import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { chooseLoader } from '../../src/boot/loaders.ts';
import { wantedLoaders } from '../../src/dhcp/boot.ts';
import { ARCHITECTURES, type ClientHints, classifyFirmware } from '../../src/model/firmware.ts';
import { type ParticularQuirk, QUIRKS, quirkOf } from '../../src/model/quirks.ts';

const TESTS = join(import.meta.dirname, '..');

/** The ids at the beginning of the titles of all cases and tests; a title may come from a row of a table. */
const named = new Set(
  readdirSync(TESTS, { recursive: true, encoding: 'utf8' }).flatMap((file) => {
    const isCases = file.startsWith('cases/') && file.endsWith('.txt');
    if (!isCases && !file.endsWith('.test.ts')) return [];
    const titles = readFileSync(join(TESTS, file), 'utf8').matchAll(
      isCases ? /^=== ((?:Q\d+ )+)/gm : /['"`]((?:Q\d+ )+|Q\d+(?=['"`]))/g,
    );
    return [...titles].flatMap(([, ids = '']) => ids.trim().split(' '));
  }),
);

test('the table has the rows of boot-protocols 2.6, each once and in their order', () => {
  assert.deepEqual(
    QUIRKS.map(({ id }) => id),
    Array.from({ length: 34 }, (_, index) => `Q${index + 1}`),
  );
});

for (const quirk of QUIRKS)
  test(`${quirk.id}: client, behaviour, source and answer are told, and a case or test shows it`, () => {
    const { id, client, behaviour, source, answer } = quirk;
    for (const text of [client, behaviour, source, answer]) assert.match(text, /^\S.*[^\s.;]$/);
    assert.ok(named.has(id), `no title of a case or test begins with ${id}`);
  });

test('no case or test is for a quirk that is not in the table', () => {
  const known = QUIRKS.map((quirk): string => quirk.id);
  assert.deepEqual(
    [...named].filter((id) => !known.includes(id)),
    [],
  );
});

const PARTICULAR = QUIRKS.filter((quirk) => quirk.match !== undefined);
const PXE = 'PXEClient:Arch:00000:UNDI:002001';

/** One client for each of the things that a row may be matched by. */
function clientsOf({ match }: ParticularQuirk): ClientHints[] {
  const { ouis = ['52:54:00'], vendorClasses = [PXE], architectures = [undefined] } = match;
  return ouis.flatMap((oui) =>
    vendorClasses.flatMap((vendorClass) =>
      architectures.map((code) => ({
        mac: `${oui}:00:00:01`,
        vendorClass: `${vendorClass}/and-more`,
        architectures: code === undefined ? undefined : [code],
      })),
    ),
  );
}

for (const quirk of PARTICULAR)
  test(`${quirk.id} is reached by all whom it is for, before any other row, and does what it says`, () => {
    const { match, effect } = quirk;
    assert.ok(Object.keys(match).length > 0 && Object.keys(effect).length > 0, 'it is for somebody, and for something');
    for (const oui of match.ouis ?? []) assert.match(oui, /^[0-9a-f]{2}(:[0-9a-f]{2}){2}$/);
    const clients = clientsOf(quirk);
    assert.ok(clients.length > 0);
    for (const client of clients) {
      const firmware = classifyFirmware(client);
      assert.equal(firmware.quirk, quirk, JSON.stringify(client));
      if (effect.name !== undefined) assert.equal(firmware.name, effect.name);
      if (effect.architecture !== undefined) assert.equal(firmware.name, ARCHITECTURES[effect.architecture]?.name);
      if (effect.loader !== undefined) {
        assert.equal(chooseLoader(firmware, wantedLoaders(firmware, undefined, undefined))?.file, effect.loader);
        assert.notEqual(chooseLoader(firmware)?.file, effect.loader, 'it would get that without the row');
      }
    }
  });

test('who differs in one thing from whom a row is for is not meant by it', () => {
  for (const { id, match } of PARTICULAR) {
    const client = {
      mac: `${match.ouis?.[0] ?? '52:54:00'}:00:00:01`,
      vendorClass: match.vendorClasses?.[0] ?? PXE,
      architecture: match.architectures?.[0],
    };
    const others = [
      match.ouis && { ...client, mac: '52:54:00:00:00:01' },
      match.ouis && { ...client, mac: undefined },
      match.vendorClasses && { ...client, vendorClass: PXE },
      match.vendorClasses && { ...client, vendorClass: undefined },
      match.architectures && { ...client, architecture: 7 },
      match.architectures && { ...client, architecture: undefined },
    ].filter((other) => other !== undefined);
    assert.equal(quirkOf(client)?.id, id);
    for (const other of others) assert.equal(quirkOf(other), undefined, `${id} ${JSON.stringify(other)}`);
  }
});
