import type { BmcError, BmcErrorKind, BmcTarget } from '../driver.ts';
import { type Answer, isSuccess, loginMeaningOf, says } from './answer.ts';
import { pathOf, textAt } from './json.ts';

/** An open session: its token, where it is to be deleted, and where it was opened. */
export type Session = { token: string; path: string | undefined; sessionsPath: string };

/** What is known of a BMC's sessions from one call to the next. */
export type LoginBond = {
  isWithoutSessions: boolean;
  /** The session that the next call is to use. */
  kept: Session | undefined;
};

/** What becomes of a call's session when the call ends. */
export type SessionFate = 'delete' | 'keep';

type LoginOptions = {
  target: BmcTarget;
  mode: 'auto' | 'session' | 'basic';
  bond: LoginBond;
  note: (id: string) => void;
  /** Sends without a login of its own. */
  send: (method: 'POST' | 'DELETE', path: string, headers: Record<string, string>, body?: object) => Promise<Answer>;
  refuse: (answer: Answer, what: string, kind?: BmcErrorKind) => BmcError;
  keepSecret: (secret: string) => void;
};

type Auth =
  | { kind: 'none' }
  | { kind: 'session'; session: Session; state: SessionState }
  // `instead`: what was wrong with the sessions, told when Basic is refused too. `isLasting`: that will not pass.
  | { kind: 'basic'; instead?: BmcError; isLasting?: boolean };

/** `kept`: from an earlier call, and not used in this one yet. `proven`: it was honoured. `lost`: it is no more. */
type SessionState = 'kept' | 'new' | 'proven' | 'lost';

/** How often one call logs in again: enough for a long inventory, not enough to lock a user out. */
const RELOGIN_LIMIT = 4;

/** The login of one call: the session that was kept, a new one, or Basic (DSP0266, "Authentication methods"). */
export class Login {
  readonly #options: LoginOptions;
  #auth: Auth = { kind: 'none' };
  #relogins = 0;

  constructor(options: LoginOptions) {
    this.#options = options;
    options.keepSecret(basicOf(options.target));
  }

  async open(sessionsPath: string | undefined): Promise<void> {
    const { mode, bond, note, keepSecret } = this.#options;
    if (bond.kept) {
      keepSecret(bond.kept.token);
      this.#auth = { kind: 'session', session: bond.kept, state: 'kept' };
      bond.kept = undefined;
    } else if (mode === 'basic') this.#auth = { kind: 'basic' };
    else if (mode === 'auto' && (bond.isWithoutSessions || sessionsPath === undefined)) {
      this.#auth = { kind: 'basic' };
      note('R20');
    } else this.#auth = await this.#openSession(sessionsPath ?? SESSIONS);
  }

  /** Ends the login, and is silent about what goes wrong with that: it would hide what the call has to tell. */
  async close(fate: SessionFate): Promise<void> {
    const auth = this.#auth;
    this.#auth = { kind: 'none' };
    if (auth.kind !== 'session') return;
    const { session, state } = auth;
    if (fate === 'keep' && state !== 'lost') this.#options.bond.kept = session;
    else await this.#closeSession(session.path, { 'X-Auth-Token': session.token });
  }

  /** Runs `perform` with the headers of the login; logs in once more when they have lost their force. */
  async withHeaders(
    perform: (headers: Record<string, string>) => Promise<Answer>,
    what: { method: string; path: string },
  ): Promise<Answer> {
    const answer = await perform(this.#headers());
    const auth = this.#auth;
    if (auth.kind === 'session') {
      if (!isSessionLost(answer, auth.state)) {
        if (isSuccess(answer)) auth.state = 'proven';
        return this.#checkRight(answer, what);
      }
      await this.#renew(auth, answer, what);
      return this.withHeaders(perform, what);
    }
    if (auth.kind === 'basic') {
      const { bond } = this.#options;
      // a login that was refused without a reason, in both ways, is a wrong one
      const isWrong = auth.instead?.kind === 'refused' && answer.status === 401;
      if (auth.instead && [401, 403].includes(answer.status) && !isWrong) throw auth.instead;
      // Sessions that are of no use are not asked for any more once Basic worked, and are again when it does not.
      if (auth.isLasting && isSuccess(answer)) bond.isWithoutSessions = true;
      if (answer.status === 401) bond.isWithoutSessions = false;
    }
    return this.#checkRight(answer, what);
  }

  /** 401 is about the login and not about the question, whoever asks it. */
  #checkRight(answer: Answer, { method, path }: { method: string; path: string }): Answer {
    if (answer.status !== 401) return answer;
    throw this.#options.refuse(answer, `${method} ${path}`);
  }

