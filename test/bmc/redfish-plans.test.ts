import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { judgeBootOrder } from '../../src/bmc/boot-order.ts';
import { type Answer, describeRefusal, meaningOf, messagesOf } from '../../src/bmc/redfish/answer.ts';
import { planBoot } from '../../src/bmc/redfish/boot-plan.ts';
import { cleanText, decodeResource, isResource, pathOf, textAt } from '../../src/bmc/redfish/json.ts';
import { chooseLogService } from '../../src/bmc/redfish/log.ts';
import { chooseSystem, isSameUuid } from '../../src/bmc/redfish/match.ts';
import { isImageIn } from '../../src/bmc/redfish/media-plan.ts';
import { planPower } from '../../src/bmc/redfish/power.ts';
import { chooseQuirks, rulesOf } from '../../src/bmc/redfish/quirks.ts';
import { chooseRedirect } from '../../src/bmc/redfish/redirect.ts';
import { decideRetry, type FailedTry, REDFISH_PATIENCE } from '../../src/bmc/redfish/retry.ts';
import { sensorOf } from '../../src/bmc/redfish/sensors.ts';
import { settingsOfMachine } from '../../src/bmc/redfish/settings.ts';
import { WireError } from '../../src/wire/bytes.ts';

const answerOf = (status: number, resource: Answer['resource'] = {}, headers: Answer['headers'] = {}): Answer => ({
  status,
  headers,
  resource,
});
const refusalOf = (status: number, MessageId: string, Message = '') =>
  answerOf(status, { error: { '@Message.ExtendedInfo': [{ MessageId, Message }] } });

test('a body is an object or a WireError, whatever its bytes are', () => {
  const total = (bytes: Buffer) => {
    try {
      assert.ok(isResource(decodeResource(bytes)));
    } catch (error) {
      assert.ok(error instanceof WireError, String(error));
    }
  };
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => total(Buffer.from(bytes))));
  fc.assert(
    fc.property(fc.json(), fc.nat(), (text, cut) => total(Buffer.from(text.slice(0, cut % (text.length + 1))))),
  );
  assert.deepEqual(decodeResource(Buffer.from(' ')), {});
  assert.throws(() => decodeResource(Buffer.from([0x22, 0xff, 0x22])), /not JSON/);
  assert.deepEqual(decodeResource(Buffer.from(`{"a":"${'['.repeat(100)}\\"{"}`)), { a: `${'['.repeat(100)}"{` });
});

test('an answer can be read whatever it holds', () => {
  fc.assert(
    fc.property(
      fc.dictionary(fc.constantFrom('error', '@Message.ExtendedInfo', 'Messages'), fc.jsonValue()),
      (resource) => {
        const answer = answerOf(400, resource as Answer['resource']);
        assert.ok(meaningOf(answer));
        assert.doesNotMatch(describeRefusal(answer, 'GET /x', ['s3cret']), /s3cret|\n/);
        assert.ok(messagesOf(answer).length <= 17);
      },
    ),
  );
});

test('text of a BMC is one bounded line', () => {
  assert.equal(cleanText('  a\r\n\u001b[2Jb\u202e  '), 'a [2Jb');
  assert.equal(cleanText('x'.repeat(2000)).length, 512);
  assert.equal(textAt({ SerialNumber: 42 }, 'SerialNumber'), '42');
  assert.equal(textAt(JSON.parse('{"__proto__":{"a":"x"}}'), 'a'), '');
});

test('a link is a path of the same host', () => {
  assert.equal(pathOf('/redfish/v1/Systems/1#/Boot'), '/redfish/v1/Systems/1');
  for (const bad of ['https://x/y', '//x/y', 'x', '/a b', '/ä', '/a\r\nX: y', `/${'a'.repeat(2000)}`, 7, null])
    assert.equal(pathOf(bad), undefined, String(bad).slice(0, 20));
});

