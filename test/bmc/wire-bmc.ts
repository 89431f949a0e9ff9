import { randomBytes } from 'node:crypto';
import { createSocket, type RemoteInfo } from 'node:dgram';
import { WireError } from '../../src/wire/bytes.ts';
import * as ipmi from '../../src/wire/ipmi.ts';
import * as rakp from '../../src/wire/rakp.ts';
import * as rmcp from '../../src/wire/rmcp.ts';

export type WireBmcOptions = {
  suites?: rakp.CipherSuite[];
  users?: Record<string, { password: string; privilege: number }>;
  slots?: number;
  /** Refuses a role above the user's privilege in RAKP 1 already, instead of in Set Session Privilege Level. */
  refusesRole?: boolean;
  /** Completion codes by command name, used up one by one: `{'Chassis Control': [0xc0, 0xc0]}` is busy twice. */
  completions?: Record<string, number[]>;
  /** Completion codes by boot option parameter, forever. */
  bootOptionCompletions?: Record<number, number>;
  speaks20?: boolean;
  /** Leaves every Chassis Control undone and unanswered, or done and unanswered. */
  control?: 'lost' | 'unanswered';
};

type Login = {
  facts: rakp.LoginFacts;
  suite: rakp.CipherSuite;
  password: string;
  limit: number;
  keys?: rakp.SessionKeys;
};

