import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Json, readJson } from '../../../src/dhcp/import/json.ts';

function plain(json: Json | undefined): unknown {
  switch (json?.kind) {
    case 'object':
      return Object.fromEntries([...json.members].map(([name, member]) => [name, plain(member)]));
    case 'array':
      return json.items.map(plain);
    case 'text':
      return json.text;
    case 'number':
      return json.number;
    case 'boolean':
      return json.boolean;
    case 'nothing':
      return null;
    default:
      return undefined;
  }
}

test('every JSON text is read as JSON.parse reads it', () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.constantFrom(undefined, 1, '\t'), (value, indent) => {
      const text = JSON.stringify(value, null, indent);
      assert.deepEqual(plain(readJson(text).value), JSON.parse(text));
    }),
    { numRuns: 300 },
  );
});

test('values know their lines, over comments of all three kinds', () => {
  const { value, problems } = readJson('# one\n{ // two\n/* three\nfour */ "a": 1,\n"b": [ true,\n null, ], }');
  assert.deepEqual(problems, []);
  assert.ok(value?.kind === 'object');
  assert.deepEqual([value.line, value.members.get('a')?.line, value.members.get('b')?.line], [2, 4, 5]);
  assert.deepEqual(plain(value), { a: 1, b: [true, null] });
});

test('escapes are those of JSON', () => {
  assert.equal(plain(readJson(String.raw`"\"\\\/\b\f\n\r\tA\u00e9"`).value), '"\\/\b\f\n\r\tA\u00e9');
});

test('a mistake is named with its line and ends the reading', () => {
  for (const [text, problem] of [
    ['', '1: the file ends where a value should be'],
    ['{\n"a" 1 }', '2: "1 }" stands where a colon should be'],
    ['{ "a": 1\n"b": 2 }', '2: ""b": 2 }" stands where a comma or } should be'],
    ['[ 1 2 ]', '1: "2 ]" stands where a comma or ] should be'],
    ['{ a: 1 }', '1: "a: 1 }" stands where a name in quotes or } should be'],
    ['"a\nb"', '1: "" stands where a closing quote should be'],
    ['"a', '1: the file ends where a closing quote should be'],
    ['"\\x"', '1: "x"" stands where an escape of JSON should be'],
    ['1\n2', '2: "2" stands where the end of the file should be'],
    ['[,]', '1: ",]" stands where a value should be'],
    ['/* never\n', '2: the file ends where a value should be'],
  ] as const) {
    const { value, problems } = readJson(text);
    assert.equal(value, undefined, text);
    assert.deepEqual(
      problems.map(({ line, text }) => `${line}: ${text}`),
      [`${problem}: nothing of the file is read`],
      text,
    );
  }
});

test('a name that stands twice is named, and the last one counts', () => {
  const { value, problems } = readJson('{ "a": 1,\n"a": 2 }');
  assert.deepEqual(plain(value), { a: 2 });
  assert.deepEqual(problems, [{ line: 2, severity: 'error', text: '"a" stands twice: the first one is not taken' }]);
});

test('a hundred thousand brackets are a problem and no end of the stack', () => {
  const { problems } = readJson('['.repeat(100_000));
  assert.match(problems[0]?.text ?? '', /no more than 100 values inside of each other/);
});