test('the plan of a power command', () => {
  const send = (...args: Parameters<typeof planPower>) => {
    const plan = planPower(...args);
    if (plan.kind === 'refused') return `${plan.as}: ${plan.why}`;
    return plan.kind === 'send' ? plan.types.join(' ') : plan.kind;
  };
  assert.equal(send('on', 'off', undefined), 'On ForceOn', 'no button, which would undo what is refused for being so');
  assert.equal(send('on', 'off', ['ForceOn']), 'ForceOn');
  assert.equal(send('on', 'off', ['PushPowerButton']), 'PushPowerButton');
  assert.equal(send('on', 'on', ['PushPowerButton']), 'nothing');
  assert.equal(send('soft', 'off', ['PushPowerButton']), 'nothing');
  assert.match(
    send('on', undefined, ['PushPowerButton']),
    /^unsupported: has only .* does not say whether the power is on/,
  );
  assert.equal(send('reset', 'on', ['PowerCycle']), 'PowerCycle');
  assert.equal(send('reset', undefined, undefined), 'ForceRestart PowerCycle');
  assert.match(send('reset', 'off', undefined), /^refused: .* power is off/);
  assert.equal(send('cycle', 'off', ['On', 'PowerCycle']), 'On');
  assert.equal(send('cycle', 'on', ['On', 'ForceOff', 'ForceRestart']), 'cycle');
  assert.match(send('cycle', 'off', ['ForceOff']), /and not On or ForceOn or PushPowerButton$/);
  assert.match(
    send('off', 'on', ['On', 'GracefulShutdown']),
    /^unsupported: .* it takes On, GracefulShutdown, and not ForceOff/,
  );
});

test('the plan of a boot setting', () => {
  const boot = {
    BootSourceOverrideEnabled: 'Disabled',
    BootSourceOverrideMode: 'UEFI',
    'BootSourceOverrideTarget@Redfish.AllowableValues': ['Pxe', 'Hdd'],
  };
  const rules = rulesOf([]);
  const plan = planBoot(boot, { device: 'network', firmware: 'uefi', isPersistent: true }, rules);
  assert.ok('patches' in plan);
  assert.deepEqual(
    plan.patches.map((patch) => [patch.boot, patch.quirks]),
    [[{ BootSourceOverrideTarget: 'Pxe', BootSourceOverrideEnabled: 'Continuous' }, []]],
  );
  const onceOnly = { ...boot, 'BootSourceOverrideEnabled@Redfish.AllowableValues': ['Disabled', 'Once'] };
  assert.deepEqual(planBoot(onceOnly, { device: 'network', firmware: 'uefi', isPersistent: true }, rules), {
    refused: 'sets a boot device for the next boot only',
  });
  const refused = planBoot(boot, { device: 'cd', isPersistent: false }, rules);
  assert.deepEqual(refused, { refused: 'cannot boot from cd: it takes Pxe, Hdd, and not Cd or UsbCd' });
});

test('what takes a boot override away, also from those who want all of it', () => {
  const boot = { BootSourceOverrideEnabled: 'Once', BootSourceOverrideTarget: 'Cd', BootSourceOverrideMode: 'UEFI' };
  const off = { BootSourceOverrideEnabled: 'Disabled' };
  for (const [forced, wanted] of [
    [[], off],
    [['R4b'], { ...off, BootSourceOverrideTarget: 'None', BootSourceOverrideMode: 'UEFI' }],
  ] as const) {
    const facts = { vendor: '', product: '', managerModel: '', managerFirmware: '', manufacturer: '', model: '' };
    const plan = planBoot(boot, { device: 'none', isPersistent: false }, rulesOf(chooseQuirks(facts, forced)));
    assert.deepEqual('patches' in plan && plan.patches.map((patch) => patch.boot), [wanted]);
  }
});

