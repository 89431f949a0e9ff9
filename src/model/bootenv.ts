import { type Static, Type } from 'typebox';

const word = Type.String({ pattern: '^[a-z0-9][a-z0-9.-]*$', maxLength: 63 });
const assetPath = Type.String({
  pattern: '^[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)+$',
  maxLength: 200,
});
const templatePath = Type.String({ pattern: '^[a-z0-9-]+(/[A-Za-z0-9._-]+)+\\.hbs$' });

const KernelAndInitrds = Type.Object(
  { kernel: assetPath, initrds: Type.Array(assetPath, { minItems: 1 }) },
  { additionalProperties: false },
);

/**
 * What a machine can boot, as written in `bootenvs/NAME.yaml`.
 * `scout`: our discovery Linux. `installer`: a kernel that installs by answers we render. `image`: the scout writes a
 * disk image. `local`: the machine's own disk.
 */
export const Bootenv = Type.Object(
  {
    name: word,
    description: Type.String(),
    kind: Type.Union([Type.Literal('scout'), Type.Literal('installer'), Type.Literal('image'), Type.Literal('local')]),
    /** Kernel and initrds per architecture, as `FOLDER/FILE` below the assets folder. */
    arch: Type.Optional(
      Type.Object(
        { x64: Type.Optional(KernelAndInitrds), arm64: Type.Optional(KernelAndInitrds) },
        { additionalProperties: false },
      ),
    ),
    /** The kernel's arguments, a template. */
    arguments: Type.Optional(Type.String()),
    /** Another bootenv whose kernel is booted instead of one of its own. */
    boots: Type.Optional(word),
    /** More public files, as `FOLDER/FILE` below the assets folder. */
    assets: Type.Optional(Type.Array(assetPath)),
    /** The script the scout runs, for kind `image`. */
    task: Type.Optional(templatePath),
    /** Files rendered for one machine, served only while its ticket is open. */
    files: Type.Optional(Type.Record(Type.String({ pattern: '^[A-Za-z0-9._-]+$' }), templatePath)),
    /** Names of the params that its templates use. */
    params: Type.Optional(Type.Array(Type.String())),
    /** How to get its assets, said to whoever misses them. */
    make: Type.Optional(Type.String()),
  },
  { additionalProperties: false },
);
export type Bootenv = Static<typeof Bootenv>;

/** Whether booting it may write to a disk, and so needs an open install ticket. */
export function writesDisk(bootenv: Bootenv): boolean {
  return bootenv.kind === 'installer' || bootenv.kind === 'image';
}

/** The last part of an asset path: the name under which a machine asks for it. */
export function assetName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}
