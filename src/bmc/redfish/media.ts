import type { BmcError } from '../driver.ts';
import { type Answer, isSuccess } from './answer.ts';
import { readBoot, requestBoot } from './boot.ts';
import { readMembers } from './collection.ts';
import type { Talk } from './discover.ts';
import { linkAt, pathOf } from './json.ts';
import { chooseSlots, completeBody, insertBody, isImageIn, isOccupied, type Slot } from './media-plan.ts';
import { followTask } from './task.ts';

const SLOT_LIMIT = 16;
const READ_BACKS = 10;
const READ_BACK_MS = 2000;
/** An iDRAC that is still ejecting fails with 5xx (R15d). */
const INSERT_TRIES = 3;
const INSERT_AGAIN_MS = 3000;

/** Puts the image into the first slot that takes it, and makes it the next boot. Fails when none takes it. */
export async function insertMedia(talk: Talk, url: string): Promise<void> {
  const { client } = talk;
  if (!/^(https?|nfs|cifs|smb):\/\/[\x21-\x7e]+$/i.test(url) || url.length > 1024) {
    const kind = /^[a-z][a-z0-9+.-]{0,20}:/i.exec(url)?.[0] ?? 'no URL';
    throw client.error(
      'unsupported',
      `cannot insert an image from "${kind}"`,
      'Give the URL of an ISO image: http, https, nfs or cifs',
    );
  }
  client.keepSecret(url);
  const slots = await findSlots(talk);
  await ejectAll(talk, slots).catch((error: BmcError) => {
    // What really is in the way shows when the image goes in.
    if (error.kind !== 'refused' && error.kind !== 'busy') throw error;
  });
  let refusal: BmcError | undefined;
  for (const slot of slots) {
    const failed = await tryInsert(talk, slot, url);
    if (!failed) return requestBoot(talk, { device: 'cd', isPersistent: false });
    refusal ??= failed;
    client.note('R15c');
  }
  throw refusal;
}

/** Takes out what is in, and takes back the boot from it. */
export async function ejectMedia(talk: Talk): Promise<void> {
  await ejectAll(talk, await findSlots(talk));
  const boot = await readBoot(talk);
  if (boot.device === 'cd') await requestBoot(talk, { device: 'none', isPersistent: false });
}

/** Below the System since Redfish 2021, below its manager before. */
async function findSlots({ client, site }: Talk): Promise<Slot[]> {
  for (const owner of [site.system, site.manager]) {
    const read = await client.find(owner);
    const path = linkAt(read?.resource ?? {}, 'VirtualMedia');
    const limits = { members: SLOT_LIMIT, canExpand: false };
    const members = (await readMembers(client, path, limits)).map((one) => pathOf(one['@odata.id']));
    const reads = [];
    for (const member of members) {
      const slot = await client.find(member);
      if (slot) reads.push(slot);
    }
    const slots = chooseSlots(reads);
    if (slots.length > 0) return slots;
  }
  throw client.error(
    'unsupported',
    'has no virtual drive that takes an image of a CD',
    'Boot this machine by the network',
  );
}

/** Undefined when the image is in; else why not. Only what is not about this slot fails. */
async function tryInsert(talk: Talk, slot: Slot, url: string): Promise<BmcError | undefined> {
  const { client, site } = talk;
  const what = `the image for ${slot.read.path}`;
  let body = insertBody(url, site.rules.namesProtocol);
  let failures = 0;
  for (;;) {
    const answer = await sendInsert(talk, slot, body);
    if (!answer || isSuccess(answer)) {
      if (answer) await followTask(client, answer, what);
      if (await waitUntil(talk, slot, (resource) => isImageIn(resource, url))) return undefined;
      return client.error('refused', `said yes to ${what}, but the image is not in`);
    }
    const completed = answer.status < 500 ? completeBody(body, answer, url) : undefined;
    if (completed) {
      client.note('R15e');
      body = completed;
      continue;
    }
    failures += 1;
    const isPassing = answer.status >= 500 && answer.status !== 501 && failures < INSERT_TRIES;
    if (!isPassing || !(await client.pause(INSERT_AGAIN_MS))) return client.refusal(answer, what);
    client.note('R15d');
  }
}

async function sendInsert({ client }: Talk, slot: Slot, body: Record<string, unknown>): Promise<Answer | undefined> {
  if (slot.insert !== undefined) return client.post(slot.insert, body);
  client.note('R15b');
  const fresh = await client.get(slot.read.path);
  return client.patch(fresh, { ...body, Inserted: true, WriteProtected: true });
}

async function ejectAll(talk: Talk, slots: readonly Slot[]): Promise<void> {
  for (const slot of slots) if (isOccupied(slot.read.resource)) await eject(talk, slot);
}

async function eject(talk: Talk, slot: Slot): Promise<void> {
  const { client } = talk;
  const what = `the ejection from ${slot.read.path}`;
  const isOut = async () => !isOccupied((await client.get(slot.read.path)).resource);
  const answer =
    slot.eject === undefined
      ? await client.patch(slot.read, { Image: null, Inserted: false })
      : await client.post(slot.eject, {}, isOut); // iLO wants a body
  if (answer && !isSuccess(answer)) throw client.refusal(answer, what);
  if (answer) await followTask(client, answer, what);
  if (await waitUntil(talk, slot, (resource) => !isOccupied(resource))) return;
  throw client.error('refused', `said yes to ${what}, but the image is still in`);
}

async function waitUntil(
  talk: Talk,
  { read }: Slot,
  isSo: (resource: Slot['read']['resource']) => boolean,
): Promise<boolean> {
  for (let reads = 1; ; reads++) {
    if (isSo((await talk.client.get(read.path)).resource)) return true;
    if (reads === READ_BACKS || !(await talk.client.pause(READ_BACK_MS))) return false;
  }
}