test('compares the boot order of the firmware with what is meant', () => {
  const option = (reference: string, device: 'network' | 'disk' | 'other', mac = '', isEnabled = true) => ({
    reference,
    name: `entry ${reference}`,
    device,
    path: '',
    mac,
    isEnabled,
  });
  const [one, two] = ['52:54:00:00:00:01', '52:54:00:00:00:02'];
  const options = [
    option('B1', 'network', one),
    option('B2', 'network', two),
    option('B3', 'disk'),
    option('B4', 'other', '', false),
    option('B5', 'network'),
  ];
  const judge = (
    order: string[],
    ...[meant, all = options]: [Parameters<typeof judgeBootOrder>[1], typeof options?]
  ) => {
    const verdict = judgeBootOrder({ order, options: all }, meant);
    return verdict.agrees ? 'agrees' : verdict.because;
  };
  assert.equal(judge(['B1', 'B3'], { device: 'network' }), 'agrees');
  assert.equal(
    judge(['B4', 'B1'], { device: 'network', mac: one.toUpperCase() }),
    'agrees',
    'what is turned off is passed',
  );
  assert.equal(judge(['B5', 'B3'], { device: 'network', mac: one }), 'agrees', 'its card is not told');
  assert.equal(
    judge(['B2', 'B3', 'B1'], { device: 'network', mac: one }),
    `The boot order starts with B2 "entry B2" (network ${two}), and network of ${one} is meant: B1 comes as number 3.`,
  );
  assert.match(judge(['B1'], { device: 'disk' }), /and disk is meant: B3 is not in the order\.$/);
  assert.match(judge(['B1'], { device: 'cd' }), /the firmware has no such entry\.$/);
  assert.match(
    judge(['B9', 'B3'], { device: 'disk' }),
    /starts with B9, which the BMC does not describe, .* number 2\.$/,
  );
  assert.match(judge([], { device: 'disk' }), /The boot order is empty, and disk is meant\.$/);
  const turnedOff = [option('B1', 'network'), option('B3', 'disk', '', false)];
  assert.match(judge(['B1', 'B3'], { device: 'disk' }, turnedOff), /B3 is turned off\.$/);
});

test('a UUID is the same in either byte order, and none is the same as none', () => {
  assert.ok(isSameUuid('00112233-4455-6677-8899-AABBCCDDEEFF', '33221100-5544-7766-8899-aabbccddeeff'));
  assert.ok(isSameUuid('00112233445566778899aabbccddeeff', '{00112233-4455-6677-8899-aabbccddeeff}'));
  assert.ok(!isSameUuid('00112233-4455-6677-8899-aabbccddeeff', '00112233-4455-6677-9988-aabbccddeeff'));
  for (const none of ['', '00000000-0000-0000-0000-000000000000', 'ffffffff-ffff-ffff-ffff-ffffffffffff'])
    assert.ok(!isSameUuid(none, none), none);
});

test('two Systems that both fit are none', () => {
  const systems = [
    { Id: 'a', SerialNumber: 'S1' },
    { Id: 'b', SKU: 'S1' },
  ];
  const choice = chooseSystem(systems, { serial: 'S1' });
  assert.match('refused' in choice ? choice.refused : '', /several have serial S1: a \(UUID none, serial S1\), b/);
});

const UUIDS = ['00112233-4455-6677-8899-aabbccddeeff', '10112233-4455-6677-8899-aabbccddeeff'] as const;

