import { type Answer, isSuccess } from './answer.ts';
import type { Read } from './client.ts';
import type { Talk } from './discover.ts';
import { textsAt } from './json.ts';

/** Puts the machine's lamp on or out: on its System, else on its chassis. */
export async function setLamp({ client, site }: Talk, isLit: boolean): Promise<void> {
  let refused: Answer | undefined;
  for (const path of [site.system, ...site.chassis]) {
    const read = await client.find(path);
    const change = read && lampChange(read, isLit);
    if (!read || !change) continue;
    const answer = await client.patch(read, change);
    if (isSuccess(answer)) return;
    refused ??= answer;
  }
  throw refused ? client.refusal(refused, 'the identify lamp') : client.error('unsupported', 'has no identify lamp');
}

/** LocationIndicatorActive is the newer one; IndicatorLED is deprecated since 2020.3, and the only one of older BMCs. */
function lampChange({ resource }: Read, isLit: boolean): Record<string, unknown> | undefined {
  if (typeof resource.LocationIndicatorActive === 'boolean') return { LocationIndicatorActive: isLit };
  if (typeof resource.IndicatorLED !== 'string') return undefined;
  const allowed = textsAt(resource, 'IndicatorLED@Redfish.AllowableValues') ?? ['Blinking', 'Lit', 'Off'];
  const lit = allowed.includes('Blinking') ? 'Blinking' : 'Lit';
  return { IndicatorLED: isLit ? lit : 'Off' };
}
