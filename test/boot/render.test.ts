import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import fc from 'fast-check';
import { parse } from 'yaml';
import { compileTemplates, type TemplateAsset, type TemplateData, TemplateError } from '../../src/boot/render.ts';

const DATA = {
  machine: { name: 'vm-01', hostname: 'vm-01', domain: '', mac: '52:54:00:aa:bb:01', uuid: '', serial: '' },
  net: { address: '10.77.0.100', netmask: '', prefix: 24, gateway: '', dns: ['10.77.0.2', '10.77.0.3'] },
  appliance: { url: 'http://10.77.0.1', address: '10.77.0.1', mirrorHost: '', mirrorPath: '', securityMirrorPath: '' },
  run: { url: '', firstBootUrl: '' },
  bootenv: { name: 'debian-12', description: '' },
  params: {
    text: 'a text',
    empty: '',
    yes: true,
    no: false,
    number: 7,
    nothing: null,
    list: ['one', 'two'],
    none: [],
    object: { inner: 'x' },
    objects: [{ name: 'a' }, { name: 'b' }],
    holes: [{ name: 'a' }, {}],
    nulls: ['a', null],
  },
};

function render(template: string, partials: Record<string, string> = {}, data: TemplateData = DATA): string {
  const sources = Object.entries(partials).map(([name, text]): [string, string] => [`partials/${name}.hbs`, text]);
  return compileTemplates(new Map([['t.hbs', template], ...sources])).render('t.hbs', data, ASSETS);
}

const ASSETS = new Map<string, TemplateAsset>([['disk.img.zst', { url: 'http://x/disk', size: 12, sha256: 'ab' }]]);

function rendered(helper: string, value: unknown): string {
  return render(`{{${helper} params.value}}`, {}, { ...DATA, params: { value } });
}

test('writes texts, numbers and booleans as they are, without any escape', () => {
  assert.equal(render('{{machine.name}} {{net.prefix}} {{params.no}} {{params.text}}'), 'vm-01 24 false a text');
  assert.equal(render('<{{params.v}}>', {}, { ...DATA, params: { v: '<&"\'`={{x}}>' } }), '<<&"\'`={{x}}>>');
});

test('knows conditions, lists, their items and partials', () => {
  assert.equal(render('{{#if params.yes}}a{{else}}b{{/if}}{{#if params.empty}}a{{else}}b{{/if}}'), 'ab');
  assert.equal(render('{{#if params.no}}a{{else if params.yes}}b{{/if}}{{#unless params.no}}c{{/unless}}'), 'bc');
  assert.equal(render('{{#if params.none}}a{{else}}b{{/if}}{{#if params.list}}c{{/if}}'), 'bc');
  assert.equal(render('{{#each params.list}}{{@index}}{{this}} {{/each}}'), '0one 1two ');
  assert.equal(render('{{#each params.none}}x{{else}}empty{{/each}}'), 'empty');
  assert.equal(render('{{#each params.objects}}{{name}}{{this.name}}{{/each}}'), 'aabb');
  assert.equal(render('{{#each params.list}}{{../machine.name}} {{/each}}'), 'vm-01 vm-01 ');
  assert.equal(render('{{#with params.object}}{{inner}}{{/with}}'), 'x');
  assert.equal(render('{{> greet}}', { greet: 'hello {{machine.name}}' }), 'hello vm-01');
  assert.equal(render("{{#if (eq params.text 'a text')}}same{{/if}}{{#if (eq params.number 8)}}x{{/if}}"), 'same');
  assert.equal(render("{{join params.list ', '}}"), 'one, two');
  assert.equal(
    render("{{assetUrl 'disk.img.zst'}} {{assetSize 'disk.img.zst'}} {{assetSha256 'disk.img.zst'}}"),
    'http://x/disk 12 ab',
  );
});

