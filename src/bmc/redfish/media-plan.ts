import { type Answer, messagesOf } from './answer.ts';
import type { Read } from './client.ts';
import { pathOf, type Resource, textAt, textsAt, valueAt } from './json.ts';

/** A virtual drive. Without an action it is written to. */
export type Slot = { read: Read; insert: string | undefined; eject: string | undefined };

/** The slots that can hold an image of a CD or a DVD: those with an action to insert it first, for others may be for consoles only. */
export function chooseSlots(reads: readonly Read[]): Slot[] {
  const slots = reads.filter(({ resource }) => isDisc(resource)).map(slotOf);
  return [...slots.filter(({ insert }) => insert), ...slots.filter(({ insert }) => !insert)];
}

function isDisc(resource: Resource): boolean {
  const types = textsAt(resource, 'MediaTypes') ?? [];
  return types.length === 0 || types.includes('CD') || types.includes('DVD');
}

function slotOf(read: Read): Slot {
  const target = (action: string) => pathOf(valueAt(read.resource, 'Actions', `#VirtualMedia.${action}`, 'target'));
  return { read, insert: target('InsertMedia'), eject: target('EjectMedia') };
}

/** Whether something is in. Some BMCs have no Inserted and tell by the name of the image alone. */
export function isOccupied(resource: Resource): boolean {
  const inserted = valueAt(resource, 'Inserted');
  if (typeof inserted === 'boolean') return inserted;
  return textAt(resource, 'Image') !== '' || textAt(resource, 'ImageName') !== '';
}

/** Whether this image is in. A BMC may leave out a URL's query and its credentials, or the URL. */
export function isImageIn(resource: Resource, url: string): boolean {
  if (!isOccupied(resource)) return false;
  const image = valueAt(resource, 'Image');
  if (typeof image !== 'string' || image === '' || image === url) return true;
  const nameOf = (text: string) => text.split(/[?#]/, 1)[0]?.split('/').at(-1) ?? '';
  return nameOf(image) === nameOf(url);
}

/** What InsertMedia is given. DSP0268 VirtualMedia: Inserted and WriteProtected are true when they are left out. */
export function insertBody(url: string, namesProtocol: boolean): Record<string, unknown> {
  return namesProtocol ? { Image: url, TransferProtocolType: protocolOf(url) } : { Image: url };
}

function protocolOf(url: string): string {
  return (/^([a-z]+):/i.exec(url)?.[1] ?? 'http').toUpperCase();
}

/** Parameters that a BMC may miss in InsertMedia (R15e), with what it is then given. */
const MISSING: readonly { name: string; fill: (url: string) => Record<string, unknown> }[] = [
  { name: 'TransferProtocolType', fill: (url) => ({ TransferProtocolType: protocolOf(url) }) },
  { name: 'TransferMethod', fill: () => ({ TransferMethod: 'Stream' }) },
  { name: 'UserName', fill: () => ({ UserName: 'none', Password: 'none' }) },
  { name: 'Inserted', fill: () => ({ Inserted: true }) },
  { name: 'WriteProtected', fill: () => ({ WriteProtected: true }) },
];

/** The body with what this refusal says is missing; undefined when it says nothing of the kind. */
export function completeBody(body: Readonly<Record<string, unknown>>, refusal: Answer, url: string) {
  const words = messagesOf(refusal)
    .filter(({ id, text }) => /Missing|GeneralError/.test(id) || /missing|required?/i.test(text))
    .flatMap(({ text, about }) => [text, ...about]);
  const missing = MISSING.find(({ name }) => !Object.hasOwn(body, name) && words.some((one) => one.includes(name)));
  return missing && { ...body, ...missing.fill(url) };
}
