import type { Api } from './server.ts';

/** Placeholder until the page below is added. */
export function addPage(_app: Api): void {}
