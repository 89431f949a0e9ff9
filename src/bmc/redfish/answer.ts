import type { IncomingHttpHeaders } from 'node:http';
import type { BmcErrorKind } from '../driver.ts';
import { cleanText, partAt, partsAt, type Resource, textAt, textsAt } from './json.ts';

/** What a BMC answered to one request. `resource` is {} when the body was empty or said nothing that we can read. */
export type Answer = { status: number; headers: IncomingHttpHeaders; resource: Resource };

/** One message of a refusal: `Base.1.8.PropertyMissing`, its sentence, and the properties that it is about. */
export type Message = { id: string; text: string; about: string[] };

/** Whether the BMC did what it was asked, or began to. */
export const isSuccess = (answer: Answer): boolean => answer.status >= 200 && answer.status < 300;

/** The messages of an answer (DSP0266, "Error responses"; older firmware puts them at the top). */
export function messagesOf(answer: Answer): Message[] {
  const error = partAt(answer.resource, 'error');
  const listed = [
    ...partsAt(error, '@Message.ExtendedInfo'),
    ...partsAt(answer.resource, '@Message.ExtendedInfo'),
    ...partsAt(answer.resource, 'Messages'), // HPE iLO 4
  ];
  const messages = listed.slice(0, 16).map((one) => ({
    id: textAt(one, 'MessageId') || textAt(one, 'MessageID'),
    text: textAt(one, 'Message'),
    about: [...(textsAt(one, 'RelatedProperties') ?? []), ...(textsAt(one, 'MessageArgs') ?? [])],
  }));
  const general = { id: textAt(error, 'code'), text: textAt(error, 'message'), about: [] };
  return general.id === '' && general.text === '' ? messages : [...messages, general];
}

/** Whether a message of the answer has this word in its id: `SYS518`, `PropertyMissing`. Registries differ in their prefix. */
export function says(answer: Answer, word: string): boolean {
  return messagesOf(answer).some((message) => message.id.includes(word));
}

/** Refusals that mean more than their status, by the id of a message or by its words. First match wins. */
const MEANINGS: readonly { kind: BmcErrorKind; ids: RegExp; words?: RegExp; statuses?: readonly number[] }[] = [
  {
    kind: 'no-session-slot',
    ids: /SessionLimitExceeded|CreateLimitReachedForResource|RAC0218/,
    words: /maximum number of (user )?sessions|session limit/i,
  },
  { kind: 'busy', ids: /SYS518|UnableToModifyDuringSystemPOST|ServiceTemporarilyUnavailable|ServiceInUnknownState/ },
  { kind: 'privilege', ids: /InsufficientPrivilege|PasswordChangeRequired|AccessDenied/, statuses: [400, 403] },
  { kind: 'wrong-password', ids: /ResourceAtUriUnauthorized|UnauthorizedLoginAttempt/, statuses: [400] },
  {
    kind: 'unsupported',
    ids: /ActionNotSupported|PropertyUnknown|PropertyNotWritable|ActionParameterNotSupported|NotInList|QueryNotSupported/,
    statuses: [400, 405],
  },
];

const BY_STATUS: Readonly<Record<number, BmcErrorKind>> = {
  401: 'wrong-password',
  403: 'privilege',
  404: 'unsupported',
  405: 'unsupported',
  410: 'unsupported',
  429: 'busy',
  501: 'unsupported',
  502: 'busy',
  503: 'busy',
  504: 'busy',
};

/** What a refusal means for whoever has to do something about it. */
export function meaningOf(answer: Answer): BmcErrorKind {
  const messages = messagesOf(answer);
  const meaning = MEANINGS.find(
    ({ ids, words, statuses }) =>
      (statuses === undefined || statuses.includes(answer.status)) &&
      messages.some(({ id, text }) => ids.test(id) || words?.test(text)),
  );
  if (meaning) return meaning.kind;
  return BY_STATUS[answer.status] ?? (answer.status >= 500 || answer.status < 400 ? 'protocol' : 'refused');
}

/**
 * What a refusal of the login itself means. By DSP0266 (status codes) a 403 is for a user who is known and may not do this, or has to
 * change the password. Not every BMC keeps to that, and sushy takes a 403 as it takes a 401; so it does not count as a wrong password
 * only where the BMC says that it is none: one that is tried again and again locks the account.
 */
export function loginMeaningOf(answer: Answer): BmcErrorKind {
  const meaning = meaningOf(answer);
  const knowsUser = says(answer, 'InsufficientPrivilege') || says(answer, 'PasswordChangeRequired');
  return meaning === 'privilege' && !knowsUser ? 'wrong-password' : meaning;
}

/**
 * What a BMC said against a request, as the rest of a sentence without its full stop. What is secret is struck out, for some
 * BMCs repeat what they were sent.
 */
export function describeRefusal(answer: Answer, what: string, secrets: readonly string[]): string {
  const messages = messagesOf(answer).filter((message) => message.text !== '' || message.id !== '');
  const specific = messages.find((message) => !/GeneralError$/.test(message.id)) ?? messages[0];
  // Struck out before it is cut, for half a secret would not be found.
  const words = specific && cleanText(strikeOut(specific.text || specific.id, secrets), 300).replace(/[.\s]+$/, '');
  return strikeOut(`answered ${what} with ${answer.status}${words ? ` (${words})` : ''}`, secrets);
}

/** The text without these secrets, also as they look when they are made one line. */
export function strikeOut(text: string, secrets: readonly string[]): string {
  return secrets
    .flatMap((secret) => [secret, cleanText(secret)])
    .filter((secret) => secret.length > 2)
    .sort((one, other) => other.length - one.length)
    .reduce((rest, secret) => rest.replaceAll(secret, '…'), text);
}
