import type { BmcError, BmcErrorKind, BmcTarget } from '../driver.ts';
import { type Answer, isSuccess, meaningOf, says } from './answer.ts';
import { pathOf, textAt } from './json.ts';

/** What is known of a BMC's sessions from one call to the next. */
export type LoginBond = { isWithoutSessions: boolean };

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
  | { kind: 'session'; token: string; path: string | undefined; sessionsPath: string; isProven: boolean }
  // `instead`: what was wrong with the sessions, told when Basic is refused too.
  | { kind: 'basic'; instead?: BmcError };

/** How often one call logs in again: enough for a long inventory, not enough to lock a user out. */
const RELOGIN_LIMIT = 4;

/** The login of one call: a session, else Basic (DSP0266, "Authentication methods"). */
export class Login {
  readonly #options: LoginOptions;
  #auth: Auth = { kind: 'none' };
  #relogins = 0;

  constructor(options: LoginOptions) {
    this.#options = options;
    options.keepSecret(basicOf(options.target));
  }

  async open(sessionsPath: string | undefined): Promise<void> {
    const { mode, bond, note } = this.#options;
    if (mode === 'basic') this.#auth = { kind: 'basic' };
    else if (mode === 'auto' && (bond.isWithoutSessions || sessionsPath === undefined)) {
      this.#auth = { kind: 'basic' };
      note('R20');
    } else this.#auth = await this.#openSession(sessionsPath ?? SESSIONS);
  }

  /** Deletes the session, and is silent about what goes wrong with that: it would hide what the call has to tell. */
  async close(): Promise<void> {
    const auth = this.#auth;
    this.#auth = { kind: 'none' };
    if (auth.kind === 'session') await this.#closeSession(auth.path, { 'X-Auth-Token': auth.token });
  }

  /** Runs `perform` with the headers of the login; logs in once more when they have lost their force. */
  async withHeaders(
    perform: (headers: Record<string, string>) => Promise<Answer>,
    what: { method: string; path: string },
  ): Promise<Answer> {
    const answer = await perform(this.#headers());
    const auth = this.#auth;
    if (auth.kind === 'session') {
      if (!isSessionLost(answer)) {
        auth.isProven ||= isSuccess(answer);
        return this.#checkRight(answer, what);
      }
      await this.#renew(auth, answer, what);
      return this.withHeaders(perform, what);
    }
    if (auth.kind === 'basic' && auth.instead && [401, 403].includes(answer.status)) throw auth.instead;
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
    const failure = refuse(answer, `${what.method} ${what.path} in a session that it had just opened`, 'protocol');
    this.#relogins += 1;
    if (this.#relogins > RELOGIN_LIMIT || (!auth.isProven && this.#relogins > 1)) {
      // It opens sessions and honours none: Basic is left.
      await this.close();
      if (mode === 'session') throw failure;
      note('R20');
      this.#auth = { kind: 'basic', instead: failure };
      return;
    }
    this.#auth = await this.#openSession(auth.sessionsPath);
    // It may still hold a slot.
    await this.#closeSession(auth.path, this.#headers());
  }

  async #openSession(sessionsPath: string): Promise<Auth> {
    const { target, mode, bond, note, send, refuse, keepSecret } = this.#options;
    const body = { UserName: target.user, Password: target.password };
    const answer = await send('POST', sessionsPath, {}, body);
    const token = answer.headers['x-auth-token'];
    if (isSuccess(answer) && typeof token === 'string' && /^[\x21-\x7e]{1,4096}$/.test(token)) {
      keepSecret(token);
      return { kind: 'session', token, path: sessionPath(answer, sessionsPath), sessionsPath, isProven: false };
    }
    const kind = isSuccess(answer) ? 'protocol' : meaningOf(answer);
    const failure = refuse(answer, 'the login', kind);
    // A second try of a wrong password by Basic would only count towards a lock-out.
    if (mode === 'session' || kind === 'wrong-password' || kind === 'privilege') throw failure;
    bond.isWithoutSessions = kind === 'unsupported';
    note('R20');
    // A session without a token is of no use, and takes a slot.
    if (isSuccess(answer)) await this.#closeSession(sessionPath(answer, sessionsPath), basicHeaders(target));
    return kind === 'unsupported' ? { kind: 'basic' } : { kind: 'basic', instead: failure };
  }

  async #closeSession(path: string | undefined, headers: Record<string, string>): Promise<void> {
    if (path !== undefined) await this.#options.send('DELETE', path, headers).catch(() => undefined);
  }

  #headers(): Record<string, string> {
    if (this.#auth.kind === 'session') return { 'X-Auth-Token': this.#auth.token };
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

/** 401, or one of the forms of 403 that say the same. */
function isSessionLost(answer: Answer): boolean {
  return (
    answer.status === 401 ||
    (answer.status === 403 && (says(answer, 'NoValidSession') || says(answer, 'SessionTerminated')))
  );
}

function basicHeaders(target: BmcTarget): Record<string, string> {
  return { Authorization: `Basic ${basicOf(target)}` };
}

function basicOf({ user, password }: BmcTarget): string {
  return Buffer.from(`${user}:${password}`).toString('base64');
}
