import { Type } from 'typebox';
import { ByName, strict } from './schemas.ts';
import type { Api, ApiOptions } from './server.ts';

const NAME = '^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$';
const ByNewName = Type.Object({ name: Type.String({ pattern: NAME }) });
const Credential = Type.Object(
  { user: Type.String({ maxLength: 64 }), password: Type.String({ maxLength: 256 }) },
  strict,
);

/** Users and passwords that many BMCs share, and the key that all passwords are sealed with. No password is ever answered. */
export function addCredentialRoutes(
  app: Api,
  { bmcs, secrets, events }: Pick<ApiOptions, 'bmcs' | 'secrets' | 'events'>,
): void {
  const tell = (text: string): void => void events.emit({ kind: 'credentials.changed', text });

  app.get('/api/v1/credentials', () => bmcs.credentials());
  app.put('/api/v1/credentials/:name', { schema: { params: ByNewName, body: Credential } }, (request, reply) => {
    const { name } = request.params;
    events.settle(() => {
      bmcs.putCredential(name, request.body.user, request.body.password);
      tell(`credential ${name} was set by ${request.operator}, user ${request.body.user}`);
    });
    return reply.code(204).send();
  });
  app.delete('/api/v1/credentials/:name', { schema: { params: ByName } }, (request, reply) => {
    const { name } = request.params;
    events.settle(() => {
      bmcs.removeCredential(name);
      tell(`credential ${name} was removed by ${request.operator}`);
    });
    return reply.code(204).send();
  });
  app.post('/api/v1/secrets/rotate', (request) => {
    secrets.rotate();
    const resealed = bmcs.reseal();
    tell(`${resealed} passwords were sealed with a new key, asked by ${request.operator}`);
    return { resealed };
  });
}
