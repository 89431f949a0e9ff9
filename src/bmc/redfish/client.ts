import { setTimeout as sleepFor } from 'node:timers/promises';
import { BmcError, type BmcTarget } from '../driver.ts';
import { type Answer, describeRefusal, isSuccess, meaningOf, strikeOut } from './answer.ts';
import { type Exchange, type ExchangeBond, type ExchangeRequest, exchange } from './exchange.ts';
import { type Resource, textAt } from './json.ts';
import { Login, type LoginBond, type SessionFate } from './login.ts';
import { decideRetry, type RedfishPatience } from './retry.ts';
import type { RedfishSettings } from './settings.ts';

/** What a driver keeps of its BMC from one call to the next. */
export type Bond = LoginBond & ExchangeBond & { isExpandRefused: boolean };

/** What a client is made of: a BMC, what is known of it, and the patience with it. */
export type ClientOptions = {
  target: BmcTarget;
  settings: RedfishSettings;
  patience: RedfishPatience;
  bond: Bond;
  /** Told the id of each quirk that is met. */
  note: (id: string) => void;
  onFingerprint?: (fingerprint: string) => unknown;
  /** Ends waits between tries when the driver closes. */
  signal: AbortSignal;
  sleep?: (ms: number, signal: AbortSignal) => Promise<unknown>;
  steady?: () => number;
};

/** A resource as it was read, with what a change of it has to name. */
export type Read = { path: string; resource: Resource; etag: string };

type Ask = ExchangeRequest & {
  /** Whether it may be sent again when it was not answered. By default all but POST. */
  isRepeatable?: boolean;
  /** Asked when the BMC refuses: whether what was wanted is so already (R9). */
  isDone?: (() => Promise<boolean>) | undefined;
  /** Gives UNANSWERED for what was sent and got no answer, instead of failing. */
  mayGoUnanswered?: boolean;
  patience?: RedfishPatience;
};

/** Stands for no answer. */
const UNANSWERED: Answer = { status: 0, headers: {}, resource: {} };
/** A BMC that hangs does not get a minute more for the farewell. */
const FAREWELL_MS = 10_000;

/** One call's conversation with a BMC: opened by `login`, closed by `logout`. What it cannot do it tells as a BmcError. */
export class Client {
  readonly target: BmcTarget;
  readonly patience: RedfishPatience;
  readonly note: (id: string) => void;
  readonly bond: Bond;
  readonly #options: ClientOptions;
  readonly #line: Exchange;
  readonly #login: Login;
  readonly #secrets: string[];
  readonly #steady: () => number;
  readonly #startedAt: number;

