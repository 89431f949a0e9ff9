import { chownSync, lstatSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';

type Account = { uid: number; gid: number };

/**
 * Give up root for an unprivileged user, for good: the sockets are open, nothing else needs it. Gives the sentence for the log:
 * who it runs as now, or why it has to stay root.
 */
export function dropPrivileges(
  user: string,
  needs: { own: string; read: string[] },
): { dropped: boolean; text: string } {
  if (process.getuid?.() !== 0) return { dropped: true, text: `runs as uid ${process.getuid?.()}` };
  const account = findAccount(user);
  if (!account) return { dropped: false, text: `stays root: there is no user ${user} (scripts/setup makes it)` };
  const wallBefore = findWall(needs.own, account);
  if (!wallBefore) giveTo(needs.own, account);
  const wall =
    wallBefore ?? needs.read.map((folder) => findWall(join(folder, 'file'), account)).find((one) => one !== undefined);
  if (wall)
    return {
      dropped: false,
      text: `stays root: user ${user} may not enter ${wall}; keep Firstlight where others may read, such as /opt or /srv`,
    };
  process.setgroups?.([account.gid]);
  process.setgid?.(account.gid);
  process.setuid?.(account.uid);
  return { dropped: true, text: `runs as user ${user}, without any privilege` };
}

function findAccount(user: string): Account | undefined {
  const line = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .find((one) => one.startsWith(`${user}:`));
  const [, , uid, gid] = line?.split(':') ?? [];
  return uid !== undefined && gid !== undefined ? { uid: Number(uid), gid: Number(gid) } : undefined;
}

/** The first folder on the way to (and above) `path` that this account cannot pass; undefined when there is none. */
function findWall(path: string, account: Account): string | undefined {
  const above = dirname(path);
  if (above !== path) {
    const wall = findWall(above, account);
    if (wall) return wall;
  }
  try {
    const { mode, uid, gid } = statSync(above);
    const bits = uid === account.uid ? mode >> 6 : gid === account.gid ? mode >> 3 : mode;
    return (bits & 1) === 1 ? undefined : above;
  } catch {
    return undefined; // what is not there is no wall; its absence is told where it is needed
  }
}

/** The folder and what is in it, except links, belong to the account from now on. */
function giveTo(folder: string, account: Account): void {
  chownSync(folder, account.uid, account.gid);
  for (const name of readdirSync(folder)) {
    const path = join(folder, name);
    const file = lstatSync(path);
    if (file.isDirectory()) giveTo(path, account);
    else if (file.isFile()) chownSync(path, account.uid, account.gid);
  }
}
