import { Type } from 'typebox';

/** For a body or query that has no other fields than those of its schema: a typing error must not pass in silence. */
export const strict = { additionalProperties: false };

/** The path of what has a name: a machine's may be one of its MACs, a subnet's its CIDR. */
export const ByName = Type.Object({ name: Type.String() });

/** Values of params by their names; what each may be is said by its declaration in the content. */
export const Params = Type.Record(Type.String(), Type.Unknown());
