import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { screenText } from '../../src/boot/context.ts';
import type { BootDecision } from '../../src/boot/decide.ts';
import { renderRefusal, renderScript } from '../../src/boot/script.ts';
import { AppError } from '../../src/model/errors.ts';
import type { BootView } from '../../src/model/view.ts';
import { bootView } from '../../src/store/views.ts';
import { ARRIVAL, type Harness, MAC, withHarness } from '../harness.ts';

/** The script for a bootenv, or for the disk, with these reasons on the screen. */
function scriptOf(
  harness: Harness,
  bootenv: string,
  more: { reason?: string; description?: string; view?: Partial<BootView> } = {},
): string {
  const { shelf, files } = harness;
  const offered = (name: string) => shelf.library.offered(name)?.bootenv;
  const view = {
    ...bootView(harness, { mac: MAC }),
    ...more.view,
  };
  const because = [{ rule: 'test', text: more.reason ?? 'because' }];
  const chosen = offered(bootenv);
  const kernelOf = chosen?.boots ? offered(chosen.boots) : chosen;
  const boot: BootDecision =
    chosen && kernelOf && bootenv !== 'local'
      ? {
          kind: 'bootenv',
          bootenv: { ...chosen, description: more.description ?? chosen.description },
          kernelOf,
          because,
        }
      : { kind: 'local', because };
  return renderScript(shelf.library, files.contextOf(MAC, ARRIVAL, view), boot, view, 'TOKEN');
}

/** What iPXE would do by each line: its first word, for those that are commands. */
function commands(script: string): string[] {
  return script
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#') && !line.startsWith(':'))
    .map((line) => line.split(' ')[0] as string);
}

test('the scout boots with its kernel, its initrd and the URL of its run', () =>
  withHarness({}, (harness) => {
    harness.addMachine('vm-01');
    const script = scriptOf(harness, 'scout');
    const base = 'http://10.77.0.1/b/52-54-00-aa-bb-01/a/scout';
    assert.match(script, /^#!ipxe\n/);
    assert.ok(script.includes(`kernel --timeout 60000 ${base}/vmlinuz initrd=initrd.img console=tty0 `), script);
    assert.ok(script.includes('firstlight.run=http://10.77.0.1/run/TOKEN '), script);
    assert.ok(script.includes(`initrd --timeout 120000 --name initrd.img ${base}/initrd.img || goto wait\n`), script);
    assert.ok(script.includes('echo Firstlight: vm-01 (52:54:00:aa:bb:01)\n'), script);
    assert.ok(script.includes('echo Why: because\n'), script);
  }));

test('an image boots by the kernel of the scout', () =>
  withHarness({}, (harness) => {
    const script = scriptOf(harness, 'debian-12-image');
    assert.ok(script.includes('/a/scout/vmlinuz '), script);
    assert.ok(script.includes('Next: Debian 12 (bookworm), a ready disk image'), script);
  }));

test('an installer gets the params of its job before those of its machine, in its arguments', () =>
  withHarness({}, (harness) => {
    const machine = harness.addMachine('vm-01');
    harness.machines.setParams(machine.id, { kernelArguments: 'of-machine', kernelConsole: 'console=ttyS1' });
    harness.install(harness.machines.named('vm-01'), 'debian-12', { params: { kernelArguments: 'of-job' } });
    const script = scriptOf(harness, 'debian-12');
    assert.ok(script.includes('url=http://10.77.0.1/run/TOKEN/file/preseed.cfg'), script);
    assert.ok(script.includes('console=ttyS1 --- of-job || goto wait\n'), script);
  }));

test('a param that is wrong by now is an error that names it', () =>
  withHarness({}, (harness) => {
    const machine = harness.addMachine('vm-01');
    harness.machines.setParams(machine.id, { kernelArguments: 'a\nb' });
    assert.throws(
      () => scriptOf(harness, 'debian-12'),
      (error) =>
        error instanceof AppError && /param kernelArguments from machine vm-01: .* line break/.test(error.message),
    );
  }));

test('Q31 the disk is booted by sanboot on BIOS and by leaving on UEFI', () =>
  withHarness({}, (harness) => {
    const script = scriptOf(harness, 'local');
    // biome-ignore lint/suspicious/noTemplateCurlyInString: iPXE's own variable
    assert.ok(script.includes('iseq ${platform} pcbios && goto bios || goto efi\n'), script);
    assert.deepEqual(commands(script).slice(-4), ['iseq', 'sanboot', 'exit', 'exit']);
  }));

test('whatever stands in names, descriptions and reasons, it adds no command to a script', () =>
  withHarness({}, (harness) => {
    harness.addMachine('vm-01');
    const shapes = new Map(['scout', 'local'].map((name) => [name, commands(scriptOf(harness, name))]));
    const refused = (text: string): string =>
      renderRefusal(
        harness.shelf.library,
        harness.files.contextOf(MAC, ARRIVAL, { ...VIEW, machine: undefined }),
        { kind: 'local', because: [{ rule: 'test', text }] },
        text,
      );
    const shapeOfRefusal = commands(refused('x'));
    const hostile = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc
        .array(
          fc.constantFrom(
            '\n',
            '\r',
            '||',
            '&&',
            ';',
            '$',
            '{',
            '}',
            'shell',
            'reboot',
            '#',
            '\\',
            '"',
            "'",
            ' ',
            ':x',
            '\0',
          ),
        )
        .map((parts) => parts.join('')),
    );
    fc.assert(
      fc.property(hostile, (text) => {
        for (const [name, shape] of shapes) {
          const script = scriptOf(harness, name, { reason: text, description: text });
          assert.deepEqual(commands(script), shape, script);
          for (const line of script
            .split('\n')
            .filter((one) => one.startsWith('echo Why') || one.startsWith('echo Next')))
            assert.doesNotMatch(line.replace("the machine's own disk", ''), /\|\||&&|\$\{|[;"'\\#]|[^\x20-\x7e]/, line);
        }
        assert.deepEqual(commands(refused(text)), shapeOfRefusal);
      }),
      { numRuns: 50 },
    );
  }));

const VIEW: BootView = { mac: MAC, boot: 1, unknownBoots: 'scout', bootenv: () => undefined };

test('a screen line is at most 160 signs of ASCII', () => {
  assert.equal(screenText('Größe ☃ ok'), 'Gr e   ok');
  assert.equal(screenText('x'.repeat(500)).length, 160);
});

test('a refusal says on the screen why, and asks again for the same script', () =>
  withHarness({}, (harness) => {
    const parts = harness.files.contextOf(MAC, ARRIVAL, VIEW);
    const script = renderRefusal(harness.shelf.library, parts, { kind: 'local', because: [] }, 'it cannot be');
    assert.ok(script.includes('Cannot go on: it cannot be'), script);
    assert.ok(script.endsWith('chain --replace --autofree http://10.77.0.1/b/52-54-00-aa-bb-01/boot.ipxe\n'), script);
  }));
