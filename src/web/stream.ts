import type { Event } from './shapes.ts';

/**
 * Takes the text of a server-sent event stream as it arrives, cut anywhere, and gives the events that are complete.
 * EventSource would do this, but cannot send the token in a header.
 */
export function eventReader(): (chunk: string) => Event[] {
  let rest = '';
  return (chunk) => {
    const blocks = (rest + chunk).split('\n\n');
    rest = blocks.pop() ?? '';
    return blocks.flatMap((block) => {
      const data = block.split('\n').find((line) => line.startsWith('data: '));
      return data === undefined ? [] : [JSON.parse(data.slice('data: '.length)) as Event];
    });
  };
}
