/**
 * Preloaded into every test file: one whose tests are over, but which something keeps from ending (a process, a socket, a timer),
 * fails and says so. Node's own --test-timeout does not end such a file.
 */
import { after } from 'node:test';

const PATIENCE_MS = 20_000;

/** Set by Node in the process of a test file, not in the one that runs the files. */
if (process.env.NODE_TEST_CONTEXT?.startsWith('child')) {
  after(() => {
    setTimeout(() => {
      const left = process.getActiveResourcesInfo().join(', ');
      console.error(`all tests of ${process.argv[1]} are over, but it does not end; left in it: ${left}`);
      process.exit(1);
    }, PATIENCE_MS).unref();
  });
}