/** A template whose second line is wrong when it is rendered, and what the error says behind `t.hbs:2: `. */
const RENDER_ERRORS: [string, string][] = [
  ['{{params.missing}}', 'params.missing is not there'],
  ['{{params.nothing}}', 'params.nothing is null'],
  ['{{params.object}}', 'params.object is an object, not a text'],
  ['{{params.list}}', 'params.list is a list, not a text'],
  ['{{machine}}', 'machine is an object, not a text'],
  ['{{params.object.deeper}}', 'params.object.deeper is not there'],
  ['{{params.missing.deeper}}', 'params.missing.deeper is not there'],
  ['{{#if params.missing}}x{{/if}}', 'params.missing is not there'],
  ['{{#if params.nothing}}x{{/if}}', 'params.nothing is null'],
  ['{{#if params.object}}x{{/if}}', 'params.object is an object, not a condition'],
  ['{{#if params.no}}{{else if params.missing}}x{{/if}}', 'params.missing is not there'],
  ['{{#unless params.missing}}x{{/unless}}', 'params.missing is not there'],
  ['{{#each params.missing}}x{{/each}}', 'params.missing is not there'],
  ['{{#each params.nothing}}x{{/each}}', 'params.nothing is null'],
  ['{{#each params.text}}x{{/each}}', 'params.text is no list'],
  ['{{#each params.object}}x{{/each}}', 'params.object is no list'],
  ['{{#with params.missing}}x{{/with}}', 'params.missing is not there'],
  ['{{#each params.holes}}{{this.name}}{{/each}}', 'this.name is not there'],
  ['{{#each params.holes}}{{name}}{{/each}}', 'name is not there'],
  ['{{#each params.nulls}}{{this}}{{/each}}', 'this is null'],
  ['{{#each params.list}}{{../params.missing}}{{/each}}', '../params.missing is not there'],
  ['{{#each params.list}}{{@root.params.missing}}{{/each}}', '@root.params.missing is not there'],
  ['{{sh params.missing}}', 'params.missing is not there'],
  ['{{sh params.nothing}}', 'params.nothing is null'],
  ['{{sh params.object}}', 'sh: object is not a text'],
  ['{{sh params.list}}', 'sh: a list is not a text'],
  ['{{#each params.nulls}}{{sh this}}{{/each}}', 'this is null'],
  ['{{yaml params.missing}}', 'params.missing is not there'],
  ['{{json params.missing}}', 'params.missing is not there'],
  ['{{join params.text " "}}', 'join: join needs a list'],
  ['{{join params.objects " "}}', 'join: object is not a text'],
  ['{{#if (eq params.missing 1)}}x{{/if}}', 'params.missing is not there'],
  ['{{sh (join params.missing " ")}}', 'params.missing is not there'],
  ["{{assetUrl 'nosuch'}}", 'assetUrl: the bootenv has no file nosuch'],
  ['{{assetUrl params.missing}}', 'params.missing is not there'],
];
for (const [line, problem] of RENDER_ERRORS)
  test(`${line} is an error that names template, line and path`, () => {
    assert.throws(
      () => render(`first\n${line}\n`),
      (error) => {
        assert.ok(error instanceof TemplateError, String(error));
        assert.deepEqual({ template: error.template, line: error.line }, { template: 't.hbs', line: 2 });
        assert.equal(error.message, `t.hbs:2: ${problem}`);
        return true;
      },
    );
    // the same inside a partial names the partial
    assert.throws(() => render('{{> part}}', { part: `first\n${line}\n` }), {
      message: `partials/part.hbs:2: ${problem}`,
    });
  });

