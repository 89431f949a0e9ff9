import type { BmcLink, DriverName, Learned, Refusal } from '../model/bmc.ts';
import { AppError } from '../model/errors.ts';
import type { Db } from './db.ts';
import type { Machines } from './machines.ts';
import { newBmcPassword, type Secrets } from './secrets.ts';

/** A link as a person enters it: with its password, unless it names a credential. */
export type NewLink = Omit<BmcLink, 'user'> & { user?: string; password?: string };

/** A link as it is kept. Its password is opened only where a driver is: see `password`. */
export type KeptLink = BmcLink & { machineId: number; position: number; learned: Learned; refusal?: Refusal };

/** A user and password that many machines share. Its password is never shown. */
export type Credential = { name: string; user: string; usedBy: number };

type LinkRow = {
  machine_id: number;
  position: number;
  driver: DriverName;
  address: string;
  port: number;
  credential: string | null;
  user: string;
  settings: string;
  learned: string;
  refusal: string | null;
};

const SELECT = `
  SELECT machine_id, bmc_link.position, driver, address, port, credential,
         coalesce(credential.user, bmc_link.user) AS user, settings, learned, refusal
    FROM bmc_link LEFT JOIN credential ON credential.name = bmc_link.credential`;

/** The chains of ways to BMCs, and the credentials. */
export type Bmcs = ReturnType<typeof openBmcs>;