  async #renew(
    auth: Auth & { kind: 'session' },
    answer: Answer,
    what: { method: string; path: string },
  ): Promise<void> {
    const { mode, note, refuse } = this.#options;
    const failure = refuse(answer, `${what.method} ${what.path} in a session that it had opened`, 'protocol');
    this.#relogins += 1;
    if (this.#relogins > RELOGIN_LIMIT || (auth.state === 'new' && this.#relogins > 1)) {
      // It opens sessions and honours none: Basic is left.
      await this.close('delete');
      if (mode === 'session') throw failure;
      note('R20');
      this.#auth = { kind: 'basic', instead: failure, isLasting: true };
      return;
    }
    auth.state = 'lost';
    this.#auth = await this.#openSession(auth.session.sessionsPath);
    // It may still hold a slot.
    await this.#closeSession(auth.session.path, this.#headers());
  }

  async #openSession(sessionsPath: string): Promise<Auth> {
    const { target, mode, bond, note, send, refuse, keepSecret } = this.#options;
    const body = { UserName: target.user, Password: target.password };
    const answer = await send('POST', sessionsPath, {}, body);
    const token = answer.headers['x-auth-token'];
    if (isSuccess(answer) && typeof token === 'string' && /^[\x21-\x7e]{1,4096}$/.test(token)) {
      keepSecret(token);
      const session = { token, path: sessionPath(answer, sessionsPath), sessionsPath };
      return { kind: 'session', session, state: 'new' };
    }
    const kind = isSuccess(answer) ? 'protocol' : loginMeaningOf(answer);
    const failure = refuse(answer, 'the login', kind);
    // A second try of a wrong password by Basic would only count towards a lock-out.
    if (mode === 'session' || kind === 'wrong-password' || kind === 'privilege') throw failure;
    bond.isWithoutSessions = kind === 'unsupported';
    note('R20');
    if (kind === 'unsupported') return { kind: 'basic' };
    // A session without a token is of no use, and takes a slot.
    if (isSuccess(answer)) await this.#closeSession(sessionPath(answer, sessionsPath), basicHeaders(target));
    return { kind: 'basic', instead: failure, isLasting: isSuccess(answer) };
  }

  async #closeSession(path: string | undefined, headers: Record<string, string>): Promise<void> {
    if (path !== undefined) await this.#options.send('DELETE', path, headers).catch(() => undefined);
  }

  #headers(): Record<string, string> {
    if (this.#auth.kind === 'session') return { 'X-Auth-Token': this.#auth.session.token };
    return this.#auth.kind === 'basic' ? basicHeaders(this.#options.target) : {};
  }
}

/** Where sessions are by the standard when the root does not say it. */
const SESSIONS = '/redfish/v1/SessionService/Sessions';

/** Where a session is to be deleted: its Location, also when that names the BMC by another name, else its own path. */
function sessionPath({ headers, resource }: Answer, sessionsPath: string): string | undefined {
  const location = (headers.location ?? '').replace(/^https?:\/\/[^/]+/i, '');
  const id = textAt(resource, 'Id');
  const byId = id === '' ? undefined : pathOf(`${sessionsPath.replace(/\/$/, '')}/${encodeURIComponent(id)}`);
  return pathOf(location) ?? pathOf(resource['@odata.id']) ?? byId;
}

/** 401, or one of the forms of 403 that say the same; of a session that was kept, any 403 may. */
function isSessionLost(answer: Answer, state: SessionState): boolean {
  if (answer.status !== 403) return answer.status === 401;
  return state === 'kept' || says(answer, 'NoValidSession') || says(answer, 'SessionTerminated');
}

function basicHeaders(target: BmcTarget): Record<string, string> {
  return { Authorization: `Basic ${basicOf(target)}` };
}

function basicOf({ user, password }: BmcTarget): string {
  return Buffer.from(`${user}:${password}`).toString('base64');
}