/** Templates that are wrong before any machine comes: refused when the content is read. */
const COMPILE_ERRORS: [string, RegExp][] = [
  ['{{nosuch}}', /^t\.hbs:2: there is no nosuch; templates see machine, net, appliance, run, bootenv, params$/],
  ['{{machine.nosuch}}', /^t\.hbs:2: there is no machine\.nosuch; machine has name, hostname/],
  ['{{#if nosuch}}x{{/if}}', /^t\.hbs:2: there is no nosuch/],
  ['{{#each net.nosuch}}x{{/each}}', /^t\.hbs:2: there is no net\.nosuch/],
  ['{{sh nosuch}}', /^t\.hbs:2: there is no nosuch/],
  ['{{nosuch params.text}}', /^t\.hbs:2: there is no helper nosuch$/],
  ['{{#nosuch params.text}}x{{/nosuch}}', /^t\.hbs:2: there is no block \{\{#nosuch\}\}$/],
  ['{{#if (nosuch 1)}}x{{/if}}', /^t\.hbs:2: there is no helper nosuch$/],
  ['{{lookup params "text"}}', /^t\.hbs:2: there is no helper lookup$/],
  ['{{log params.text}}', /^t\.hbs:2: there is no helper log$/],
  ['{{> nosuch}}', /^t\.hbs:2: there is no partial nosuch in templates\/partials$/],
  ['{{> (join params.list "")}}', /^t\.hbs:2: there is no partial/],
  ['{{#> layout}}x{{/layout}}', /^t\.hbs:2: .* is not allowed$/],
  ['{{#*inline "x"}}x{{/inline}}', /^t\.hbs:2: .* is not allowed$/],
  ['{{this.name}}', /^t\.hbs:2: this\.name stands outside of #each and #with$/],
  ['{{../machine.name}}', /^t\.hbs:2: \.\.\/machine\.name stands outside of #each and #with$/],
  ['{{#if params.text}}x', /^t\.hbs:\d: cannot be parsed/],
  ['{{#if params.text}}x{{/each}}', /^t\.hbs:\d: cannot be parsed/],
  ['{{params.text', /^t\.hbs:\d: cannot be parsed/],
];
for (const [line, message] of COMPILE_ERRORS)
  test(`${line} is refused before any machine comes`, () => {
    assert.throws(() => compileTemplates(new Map([['t.hbs', `first\n${line}\n`]])), { name: 'TemplateError', message });
  });

test('no template reaches what is not data', () => {
  for (const path of ['constructor', '__proto__', 'toString', 'constructor.constructor'])
    assert.throws(() => render(`{{params.${path}}}`), TemplateError, path);
  assert.throws(() => render('{{params.list.constructor}}'), TemplateError);
});

test('a value is never taken for a template', () => {
  assert.equal(rendered('sh', '{{machine.name}}'), "'{{machine.name}}'");
});

test('the params of a template are those that it and its partials read', () => {
  const templates = compileTemplates(
    new Map([
      ['t.hbs', '{{#if params.a}}{{sh params.b}}{{/if}}{{> p}}{{#each params.c}}{{../params.d}}{{/each}}'],
      ['partials/p.hbs', '{{params.e}}{{> q}}'],
      ['partials/q.hbs', '{{#if (eq params.f "")}}{{/if}}'],
    ]),
  );
  assert.deepEqual([...templates.paramsOf('t.hbs')].sort(), ['a', 'b', 'c', 'd', 'e', 'f']);
});

test('whether a template or one of its partials reads the URL of the first boot is known without rendering it', () => {
  const templates = compileTemplates(
    new Map([
      ['plain.hbs', '{{run.url}}{{machine.name}}'],
      ['itself.hbs', '{{sh run.firstBootUrl}}'],
      ['by-its-partial.hbs', '{{> p}}'],
      ['all-of-it.hbs', '{{#with run}}{{firstBootUrl}}{{/with}}'],
      ['partials/p.hbs', '{{#if run.firstBootUrl}}x{{/if}}'],
    ]),
  );
  const reading = ['plain.hbs', 'itself.hbs', 'by-its-partial.hbs', 'all-of-it.hbs'].filter(templates.readsFirstBoot);
  assert.deepEqual(reading, ['itself.hbs', 'by-its-partial.hbs', 'all-of-it.hbs']);
});

test('a text that stands in a bootenv is rendered, and its error names the bootenv', () => {
  const templates = compileTemplates(new Map());
  assert.equal(templates.renderText('bootenvs/x.yaml', 'a {{machine.name}}', DATA), 'a vm-01');
  assert.throws(() => templates.renderText('bootenvs/x.yaml', '{{params.missing}}', DATA), {
    message: 'bootenvs/x.yaml:1: params.missing is not there',
  });
});

const HOSTILE = [
  "it's",
  `'; rm -rf / #`,
  // biome-ignore lint/suspicious/noTemplateCurlyInString: it is meant for sh
  '$(id)`id`${HOME}',
  '\\',
  "\\'",
  '"',
  'a\nb',
  'a\r\nb',
  '\t',
  '*?[!~',
  '-n',
  '',
  ' ',
  '!',
  '%s %n',
  '&&||;|<>',
  'ünïcödé ☃',
  "'''",
  'a: b # c',
  '- x',
  '{a: 1}',
  '| x',
  'yes',
  '0x10',
  'null',
  '\u0085\u2028\u2029\ufeff',
  '\x7f\x80\x9f',
  '\x01\x1b[31m',
];

test('sh makes one word of any text, as sh itself reads it', () => {
  const script = HOSTILE.map((value) => `printf '%s\\0' ${rendered('sh', value)}`).join('\n');
  const read = execFileSync('sh', ['-c', script]).toString('utf8').split('\0').slice(0, -1);
  assert.deepEqual(read, HOSTILE);
});

test('sh makes one word of any random text', () => {
  const values = fc.sample(fc.string({ unit: 'binary', maxLength: 20 }), 300).map((text) => text.replaceAll('\0', ''));
  const script = render(
    `{{#each params.values}}printf '%s\\0' {{sh this}}\n{{/each}}`,
    {},
    { ...DATA, params: { values } },
  );
  assert.deepEqual(execFileSync('sh', ['-c', script]).toString('utf8').split('\0').slice(0, -1), values);
});

test('yaml and json give back any value, as their parsers read it, also those of YAML 1.1', () => {
  const values = [...HOSTILE, 'nul\0', true, 7, ['a', 'b: c'], { a: [1, "x'"] }, []];
  for (const value of values) {
    assert.deepEqual(JSON.parse(rendered('json', value)), value);
    const document = `a: ${rendered('yaml', value)}\nb: end\n`;
    for (const version of ['1.1', '1.2'] as const)
      assert.deepEqual(parse(document, { version }), { a: value, b: 'end' }, document);
    // YAML 1.1 folds these as line ends, or refuses them; they have to be escaped
    assert.doesNotMatch(document, /[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ufeff]/, JSON.stringify(value));
  }
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      if (value === null) return;
      assert.deepEqual(JSON.parse(rendered('json', value)), JSON.parse(JSON.stringify(value)));
      assert.deepEqual(parse(`[${rendered('yaml', value)}]`), [JSON.parse(JSON.stringify(value))]);
    }),
  );
});

test('url and b64 give back any text', () => {
  for (const value of HOSTILE) {
    assert.equal(new URL(`http://x/?a=${rendered('url', value)}&b=c`).searchParams.get('a'), value);
    assert.equal(Buffer.from(rendered('b64', value), 'base64').toString('utf8'), value);
    assert.match(rendered('url', value), /^[A-Za-z0-9\-_.!~*'()%]*$/);
  }
});

/** What a language cannot hold is refused, by name. */
const REFUSED: [string, unknown, string][] = [
  ['preseed', 'a\nb', 'a value for a preseed line has a line break'],
  ['preseed', 'a\rb', 'a value for a preseed line has a line break'],
  ['preseed', 'a\0b', 'a value for a preseed line has a line break'],
  ['preseed', 'a\\', 'a value for a preseed line ends with a backslash'],
  ['sh', 'a\0b', 'a word of the shell has a NUL'],
  ['url', '\ud800', 'URI malformed'],
];
for (const [helper, value, problem] of REFUSED)
  test(`${helper} refuses ${JSON.stringify(value)}`, () => {
    assert.throws(() => rendered(helper, value), { message: `t.hbs:1: ${helper}: ${problem}` });
  });

test('preseed leaves an ordinary line alone', () => {
  assert.equal(rendered('preseed', 'ssh-ed25519 AAAA a\\b $x "y"'), 'ssh-ed25519 AAAA a\\b $x "y"');
});
