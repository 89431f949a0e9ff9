import type { CipherSuite } from '../wire/rakp.ts';
import { type BmcConsole, type BmcDriver, BmcError, type BmcTarget } from './driver.ts';
import type { Proofs } from './ipmi-attempt.ts';
import { openConsole } from './ipmi-console.ts';
import { createIpmiDriver, type OpenPath, type TimeLimits } from './ipmi-driver.ts';
import { QuirkNotes } from './ipmi-quirks.ts';
import { describeSocketError, Link, PATIENCE, type Patience } from './link.ts';
import { openSession, type Session } from './session.ts';

/** What is known of a BMC from before, and how patient the driver is with it. */
export type IpmiOptions = {
  /** The suite that worked last time, tried first. Without it: 17, then 3. */
  cipherSuite?: CipherSuite;
  /** Told which suite worked when it is not the one remembered: keep it for the next driver's `cipherSuite`. */
  onCipherSuite?: (suite: CipherSuite) => void;
  patience?: Patience;
  limits?: TimeLimits;
  /** Between two signs of life in a console in which nothing is typed; 25 s by default. */
  keepAliveMs?: number;
};

/** The path of a session of ours. */
type SessionPath = OpenPath & { session: Session };

/**
 * A driver for one BMC over RMCP+, a fresh session for each operation. Between two operations it holds nothing: no socket,
 * no timer, no slot of the BMC. What it remembers is the cipher suite that worked, and how the BMC proves who it is.
 *
 * `powerState()` is what polling asks, and costs 10 datagrams, both ways counted: Open Session 2, RAKP 1 to 4, Get Chassis
 * Status 2, Close Session 2; the first time 2 more, for the capabilities of the channel. Status needs no more privilege
 * than a session begins with. There is no safe way to poll with fewer. A session that stays open between polls takes one
 * of the BMC's 4 to 16 slots away from people for good, and most BMCs drop it after a minute anyway (6.12.15). Outside of
 * a session a BMC tells no power state (appendix G). To log out without waiting for the answer saves no datagram, and
 * takes a slot for a minute whenever that one is lost.
 *
 * Every call ends, whatever the BMC does: see TimeLimits. A BMC that says nothing at all is given up after 6.5 to 9 s, the
 * first time and after it was lost 1.5 to 3 s later, for the capabilities; one whose address or port is known to be
 * unused, after about a second.
 */
export function openIpmi(target: BmcTarget, options: IpmiOptions = {}): BmcDriver {
  const patience = options.patience ?? PATIENCE;
  const notes = new QuirkNotes();
  let lastSuite = options.cipherSuite;
  let isKnown = false;
  let proofs: Proofs | undefined;

  async function open(limitMs: number): Promise<SessionPath> {
    const link = await Link.open(target.address, target.port, limitMs).catch((error: Error) => {
      throw new BmcError('unreachable', target, describeSocketError(error));
    });
    try {
      const suites: CipherSuite[] = lastSuite === 3 ? [3, 17] : [17, 3];
      const session = await openSession(link, target, { suites, isKnown, patience, notes, ...(proofs && { proofs }) });
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
      isKnown = true;
      const ask: OpenPath['ask'] = (command, request, lun) => session.ask(command, request, lun);
      return { target, session, guid: session.guid, ask, close };
    } catch (error) {
      isKnown = false;
      link.close();
      throw error;
    }
  }

  async function openSessionConsole({ session, close }: SessionPath): Promise<BmcConsole> {
    try {
      const { keepAliveMs } = options;
      return await openConsole(session, { patience, release: close, ...(keepAliveMs && { keepAliveMs }) });
    } catch (error) {
      await close();
      throw error;
    }
  }

  return createIpmiDriver(target, { open, openConsole: openSessionConsole, notes, limits: options.limits });
}
