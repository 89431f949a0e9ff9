import { answer, type Json, refuse, type SimAnswer, type SimRequest } from './redfish-answer.ts';
import type { FaultRow } from './redfish-faults.ts';
import { without } from './redfish-faults-shape.ts';
import { ROOT, SESSIONS } from './redfish-paths.ts';

const isGet = (request: SimRequest) => request.method === 'GET';
const isLogin = (request: SimRequest) => request.method === 'POST' && request.path === SESSIONS;
const withBody = (given: SimAnswer, change: Json): SimAnswer => ({
  ...given,
  body: { ...(given.body as Json), ...change },
});

/** How the service itself goes wrong: connections, logins, ETags, bodies, pages. */
export const SERVICE_FAULTS = {
  reset: { what: 'closes the connection, with nothing done', before: () => 'reset' },
  'reset-after': { what: 'does it and closes the connection', after: () => 'reset' },
  hang: { what: 'does not answer', before: () => 'hang' },
  slow: { what: 'takes `ms` for each answer' },
  status: {
    what: 'answers with `status`, the message `id` and `text`, with nothing done',
    before: (_, { status = 503, id = 'GeneralError', text = 'It went wrong.' }) => refuse(status, id, text),
  },
  'retry-after': {
    what: 'answers 503 and says to come back in `count` seconds',
    before: (_, { count = 1 }) => ({
      ...refuse(503, 'ServiceTemporarilyUnavailable', 'The service is busy.', [String(count)]),
      headers: { 'Retry-After': String(count) },
    }),
  },

  'no-sessions': {
    what: 'has no session service (R20)',
    before: ({ path }) =>
      path.startsWith(`${ROOT}/SessionService`) ? refuse(404, 'ResourceMissingAtURI', 'Not there.') : undefined,
    after: (given, { path }) =>
      path === ROOT ? { ...given, body: without(given.body as Json, 'SessionService', 'Links') } : undefined,
  },
  'sessions-full': {
    what: 'has no session left (iDRAC’s words for it)',
    before: (request) =>
      isLogin(request)
        ? refuse(503, 'IDRAC.2.4.RAC0218', 'The maximum number of user sessions is reached.')
        : undefined,
  },
  'sessions-broken': {
    what: 'opens sessions and honours none',
    before: ({ headers, method }) =>
      headers['x-auth-token'] && method !== 'DELETE'
        ? refuse(401, 'NoValidSession', 'There is no valid session.')
        : undefined,
  },
  'token-expires': {
    what: 'forgets a session after `count` requests',
    before: (request, { count = 3 }, { sessions }) => {
      sessions.wear(request, count);
      return undefined;
    },
  },
  'no-token': {
    what: 'opens a session and gives no token for it',
    after: (given, request) =>
      isLogin(request) ? { ...given, headers: without(given.headers, 'X-Auth-Token') as never } : undefined,
  },
  'session-elsewhere': {
    what: 'names itself by another name in the Location of a session',
    after: (given, request) =>
      isLogin(request)
        ? { ...given, headers: { ...given.headers, Location: `https://bmc.example${given.headers.Location}` } }
        : undefined,
  },
  'no-basic': {
    what: 'refuses Basic',
    before: ({ headers }) =>
      headers.authorization ? refuse(401, 'ResourceAtUriUnauthorized', 'Basic is off.') : undefined,
  },
  'root-closed': {
    what: 'wants a login for its service root',
    before: ({ path, headers }) =>
      path === ROOT && !headers['x-auth-token'] && !headers.authorization
        ? refuse(401, 'NoValidSession', 'Log in.')
        : undefined,
  },
  'password-told': {
    what: 'repeats the password in its refusal of a login',
    before: (request) =>
      isLogin(request)
        ? refuse(403, 'AccessDenied', `Denied ${request.body.UserName} with ${request.body.Password}`)
        : undefined,
  },

  'weak-etag': {
    what: 'gives weak ETags and takes strong ones only (R2, R3)',
    before: ({ headers }) => (String(headers['if-match'] ?? '').startsWith('W/') ? stale() : undefined),
    after: (given) =>
      given.headers.ETag ? { ...given, headers: { ...given.headers, ETag: `W/${given.headers.ETag}` } } : undefined,
  },
  'etag-refused': {
    what: 'refuses every ETag (R3)',
    before: ({ headers }) => (headers['if-match'] === undefined ? undefined : stale()),
  },
  'etag-empty': {
    what: 'gives empty ETags, and takes none (R3)',
    before: ({ headers }) => (headers['if-match'] === undefined ? undefined : stale()),
    after: (given) =>
      given.headers.ETag
        ? { ...withBody(given, { '@odata.etag': '' }), headers: { ...given.headers, ETag: '""' } }
        : undefined,
  },
  'etag-needed': {
    what: 'wants an ETag for each change',
    before: ({ method, headers }) =>
      method === 'PATCH' && headers['if-match'] === undefined
        ? refuse(428, 'PreconditionRequired', 'If-Match is missing.')
        : undefined,
  },
  'no-identity': {
    what: 'refuses the encoding "identity", and packs what is asked for without it (R2)',
    before: ({ headers }) => (headers['accept-encoding'] === 'identity' ? answer(406) : undefined),
    after: (given) => ({ ...given, headers: { ...given.headers, 'Content-Encoding': 'gzip' } }),
  },

  'slash-redirect': {
    what: 'sends every path without a slash at its end to the one with it',
    before: ({ url }) =>
      url.endsWith('/') || url.includes('?') ? undefined : answer(308, undefined, { Location: `${url}/` }),
  },
  redirect: {
    what: 'sends to `text` with `status`',
    before: (_, { status = 307, text = '/' }) => answer(status, undefined, { Location: text }),
  },

  'no-expand': {
    what: 'says that it can expand collections, and fails over it',
    before: ({ url }) => (url.includes('$expand') ? refuse(501, 'QueryNotSupported', 'Not here.') : undefined),
  },
  'expand-unsaid': {
    what: 'does not say that it can expand collections',
    after: (given, { path }) =>
      path === ROOT ? { ...given, body: without(given.body as Json, 'ProtocolFeaturesSupported') } : undefined,
  },
  pages: {
    what: 'gives collections `count` members at a time',
    after: (given, request, { count = 1 }) => pageOf(given, request, count),
  },
  'endless-pages': {
    what: 'has another page after each page',
    after: (given, request) => {
      if (!isGet(request) || !Array.isArray((given.body as Json | undefined)?.Members)) return undefined;
      const next = Number(/skip=(\d+)/.exec(request.url)?.[1] ?? 0) + 1;
      return withBody(given, { 'Members@odata.nextLink': `${request.path}?$skip=${next}` });
    },
  },
  body: {
    what: 'answers GET with the bytes of `text`',
    after: (given, request, { text = '' }) => (isGet(request) ? { ...given, body: Buffer.from(text) } : undefined),
  },
  junk: {
    what: 'answers GET with every eighth value replaced by another, by chance that starts at `count`',
    after: (given, request, { count = 0 }) =>
      isGet(request) && !Buffer.isBuffer(given.body)
        ? { ...given, body: junkOf(given.body, makeChance(count)) }
        : undefined,
  },
  flood: {
    what: 'answers GET with `count` megabytes of JSON',
    after: (given, request, { count = 8 }) =>
      isGet(request) ? withBody(given, { Oem: 'x'.repeat(count * 1024 * 1024) }) : undefined,
  },
} satisfies Record<string, FaultRow>;

