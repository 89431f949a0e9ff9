import type { TestEvent } from 'node:test/reporters';

/** Writes `PASSED FAILED SKIPPED` of one run, for the closing line of scripts/test. Suites are not counted, their tests are. */
export default async function* count(events: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  let passed = 0;
  let failed = 0;
  let skipped = 0;
  for await (const event of events) {
    if (event.type !== 'test:pass' && event.type !== 'test:fail') continue;
    const { details, skip } = event.data;
    // a file that breaks down, or a hook that throws, is told as a failed suite: it must not pass as nothing
    if (details.type === 'suite' && event.type === 'test:pass') continue;
    if (skip !== undefined && skip !== false) skipped++;
    else if (event.type === 'test:pass') passed++;
    else failed++;
  }
  yield `${passed} ${failed} ${skipped}\n`;
}