  constructor(options: ClientOptions) {
    const { target, settings, bond, note, patience } = options;
    this.target = target;
    this.patience = patience;
    this.note = note;
    this.bond = bond;
    this.#options = options;
    this.#secrets = [target.password];
    this.#steady = options.steady ?? (() => performance.now());
    this.#startedAt = this.#steady();
    this.#line = {
      target,
      settings,
      bond,
      note,
      error: (kind, what) => this.error(kind, what),
      onFingerprint: options.onFingerprint,
    };
    this.#login = new Login({
      target,
      mode: settings.auth,
      bond,
      note,
      send: (method, path, headers, body) => {
        const isFarewell = method === 'DELETE';
        const limits = isFarewell
          ? {
              tries: 2,
              connectMs: Math.min(FAREWELL_MS, patience.connectMs),
              answerMs: Math.min(FAREWELL_MS, patience.answerMs),
            }
          : { tries: 2 };
        // A session whose answer was lost stays until it expires, so a login is repeated once and no more.
        const ask: Ask = { method, path, headers, isRepeatable: true, patience: { ...patience, ...limits } };
        return this.#ask(body === undefined ? ask : { ...ask, body });
      },
      refuse: (answer, what, kind) => this.refusal(answer, what, kind),
      keepSecret: (secret) => this.#secrets.push(secret),
    });
  }

  /** Reads without a login, as the service root may be; undefined where it may not. */
  async getOpenly(path: string): Promise<Read | undefined> {
    const answer = await this.#ask({ method: 'GET', path });
    return answer.status === 401 ? undefined : this.#read(answer, path);
  }

  /** Opens a session there, or gets ready for Basic where there are no sessions. */
  login(sessionsPath: string | undefined): Promise<void> {
    return this.#login.open(sessionsPath);
  }

  /** Deletes the session, or leaves it to the next call. Never fails: what cannot be deleted now expires. */
  logout(fate: SessionFate): Promise<void> {
    return this.#login.close(fate);
  }

  /** Gives a resource, or fails with what the BMC has against it. */
  async get(path: string): Promise<Read> {
    return this.#read(await this.ask({ method: 'GET', path }), path);
  }

  /**
   * Gives a resource, or undefined when the BMC has none there. Where it is not `needed`, also when the BMC breaks over it, as
   * some do over parts that they lack.
   */
  async find(path: string | undefined, need: 'needed' | 'extra' = 'extra'): Promise<Read | undefined> {
    if (path === undefined) return undefined;
    const answer = await this.ask({ method: 'GET', path });
    const isAbsent = [400, 403, 404, 405, 410].includes(answer.status) || (need === 'extra' && answer.status >= 500);
    return isAbsent ? undefined : this.#read(answer, path);
  }

  /** Writes with the ETag ladder of R3: as given, without its `W/`, without any. Gives the last answer, whatever it says. */
  async patch({ path, etag }: { path: string; etag: string }, body: object): Promise<Answer> {
    const write = (rung: string) =>
      this.ask({ method: 'PATCH', path, body, headers: rung === '' ? {} : { 'If-Match': rung } });
    const [, ...lower] = new Set([etag, etag.replace(/^W\//, ''), '']);
    let answer = await write(etag);
    for (const rung of lower) {
      if (answer.status !== 412) break;
      this.note('R3');
      answer = await write(rung);
    }
    return answer;
  }

  /**
   * Asks for an action, once: nothing says that it may be done twice. Gives the answer, whatever it says; undefined when it
   * was sent and not answered, so that nobody knows.
   */
  async post(path: string, body: object, isDone?: () => Promise<boolean>): Promise<Answer | undefined> {
    const answer = await this.ask({ method: 'POST', path, body, isDone, mayGoUnanswered: true });
    return answer.status === UNANSWERED.status ? undefined : answer;
  }

  /** One request with the login, again where that is safe. Gives the answer, whatever it says; fails when there is none. */
  async ask(ask: Ask): Promise<Answer> {
    if (this.#spentMs() > this.patience.callMs)
      throw this.error('busy', `is so slow that one call took more than ${this.patience.callMs / 1000} s`);
    return this.#login.withHeaders((headers) => this.#ask({ ...ask, headers: { ...ask.headers, ...headers } }), ask);
  }

  /** What a refusal is as an error. */
  refusal(answer: Answer, what: string, kind = meaningOf(answer)): BmcError {
    return new BmcError(kind, this.target, describeRefusal(answer, what, this.#secrets), NEXT[kind]);
  }

  error(kind: BmcError['kind'], what: string, next = NEXT[kind]): BmcError {
    return new BmcError(kind, this.target, strikeOut(what, this.#secrets), next);
  }

  /** Strikes this text out of everything that is told. */
  keepSecret(secret: string): void {
    this.#secrets.push(secret);
  }

  /** Waits; false when the driver is being closed and nothing should be begun any more. */
  async pause(ms: number): Promise<boolean> {
    const { sleep = (wait, signal) => sleepFor(wait, undefined, { signal }), signal } = this.#options;
    if (signal.aborted) return false;
    await sleep(ms, signal).catch((error) => {
      if (!signal.aborted) throw error;
    });
    return !signal.aborted;
  }

  /** Milliseconds since the call began. */
  #spentMs(): number {
    return this.#steady() - this.#startedAt;
  }

  #read(answer: Answer, path: string): Read {
    if (!isSuccess(answer)) throw this.refusal(answer, `GET ${path}`);
    const etag = answer.headers.etag ?? textAt(answer.resource, '@odata.etag');
    // An ETag that no header can carry is as good as none; an empty one is sent by some and matches nothing (R3).
    return {
      path,
      resource: answer.resource,
      etag: /^[\x21-\x7e]{1,256}$/.test(etag) && !/^(W\/)?""$/.test(etag) ? etag : '',
    };
  }

  async #ask(ask: Ask): Promise<Answer> {
    const { method, path, isRepeatable = method !== 'POST', patience = this.patience } = ask;
    const waited: Record<string, number> = {};
    for (;;) {
      const tried = await exchange(this.#line, ask, patience);
      if (tried.answered && isSuccess(tried.answer)) return tried.answer;
      if (tried.answered && [400, 409].includes(tried.answer.status) && (await ask.isDone?.())) {
        this.note('R9');
        return { ...tried.answer, status: 204 };
      }
      const failed = { method, path, isRepeatable, waited, spentMs: this.#spentMs() };
      const outcome = tried.answered ? { answer: tried.answer } : { lost: tried };
      const retry = decideRetry({ ...failed, ...outcome }, patience);
      if (!retry || !(await this.pause(retry.waitMs))) {
        if (tried.answered) return tried.answer;
        if (ask.mayGoUnanswered && tried.wasSent) return UNANSWERED;
        throw this.error(tried.kind, tried.why);
      }
      this.note(retry.id);
      waited[retry.id] = (waited[retry.id] ?? 0) + 1;
    }
  }
}

/** What a technician does about a BMC that is asked by Redfish, where that is not what the driver interface says. */
const NEXT: Partial<Record<BmcError['kind'], string>> = {
  unreachable: 'Check its address, its cable and VLAN, and that Redfish over HTTPS is turned on',
  'no-such-user': 'Check the user name, and that this user is enabled in the BMC',
  'wrong-password': 'Check the user name and the password that are set in the BMC, and that this user may use Redfish',
  privilege: 'Give this user the role Operator or Administrator in the BMC',
};