function stale(): SimAnswer {
  return refuse(412, 'PreconditionFailed', 'The ETag does not match.');
}

function pageOf(given: SimAnswer, request: SimRequest, size: number): SimAnswer | undefined {
  const members = (given.body as Json | undefined)?.Members;
  if (!isGet(request) || !Array.isArray(members)) return undefined;
  const skip = Number(/skip=(\d+)/.exec(request.url)?.[1] ?? 0);
  const page = { Members: members.slice(skip, skip + size) };
  const isLast = skip + size >= members.length;
  return withBody(given, isLast ? page : { ...page, 'Members@odata.nextLink': `${request.path}?$skip=${skip + size}` });
}

const JUNK = [
  null,
  true,
  -1,
  1e308,
  '',
  'x',
  '\u0000\u202e\n',
  '/redfish/v1/Systems',
  [],
  [[]],
  [null, 'x', {}],
  {},
  { '@odata.id': 7 },
];

function junkOf(value: unknown, chance: () => number): unknown {
  if (chance() < 1 / 8) return JUNK[Math.floor(chance() * JUNK.length)];
  if (Array.isArray(value)) return value.map((one) => junkOf(one, chance));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, junkOf(one, chance)]));
}

/** Chance that can be had again: numbers from 0 to 1 that follow from a seed (the generator of Park and Miller). */
function makeChance(seed: number): () => number {
  let state = (seed % 2147483646) + 1;
  return () => {
    state = (state * 48271) % 2147483647;
    return state / 2147483647;
  };
}