/** A BMC that speaks RMCP+ with cipher suites 3 and 17, made of the product's own wire code; ipmitool proves it right. */
export async function startWireBmc(options: WireBmcOptions = {}) {
  const { suites = [3, 17], slots = 4, speaks20 = true } = options;
  const users = options.users ?? { admin: { password: 's3cret', privilege: ipmi.PRIVILEGE.administrator } };
  const guid = Buffer.from('00112233445566778899aabbccddeeff', 'hex');
  const logins = new Map<number, Login>();
  let outSequence = 1;
  let isCycling = false;
  const bmc = {
    port: 0,
    isOn: false,
    /** Every action and boot option write that was carried out, oldest first. */
    done: [] as string[],
    bootFlags: Buffer.alloc(5),
    /** Session ids that consoles chose, in the order they came. */
    consoleIds: [] as number[],
    suite: undefined as rakp.CipherSuite | undefined,
    /** Logins that were never finished do not count: a console cannot close those. */
    openSessions: () => [...logins.values()].filter((login) => login.keys).length,
    stop: () => new Promise<void>((resolve) => socket.close(() => resolve())),
  };

  const commands: Record<string, (request: never, login: Login | undefined) => unknown> = {
    [ipmi.getChannelAuthCapabilities.name]: () => ({
      channel: 1,
      speaks20,
      needsBmcKey: false,
      allowsAnonymous: false,
    }),
    [ipmi.getChannelCipherSuites.name]: ({ listIndex }: { listIndex: number }) => ({
      channel: 1,
      records: listIndex > 0 ? Buffer.alloc(0) : Buffer.from(suites.flatMap(cipherSuiteRecord)),
    }),
    [ipmi.setSessionPrivilege.name]: ({ privilege }: { privilege: number }, login) =>
      privilege > login!.limit ? 0x81 : { privilege },
    [ipmi.closeSession.name]: ({ sessionId }: { sessionId: number }) => (logins.has(sessionId) ? undefined : 0x87),
    [ipmi.getDeviceId.name]: (): ipmi.DeviceId => ({
      manufacturer: 10876,
      product: 2327,
      firmware: '3.88',
      ipmiVersion: '2.0',
      isUpdating: false,
    }),
    [ipmi.getChassisStatus.name]: (): ipmi.ChassisStatus => ({
      isOn: bmc.isOn,
      hasPowerFault: false,
      restorePolicy: 'as-before',
    }),
    [ipmi.chassisControl.name]: ({ action }: { action: ipmi.ChassisAction }) => {
      // The strictest reading of table 5-2: what is already so is refused, and cycling what is off or in a cycle.
      if (bmc.isOn === (action === 'on') || (isCycling && action === 'cycle')) return ipmi.COMPLETION.notInThisState;
      bmc.done.push(action);
      isCycling = action === 'cycle';
      if (action === 'on') bmc.isOn = true;
      if (action === 'off' || action === 'soft') bmc.isOn = false;
      return undefined;
    },
    [ipmi.setBootOption.name]: ({ parameter, data }: { parameter: number; data: Buffer }) => {
      const refusal = options.bootOptionCompletions?.[parameter];
      if (refusal !== undefined) return refusal;
      bmc.done.push(`boot option ${parameter}: ${data.toString('hex')}`);
      if (parameter === ipmi.BOOT_OPTION.flags) bmc.bootFlags = Buffer.from(data);
      return undefined;
    },
    [ipmi.getBootOption.name]: ({ parameter }: { parameter: number }) =>
      parameter === ipmi.BOOT_OPTION.flags ? { parameter, isValid: true, data: bmc.bootFlags } : 0x80,
  };

  /** The answer to a command, or undefined for silence. A handler returns a response, or a completion code. */
  function answerCommand(message: Buffer, login: Login | undefined): Buffer | undefined {
    const request = ipmi.decodeRequest(message);
    const refuse = (completion: number) => ipmi.encodeResponse({ ...request, completion, data: Buffer.alloc(0) });
    const command = ipmi.COMMANDS.find((row) => row.netFn === request.netFn && row.command === request.command);
    if (!command) return refuse(ipmi.COMPLETION.invalidCommand);
    const isControl = command === ipmi.chassisControl;
    if (isControl && options.control === 'lost') return undefined;
    const planned = options.completions?.[command.name]?.shift();
    if (planned !== undefined) return refuse(planned);
    const result = commands[command.name]!(command.decodeRequest(request.data) as never, login);
    if (isControl && options.control === 'unanswered') return undefined;
    if (typeof result === 'number') return refuse(result);
    return ipmi.encodeResponse({ ...request, completion: 0, data: command.encodeResponse(result) });
  }

  function answerLogin(payloadType: number, payload: Buffer): [number, Buffer] | undefined {
    if (payloadType === rmcp.PAYLOAD.openRequest) return [rmcp.PAYLOAD.openResponse, answerOpen(payload)];
    if (payloadType === rmcp.PAYLOAD.rakp1) return [rmcp.PAYLOAD.rakp2, answerRakp1(payload)];
    if (payloadType !== rmcp.PAYLOAD.rakp3) return undefined;
    const answer = answerRakp3(payload);
    return answer && [rmcp.PAYLOAD.rakp4, answer];
  }

  function answerOpen(payload: Buffer): Buffer {
    const { tag, consoleId, suite } = rakp.decodeOpenSessionRequest(payload);
    bmc.consoleIds.push(consoleId);
    const refuse = (status: number) => rakp.encodeOpenSessionResponse({ tag, status, consoleId, refused: true });
    if (suite === undefined || !suites.includes(suite)) return refuse(rakp.STATUS.noSuiteMatch);
    if (logins.size >= slots) return refuse(rakp.STATUS.noResources);
    const bmcId = randomBytes(4).readUInt32LE();
    const facts = {
      consoleId,
      bmcId,
      consoleRandom: Buffer.alloc(0),
      bmcRandom: randomBytes(16),
      bmcGuid: guid,
      role: 0,
      user: Buffer.alloc(0),
    };
    logins.set(bmcId, { facts, suite, password: '', limit: 0 });
    return rakp.encodeOpenSessionResponse({ tag, status: 0, privilege: 4, consoleId, bmcId, suite });
  }

  function answerRakp1(payload: Buffer): Buffer {
    const { tag, bmcId, consoleRandom, role, user } = rakp.decodeRakp1(payload);
    const login = logins.get(bmcId);
    const consoleId = login?.facts.consoleId ?? 0;
    const refuse = (status: number) => {
      logins.delete(bmcId);
      return rakp.encodeRakp2({ tag, status, consoleId, refused: true });
    };
    // A second RAKP 1 finds the login used up, as on real BMCs.
    if (!login || login.facts.consoleRandom.length > 0) return refuse(rakp.STATUS.invalidSession);
    const account = users[user.toString()];
    if (!account) return refuse(rakp.STATUS.unauthorizedName);
    const isTooHigh = (role & 0x0f) > account.privilege;
    if (isTooHigh && (options.refusesRole || (role & 0x10) === 0)) return refuse(rakp.STATUS.unauthorizedRole);
    Object.assign(login.facts, { consoleRandom: Buffer.from(consoleRandom), role, user: Buffer.from(user) });
    login.password = account.password;
    login.limit = account.privilege;
    const code = rakp.rakp2Code(login.suite, Buffer.from(account.password), login.facts);
    return rakp.encodeRakp2({ tag, status: 0, consoleId, bmcRandom: login.facts.bmcRandom, bmcGuid: guid, code });
  }

  function answerRakp3(payload: Buffer): Buffer | undefined {
    const { tag, status, bmcId, code } = rakp.decodeRakp3(payload);
    const login = logins.get(bmcId);
    const consoleId = login?.facts.consoleId ?? 0;
    if (!login || login.keys)
      return rakp.encodeRakp4({ tag, status: rakp.STATUS.invalidSession, consoleId, refused: true });
    const password = Buffer.from(login.password);
    if (status !== 0 || !rakp.isSameCode(code, rakp.rakp3Code(login.suite, password, login.facts))) {
      logins.delete(bmcId);
      if (status !== 0) return undefined;
      return rakp.encodeRakp4({ tag, status: rakp.STATUS.invalidIntegrityValue, consoleId, refused: true });
    }
    login.keys = rakp.deriveKeys(login.suite, password, login.facts);
    bmc.suite = login.suite;
    return rakp.encodeRakp4({ tag, status: 0, consoleId, code: rakp.rakp4Code(login.keys, login.facts) });
  }

  /** The body of the answer to a datagram; undefined is silence. */
  function answer(datagram: Buffer): Buffer | undefined {
    const { class: kind, body } = rmcp.decodeRmcp(datagram);
    if (kind === 'asf') return undefined;
    const login = logins.get(body.length >= 6 ? body.readUInt32LE(2) : 0);
    if (login?.keys) {
      const packet = rakp.decodeSessionPacket(login.keys, body);
      const message = answerCommand(packet.message, login);
      if (ipmi.decodeRequest(packet.message).command === ipmi.closeSession.command) logins.delete(packet.sessionId);
      const reply = { sessionId: login.facts.consoleId, sequence: outSequence++ };
      return message && rakp.encodeSessionPacket(login.keys, { ...reply, message }, randomBytes(16));
    }
    const packet = rmcp.decodeIpmi(body, 0);
    if (packet.version === '1.5') {
      const payload = answerCommand(packet.payload, undefined);
      return payload && rmcp.encodeIpmi15({ sessionId: 0, sequence: 0, payload });
    }
    if (!speaks20) return undefined;
    const reply = answerLogin(packet.payloadType, packet.payload);
    if (!reply) return undefined;
    const [payloadType, payload] = reply;
    return rmcp.encodeIpmi20({ payloadType, encrypted: false, sessionId: 0, sequence: 0, payload });
  }

  const socket = createSocket('udp4');
  socket.on('message', (datagram: Buffer, from: RemoteInfo) => {
    try {
      const body = answer(datagram);
      if (body) socket.send(rmcp.encodeRmcp({ class: 'ipmi', body }), from.port, from.address);
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
    }
  });
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
  bmc.port = socket.address().port;
  return bmc;
}

/** 22.15.1: C0h, the suite's number, its three algorithms with their kind in bits 7:6. */
function cipherSuiteRecord(suite: rakp.CipherSuite): number[] {
  const { authentication, integrity, confidentiality } = rakp.ALGORITHMS[suite];
  return [0xc0, suite, authentication, 0x40 | integrity, 0x80 | confidentiality];
}
