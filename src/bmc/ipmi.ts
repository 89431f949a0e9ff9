import type { CipherSuite } from '../wire/rakp.ts';
import { type BmcConsole, type BmcDriver, BmcError, type BmcTarget } from './driver.ts';
import { openConsole } from './ipmi-console.ts';
import { createIpmiDriver, type OpenPath } from './ipmi-driver.ts';
import type { Proofs } from './ipmi-login.ts';
import { QuirkNotes } from './ipmi-quirks.ts';
import { describeSocketError, Link, PATIENCE, type Patience } from './link.ts';
import { openSession, type Session } from './session.ts';

export type IpmiOptions = {
  /** The suite that worked last time, tried first. Without it: 17, then 3. */
  cipherSuite?: CipherSuite;
  /** Told which suite worked when it is not the one remembered: keep it for the next driver's `cipherSuite`. */
  onCipherSuite?: (suite: CipherSuite) => void;
  patience?: Patience;
  /** Between two signs of life in a console in which nothing is typed; 25 s by default. */
  keepAliveMs?: number;
};

/** The path of a session of ours. */
type SessionPath = OpenPath & { session: Session };

/** A driver for one BMC over RMCP+, a fresh session for each operation. It opens nothing until it is asked something. */
export function openIpmi(target: BmcTarget, options: IpmiOptions = {}): BmcDriver {
  const patience = options.patience ?? PATIENCE;
  const notes = new QuirkNotes();
  let lastSuite = options.cipherSuite;
  let proofs: Proofs | undefined;

  async function open(): Promise<SessionPath> {
    const link = await Link.open(target.address, target.port).catch((error: Error) => {
      throw new BmcError('unreachable', target, describeSocketError(error));
    });
    try {
      const suites: CipherSuite[] = lastSuite === 3 ? [3, 17] : [17, 3];
      const session = await openSession(link, target, { suites, patience, notes, ...(proofs && { proofs }) });
      const close = async () => {
        await session.close();
        link.close();
      };
      proofs = session.proofs;
      try {
        if (session.suite !== lastSuite) options.onCipherSuite?.(session.suite);
      } catch (error) {
        await session.close(); // a listener that fails must not leave a session behind
        throw error;
      }
      lastSuite = session.suite;
      const ask: OpenPath['ask'] = (command, request, lun) => session.ask(command, request, lun);
      return { target, session, guid: session.guid, ask, close };
    } catch (error) {
      link.close();
      throw error;
    }
  }

  async function openSessionConsole({ session, close }: SessionPath): Promise<BmcConsole> {
    try {
      const { keepAliveMs } = options;
      const retryMs = patience.firstMs;
      return await openConsole(session, { retryMs, release: close, ...(keepAliveMs && { keepAliveMs }) });
    } catch (error) {
      await close();
      throw error;
    }
  }

  return createIpmiDriver(target, { open, openConsole: openSessionConsole, notes });
}