export function openBmcs(db: Db, secrets: Secrets, machines: Pick<Machines, 'forget'>) {
  const chainOf = db.sql.prepare<[number], LinkRow>(`${SELECT} WHERE machine_id = ? ORDER BY bmc_link.position`);
  const allLinks = db.sql.prepare<[], LinkRow>(`${SELECT} ORDER BY machine_id, bmc_link.position`);
  const passwordOf = db.sql.prepare<[number, number], { password: Buffer }>(
    `SELECT coalesce(credential.password, bmc_link.password) AS password
       FROM bmc_link LEFT JOIN credential ON credential.name = bmc_link.credential
      WHERE machine_id = ? AND bmc_link.position = ?`,
  );
  const clear = db.sql.prepare('DELETE FROM bmc_link WHERE machine_id = ?');
  const insert = db.sql.prepare(
    `INSERT INTO bmc_link (machine_id, position, driver, address, port, credential, user, password, settings, learned)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  );
  const setLearned = db.sql.prepare('UPDATE bmc_link SET learned = ? WHERE machine_id = ? AND position = ?');
  const setRefusal = db.sql.prepare('UPDATE bmc_link SET refusal = ? WHERE machine_id = ? AND position = ?');
  const allowAll = db.sql.prepare('UPDATE bmc_link SET refusal = NULL WHERE machine_id = ?');

  const credentials = db.sql.prepare<[], { name: string; user: string; used_by: number }>(
    `SELECT name, user, (SELECT count(DISTINCT machine_id) FROM bmc_link WHERE credential = name) AS used_by
       FROM credential ORDER BY position, name`,
  );
  const credential = db.sql.prepare<[string], { name: string; user: string; password: Buffer }>(
    'SELECT name, user, password FROM credential WHERE name = ?',
  );
  const putCredential = db.sql.prepare(
    `INSERT INTO credential (name, position, user, password)
     VALUES (?, (SELECT coalesce(max(position) + 1, 0) FROM credential), ?, ?)
     ON CONFLICT (name) DO UPDATE SET user = excluded.user, password = excluded.password`,
  );
  const removeCredential = db.sql.prepare('DELETE FROM credential WHERE name = ?');
  const machinesWith = db.sql.prepare<[string], { machine_id: number }>(
    'SELECT DISTINCT machine_id FROM bmc_link WHERE credential = ?',
  );
  const sealedLinks = db.sql.prepare<[], { machine_id: number; position: number; password: Buffer }>(
    'SELECT machine_id, position, password FROM bmc_link',
  );
  const sealedCredentials = db.sql.prepare<[], { name: string; password: Buffer }>(
    'SELECT name, password FROM credential',
  );
  const sealLink = db.sql.prepare('UPDATE bmc_link SET password = ? WHERE machine_id = ? AND position = ?');
  const sealCredential = db.sql.prepare('UPDATE credential SET password = ? WHERE name = ?');

  const loginOf = db.sql.prepare<[number], { password: Buffer }>('SELECT password FROM bmc_login WHERE machine_id = ?');
  const putLogin = db.sql.prepare('INSERT OR REPLACE INTO bmc_login (machine_id, password) VALUES (?, ?)');
  const dropLogin = db.sql.prepare('DELETE FROM bmc_login WHERE machine_id = ?');
  const sealedLogins = db.sql.prepare<[], { machine_id: number; password: Buffer }>('SELECT * FROM bmc_login');

  const listeners: ((machineId: number) => void)[] = [];
  function tellChanged(machineId: number): void {
    machines.forget(machineId);
    for (const listener of listeners) listener(machineId);
  }

  return {
    chain: (machineId: number): KeptLink[] => chainOf.all(machineId).map(toLink),
    /** The chains of all machines that have one. */
    chains(): Map<number, KeptLink[]> {
      const found = new Map<number, KeptLink[]>();
      for (const row of allLinks.iterate()) {
        const chain = found.get(row.machine_id) ?? [];
        chain.push(toLink(row));
        found.set(row.machine_id, chain);
      }
      return found;
    },
    /** The password of a link, its own or its credential's. */
    password(machineId: number, position: number): string {
      const row = passwordOf.get(machineId, position);
      return row ? secrets.open(row.password) : '';
    },

    /** The whole chain anew. A link that is what it was keeps its password (when none is given) and what was learned. */
    put(machineId: number, links: readonly NewLink[]): void {
      const before = chainOf.all(machineId).map((row) => ({ ...toLink(row), row }));
      for (const link of links)
        if (link.credential !== undefined && !credential.get(link.credential))
          throw new AppError(
            'bad-request',
            `there is no credential ${link.credential}`,
            'list them with: firstlight credentials',
          );
      const rows = links.map((link) => {
        const same = before.find(
          (one) => one.driver === link.driver && one.address === link.address && one.port === link.port,
        );
        const password =
          link.password ?? (same && same.credential === undefined ? this.password(machineId, same.position) : '');
        return { link, password, user: link.user ?? same?.user ?? '', learned: same?.learned ?? {} };
      });
      db.transact(() => {
        clear.run(machineId);
        for (const [position, { link, password, user, learned }] of rows.entries())
          insert.run(
            machineId,
            position,
            link.driver,
            link.address,
            link.port,
            link.credential ?? null,
            user,
            secrets.seal(password),
            JSON.stringify(link.settings),
            JSON.stringify(learned),
          );
      });
      tellChanged(machineId);
    },

    learn(link: KeptLink, learned: Learned): void {
      const present = chainOf.all(link.machineId).find((row) => row.position === link.position);
      if (!present) return;
      const merged = { ...(JSON.parse(present.learned) as Learned), ...learned };
      setLearned.run(JSON.stringify(merged), link.machineId, link.position);
    },
    /** Forget the certificates that were seen first: the next ones are. */
    forgetCertificates(machineId: number): void {
      for (const { position, learned } of chainOf.all(machineId).map(toLink)) {
        const { fingerprint: _forgotten, ...rest } = learned;
        setLearned.run(JSON.stringify(rest), machineId, position);
      }
      allowAll.run(machineId);
      tellChanged(machineId);
    },
    refuse: (link: KeptLink, refusal: Refusal): void =>
      void setRefusal.run(JSON.stringify(refusal), link.machineId, link.position),
    /** Use refused links again: somebody changed something, or says so. */
    allow(machineId: number): void {
      allowAll.run(machineId);
      tellChanged(machineId);
    },
    /** Told of each machine whose chain is not what it was. */
    onChanged: (listener: (machineId: number) => void): void => void listeners.push(listener),

    credentials: (): Credential[] =>
      credentials.all().map(({ name, user, used_by }) => ({ name, user, usedBy: used_by })),
    /** User and password of each credential, in the order in which they are tried. */
    openCredentials: (): { name: string; user: string; password: string }[] =>
      credentials.all().map(({ name, user }) => {
        const row = credential.get(name);
        return { name, user, password: row ? secrets.open(row.password) : '' };
      }),
    /** Make or change a credential; the BMCs that refused the old one are tried again. */
    putCredential(name: string, user: string, password: string): void {
      db.transact(() => {
        putCredential.run(name, user, secrets.seal(password));
        for (const { machine_id } of machinesWith.all(name)) allowAll.run(machine_id);
      });
      for (const { machine_id } of machinesWith.all(name)) tellChanged(machine_id);
    },
    /** Throws `not-found`, or `bad-request` while a machine uses it. */
    removeCredential(name: string): void {
      const users = machinesWith.all(name).length;
      if (users > 0)
        throw new AppError(
          'bad-request',
          `credential ${name} is used by ${users} ${users === 1 ? 'machine' : 'machines'}`,
          'give these another one first, with: firstlight bmc set',
        );
      if (removeCredential.run(name).changes === 0) throw new AppError('not-found', `there is no credential ${name}`);
    },

    /** The password that a task sets in this machine's BMC: made up at first, the same until it is there. */
    passwordToSet(machineId: number): string {
      const present = loginOf.get(machineId);
      if (present) return secrets.open(present.password);
      const password = newBmcPassword();
      putLogin.run(machineId, secrets.seal(password));
      return password;
    },
    /** The task says that it is there: the password, which is not set again. Undefined when none was made up. */
    passwordWasSet(machineId: number): string | undefined {
      const present = loginOf.get(machineId);
      dropLogin.run(machineId);
      return present && secrets.open(present.password);
    },

    /**
     * Seal with the newest key what an earlier one sealed, then forget the earlier ones. Gives how many there were. What no key opens
     * stays as it is: who uses it is told, and the others can be used.
     */
    reseal(): number {
      const count = db.transact(() => {
        const isMeant = (row: { password: Buffer }) => secrets.isOld(row.password) && secrets.canOpen(row.password);
        const links = sealedLinks.all().filter(isMeant);
        for (const row of links) sealLink.run(secrets.seal(secrets.open(row.password)), row.machine_id, row.position);
        const shared = sealedCredentials.all().filter(isMeant);
        for (const row of shared) sealCredential.run(secrets.seal(secrets.open(row.password)), row.name);
        const made = sealedLogins.all().filter(isMeant);
        for (const row of made) putLogin.run(row.machine_id, secrets.seal(secrets.open(row.password)));
        return links.length + shared.length + made.length;
      });
      secrets.forgetOld();
      return count;
    },
  };
}

function toLink(row: LinkRow): KeptLink {
  return {
    machineId: row.machine_id,
    position: row.position,
    driver: row.driver,
    address: row.address,
    port: row.port,
    ...(row.credential !== null ? { credential: row.credential } : {}),
    user: row.user,
    settings: JSON.parse(row.settings) as Record<string, string>,
    learned: JSON.parse(row.learned) as Learned,
    ...(row.refusal !== null ? { refusal: JSON.parse(row.refusal) as Refusal } : {}),
  };
}
