import type { Client } from './client.ts';

/** What a command works with: the API, which is looked for when it is first asked, and where lines are said. */
export type Cli = { client: () => Client; say: (line: string) => void };
