import { isSuccess } from './answer.ts';
import { readSystem, type Talk } from './discover.ts';
import { linkAt, partAt, textAt } from './json.ts';

/**
 * Tells a Dell what to load by HTTP (R16): its BIOS attributes HttpDev1EnDis and HttpDev1Uri, by a job that the next reset
 * runs. What is so already is not written, for a job lengthens that reset by minutes.
 */
export async function writeDellHttpUri(talk: Talk, uri: string): Promise<void> {
  const { client } = talk;
  const system = await readSystem(talk);
  const bios = await client.find(linkAt(system.resource, 'Bios'));
  const attributes = partAt(bios?.resource ?? {}, 'Attributes');
  if (!bios || !Object.hasOwn(attributes, 'HttpDev1Uri'))
    throw client.error('unsupported', 'cannot be told what to load by HTTP: its BIOS has no attribute HttpDev1Uri');
  client.note('R16');
  const isOn = textAt(attributes, 'HttpDev1EnDis') === 'Enabled';
  if (isOn && attributes.HttpDev1Uri === uri) return;

  const path = linkAt(bios.resource, '@Redfish.Settings', 'SettingsObject');
  const settings = path === undefined ? bios : await client.get(path);
  const answer = await client.patch(settings, {
    '@Redfish.SettingsApplyTime': { ApplyTime: 'OnReset' },
    Attributes: { HttpDev1EnDis: 'Enabled', HttpDev1Uri: uri },
  });
  if (!isSuccess(answer)) throw client.refusal(answer, 'the BIOS attribute HttpDev1Uri');
}
