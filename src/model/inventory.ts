import { type Static, Type } from 'typebox';

const text = Type.String({ maxLength: 256 });
const count = Type.Integer({ minimum: 0 });

/** What a scout found in a machine. Sizes are bytes; unknown texts are ''. */
export const Inventory = Type.Object({
  vendor: text,
  model: text,
  serial: text,
  uuid: text,
  firmware: Type.Union([Type.Literal('bios'), Type.Literal('uefi')]),
  secureBoot: Type.Boolean(),
  cpu: Type.Object({ model: text, sockets: count, cores: count, threads: count }),
  memoryBytes: count,
  disks: Type.Array(
    Type.Object({
      name: text,
      path: text,
      model: text,
      serial: text,
      wwn: text,
      sizeBytes: count,
      rotational: Type.Boolean(),
      transport: text,
      removable: Type.Boolean(),
      /** Nothing stands at its beginning: no partition table, no boot sector, no file system. */
      blank: Type.Boolean(),
    }),
    { maxItems: 1024 },
  ),
  nics: Type.Array(
    Type.Object({
      name: text,
      mac: text,
      link: Type.Boolean(),
      speedMbps: Type.Union([count, Type.Null()]),
      driver: text,
    }),
    { maxItems: 256 },
  ),
  /** Of a BMC that is known only by the firmware's tables, the texts are empty. */
  bmc: Type.Union([Type.Object({ address: text, mac: text, vendor: Type.Optional(text) }), Type.Null()]),
});
export type Inventory = Static<typeof Inventory>;