test('one System is the one, unless the settings say another machine', () => {
  const chosen = (system: Record<string, unknown>, wanted: Parameters<typeof chooseSystem>[1]) => {
    const choice = chooseSystem([system], wanted);
    return 'refused' in choice ? choice.refused : 'chosen';
  };
  const named = { Id: 'a', UUID: UUIDS[0], SerialNumber: 'S1' };
  assert.match(
    chosen(named, { uuid: UUIDS[1] }),
    /^is of another machine than the one with UUID 10112233-.+: a \(UUID 0011/,
  );
  assert.match(chosen(named, { serial: 'S2' }), /^is of another machine than the one with serial S2: a /);
  assert.equal(chosen(named, { uuid: UUIDS[1], serial: 's1 ' }), 'chosen', 'one of them fits');
  assert.equal(chosen(named, { uuid: '33221100-5544-7766-8899-aabbccddeeff' }), 'chosen', 'the other byte order');
  assert.equal(chosen(named, { known: { uuid: UUIDS[1], serial: 'S2' } }), 'chosen', 'what a scout saw is no order');
  assert.equal(chosen({ Id: 'a' }, { uuid: UUIDS[1], serial: 'S2' }), 'chosen', 'it does not say who it is');
  assert.equal(chosen({ Id: 'a', UUID: '00000000-0000-0000-0000-000000000000' }, { uuid: UUIDS[1] }), 'chosen');
});

test('among several Systems what is known of the machine decides where nothing is set', () => {
  const systems = [
    { Id: 'a', UUID: UUIDS[0], SerialNumber: 'CHASSIS' },
    { Id: 'b', UUID: UUIDS[1], SerialNumber: 'CHASSIS' },
  ];
  const chosen = (wanted: Parameters<typeof chooseSystem>[1]) => {
    const choice = chooseSystem(systems, wanted);
    return 'refused' in choice ? choice.refused : choice.system.Id;
  };
  assert.equal(chosen({ known: { uuid: UUIDS[1], serial: 'chassis' } }), 'b', 'the serial number is of all nodes');
  assert.equal(chosen({ uuid: UUIDS[0], known: { uuid: UUIDS[1] } }), 'a', 'what is set counts more');
  assert.match(String(chosen({ serial: 'X', known: { uuid: UUIDS[1] } })), /none has serial X/);
  assert.match(String(chosen({ known: { serial: 'CHASSIS' } })), /several have serial CHASSIS/);
  assert.match(String(chosen({ known: {} })), /it is not known which one is meant/);
});

test('what nobody filled in tells no machine from another', () => {
  for (const serial of ['', '0000', 'None', 'N/A', 'Default string', 'To be filled by O.E.M.', '0123456789'])
    assert.deepEqual(settingsOfMachine({ uuid: '00000000-0000-0000-0000-000000000000', serial }), {}, serial);
  assert.deepEqual(settingsOfMachine({ uuid: UUIDS[0], serial: 'S1' }), { machineUuid: UUIDS[0], machineSerial: 'S1' });
});

test('what a refusal means', () => {
  for (const [answer, kind] of [
    [refusalOf(503, 'IDRAC.2.1.RAC0218', 'The maximum number of user sessions is reached.'), 'no-session-slot'],
    [refusalOf(503, 'Base.1.8.GeneralError'), 'busy'],
    [refusalOf(403, 'Base.1.8.PasswordChangeRequired'), 'privilege'],
    [refusalOf(400, 'Base.1.8.ActionNotSupported'), 'unsupported'],
    [refusalOf(400, 'Base.1.8.PropertyValueTypeError'), 'refused'],
    [answerOf(409), 'refused'],
    [answerOf(404), 'unsupported'],
    [answerOf(500), 'protocol'],
    [answerOf(200), 'protocol'],
  ] as const)
    assert.equal(meaningOf(answer), kind, JSON.stringify(answer));
});

test('asks again what may pass, and nothing that may be done twice', () => {
  const base = { path: '/x', waited: {}, spentMs: 0 };
  const get = { ...base, method: 'GET', isRepeatable: true } as const;
  const post = { ...base, method: 'POST', isRepeatable: false } as const;
  const lost = (wasSent: boolean, isFinal = false) => ({ lost: { wasSent, isFinal } });
  const cases: [FailedTry, string | undefined][] = [
    [{ ...get, ...lost(true) }, 'R18 1000'],
    [{ ...get, ...lost(true), waited: { R18: 3 } }, 'R18 8000'],
    [{ ...get, ...lost(true), waited: { R18: 4 } }, undefined],
    [{ ...get, ...lost(true), spentMs: 89_500 }, undefined],
    [{ ...get, ...lost(false, true) }, undefined],
    [{ ...post, ...lost(false) }, 'R18 1000'],
    [{ ...post, ...lost(true) }, undefined],
    [{ ...get, answer: answerOf(500) }, 'R13 1000'],
    [{ ...get, answer: answerOf(501) }, undefined],
    [{ ...post, answer: answerOf(500) }, undefined],
    [{ ...post, answer: answerOf(503) }, 'R18 1000'],
    [{ ...post, answer: refusalOf(503, 'x.SessionLimitExceeded') }, undefined],
    [{ ...post, answer: refusalOf(400, 'iLO.2.14.InvalidOperationForSystemState') }, 'R13 1000'],
    [
      { ...get, answer: refusalOf(400, 'iLO.2.14.UnableToModifyDuringSystemPOST'), waited: { R7: 5 }, spentMs: 1e9 },
      'R7 30000',
    ],
    [{ ...get, answer: refusalOf(400, 'iLO.2.14.UnableToModifyDuringSystemPOST'), waited: { R7: 6 } }, undefined],
    [{ ...post, answer: refusalOf(409, 'Base.1.12.ActionParameterValueConflict') }, undefined],
    [
      { ...post, path: '/x/ComputerSystem.Reset', answer: refusalOf(409, 'Base.1.12.ActionParameterValueConflict') },
      'R8 10000',
    ],
    [{ ...get, answer: answerOf(429, {}, { 'retry-after': '30' }) }, 'R18 30000'],
    [{ ...get, answer: answerOf(503, {}, { 'retry-after': '99999' }) }, undefined],
    [{ ...get, answer: answerOf(200) }, undefined],
    [{ ...get, answer: answerOf(404) }, undefined],
  ];
  for (const [failed, wanted] of cases) {
    const retry = decideRetry(failed, REDFISH_PATIENCE);
    assert.equal(retry && `${retry.id} ${retry.waitMs}`, wanted, JSON.stringify(failed));
  }
});

test('follows a redirect where that is meant', () => {
  const target = { address: 'fe80::1', port: 443 };
  const lead = (status: number, location: string | undefined, method = 'GET') => {
    const headers = location === undefined ? {} : { location };
    const redirect = chooseRedirect(answerOf(status, {}, headers), method, '/a', target);
    return redirect && ('path' in redirect ? redirect.path : redirect.refused);
  };
  assert.equal(lead(200, '/b'), undefined);
  assert.equal(lead(301, '/b?x=1'), '/b?x=1');
  assert.equal(lead(302, 'https://[fe80::1]/b'), '/b');
  assert.equal(lead(308, '/b', 'POST'), '/b');
  assert.equal(lead(301, '/a/', 'POST'), '/a/', 'a slash is no other resource');
  assert.match(String(lead(302, '/b', 'POST')), /as if it were a page/);
  assert.match(String(lead(307, 'https://[fe80::2]/b')), /is not this BMC/);
  assert.match(String(lead(307, 'https://[fe80::1]:8443/b')), /is not this BMC/);
  assert.match(String(lead(307, undefined)), /to nowhere/);
  assert.match(String(lead(307, 'javascript:alert(1)')), /is not this BMC/);
});

test('finds the log of the hardware among those of each maker', () => {
  const choose = (...ids: string[]) => {
    const reads = ids.map((Id) => ({
      path: `/${Id}`,
      resource: { Id, Entries: { '@odata.id': `/${Id}/Entries` } },
      etag: '',
    }));
    return chooseLogService(reads)?.path;
  };
  assert.equal(choose('Lclog', 'FaultList', 'Sel'), '/Sel');
  assert.equal(choose('SL', 'Event', 'IML', 'IEL'), '/IML');
  assert.equal(choose('PostCodes', 'HostLogger', 'EventLog'), '/EventLog');
  assert.equal(choose('AuditEvents', 'Log1'), '/Log1');
  assert.equal(choose('StandardLog', 'AuditLog', 'ActiveLog'), '/StandardLog');
  assert.equal(choose('AuditLog'), undefined);
});

test('judges a sensor by its health, else by its thresholds', () => {
  const stateOf = (sensor: Record<string, unknown>) => sensorOf({ Name: 'x', Reading: 50, ...sensor }).state;
  const Thresholds = { UpperCaution: { Reading: 40 }, UpperCritical: { Reading: 50 }, LowerCritical: { Reading: 5 } };
  assert.equal(stateOf({ Status: { Health: 'Warning' }, Thresholds }), 'warning');
  assert.equal(stateOf({ Thresholds }), 'critical');
  assert.equal(stateOf({ Reading: 45, Thresholds }), 'warning');
  assert.equal(stateOf({ Reading: 5, Thresholds }), 'critical');
  assert.equal(stateOf({ Reading: 30, Thresholds }), 'ok');
  assert.equal(stateOf({ Reading: null }), 'absent');
  assert.equal(stateOf({ Status: { State: 'Absent', Health: 'OK' } }), 'absent');
});

test('knows an image again by what a BMC shows of its URL', () => {
  const url = 'https://u:p@10.0.0.1/run/T/boot.iso?x=1';
  assert.ok(isImageIn({ Inserted: true, Image: 'https://10.0.0.1/run/T/boot.iso' }, url));
  assert.ok(isImageIn({ Inserted: true, Image: null }, url));
  assert.ok(isImageIn({ ImageName: 'boot.iso' }, url));
  assert.ok(!isImageIn({ Inserted: true, Image: 'https://10.0.0.1/other.iso' }, url));
  assert.ok(!isImageIn({ Inserted: false, Image: url }, url));
});
