import { randomBytes } from 'node:crypto';
import { answer, refuse, type SimAnswer, type SimRequest } from './redfish-answer.ts';
import { SESSIONS } from './redfish-paths.ts';

type Session = { id: string; token: string; user: string; uses: number };

/** The sessions of a BMC: so many at once, each until it is deleted. */
export class Sessions {
  readonly #users: Readonly<Record<string, string>>;
  readonly #slots: number;
  readonly #open = new Map<string, Session>();
  #made = 0;

  /** `users`: passwords by name. */
  constructor(users: Readonly<Record<string, string>>, slots: number) {
    this.#users = users;
    this.#slots = slots;
  }

  get ids(): string[] {
    return [...this.#open.values()].map((session) => session.id);
  }

  /** How many were ever opened. */
  get made(): number {
    return this.#made;
  }

  create({ body }: SimRequest): SimAnswer {
    const { UserName: user, Password: password } = body;
    if (typeof user !== 'string' || !this.#knows(user, password))
      return refuse(401, 'ResourceAtUriUnauthorized', 'The user name or the password is wrong.');
    if (this.#open.size >= this.#slots)
      return refuse(503, 'SessionLimitExceeded', 'The session establishment failed: too many are open.');
    this.#made += 1;
    const session = { id: String(this.#made), token: randomBytes(16).toString('hex'), user, uses: 0 };
    this.#open.set(session.token, session);
    const path = `${SESSIONS}/${session.id}`;
    const resource = {
      '@odata.id': path,
      '@odata.type': '#Session.v1_3_0.Session',
      Id: session.id,
      Name: 'Session',
      UserName: user,
    };
    return answer(201, resource, { 'X-Auth-Token': session.token, Location: path });
  }

  delete(id: string): boolean {
    const session = [...this.#open.values()].find((one) => one.id === id);
    return session !== undefined && this.#open.delete(session.token);
  }

  /** Whether a request carries the token of a session or the password of a user. */
  admits({ headers }: SimRequest): boolean {
    const session = this.#open.get(String(headers['x-auth-token'] ?? ''));
    if (session) return true;
    const [scheme, code] = String(headers.authorization ?? '').split(' ');
    if (scheme !== 'Basic' || code === undefined) return false;
    const [user = '', ...rest] = Buffer.from(code, 'base64').toString().split(':');
    return this.#knows(user, rest.join(':'));
  }

  /** Counts a use of the session that a request names; forgets the session after so many. */
  wear({ headers }: SimRequest, uses: number): void {
    const session = this.#open.get(String(headers['x-auth-token'] ?? ''));
    if (!session) return;
    session.uses += 1;
    if (session.uses > uses) this.#open.delete(session.token);
  }

  #knows(user: string, password: unknown): boolean {
    return Object.hasOwn(this.#users, user) && this.#users[user] === password;
  }
}
