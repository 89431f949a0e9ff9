import type { ParamDeclarations } from '../model/params.ts';
import type { Db } from './db.ts';

/** Where an option can be set; a later one counts before an earlier one. */
export const OPTION_SCOPES = ['global', 'subnet', 'profile', 'reservation', 'machine'] as const;
export type OptionScope = (typeof OPTION_SCOPES)[number];

/** One option as a person set it: by its name, with the value as JSON; `force`: sent to those too who did not ask. */
export type OptionSetting = { scope: OptionScope; scopeId: string; name: string; value: unknown; force: boolean };

/** An option code that is ours to define: its name and the shape of its value. */
export type CustomOptionRow = { code: number; name: string; shape: string };

type Row = { scope: OptionScope; scope_id: string; name: string; value: string; force: number };

/**
 * The DHCP options that people set: on disk, and in memory by scope. `revision` counts the changes; `declarations` are those of
 * the params that a value may name.
 */
export type OptionSettings = ReturnType<typeof openOptionSettings>;

export function openOptionSettings(db: Db, declarations: () => ParamDeclarations) {
  const all = db.sql.prepare<[], Row>('SELECT * FROM dhcp_option ORDER BY scope, scope_id, name');
  const put = db.sql.prepare(`
    INSERT INTO dhcp_option (scope, scope_id, name, value, force) VALUES (?, ?, ?, ?, ?)
    ON CONFLICT (scope, scope_id, name) DO UPDATE SET value = excluded.value, force = excluded.force`);
  const remove = db.sql.prepare('DELETE FROM dhcp_option WHERE scope = ? AND scope_id = ? AND name = ?');
  const customs = db.sql.prepare<[], CustomOptionRow>('SELECT code, name, shape FROM dhcp_custom_option ORDER BY code');
  const putCustom = db.sql.prepare(`
    INSERT INTO dhcp_custom_option (code, name, shape) VALUES (?, ?, ?)
    ON CONFLICT (code) DO UPDATE SET name = excluded.name, shape = excluded.shape`);
  const removeCustom = db.sql.prepare('DELETE FROM dhcp_custom_option WHERE code = ?');

  let revision = 0;
  let settings: OptionSetting[] = [];
  let custom: CustomOptionRow[] = [];
  const byScope = new Map<string, OptionSetting[]>();
  reload();
  db.onRollback(reload);

  function reload(): void {
    revision++;
    settings = all.all().map((row) => ({
      scope: row.scope,
      scopeId: row.scope_id,
      name: row.name,
      value: JSON.parse(row.value) as unknown,
      force: row.force === 1,
    }));
    custom = customs.all();
    byScope.clear();
    for (const setting of settings) {
      const key = `${setting.scope} ${setting.scopeId}`;
      byScope.set(key, [...(byScope.get(key) ?? []), setting]);
    }
  }

  function putAll(wanted: readonly OptionSetting[]): void {
    for (const { scope, scopeId, name, value, force } of wanted)
      put.run(scope, scopeId, name, JSON.stringify(value), force ? 1 : 0);
    reload();
  }

  return {
    reload,
    declarations,
    revision: (): number => revision,
    all: (): readonly OptionSetting[] => settings,
    of: (scope: OptionScope, scopeId: string): readonly OptionSetting[] => byScope.get(`${scope} ${scopeId}`) ?? [],
    custom: (): readonly CustomOptionRow[] => custom,
    put: (setting: OptionSetting): void => putAll([setting]),
    putAll,
    remove(scope: OptionScope, scopeId: string, name: string): boolean {
      const isGone = remove.run(scope, scopeId, name).changes > 0;
      reload();
      return isGone;
    },
    putCustom(option: CustomOptionRow): void {
      putCustom.run(option.code, option.name, option.shape);
      reload();
    },
    removeCustom(code: number): boolean {
      const isGone = removeCustom.run(code).changes > 0;
      reload();
      return isGone;
    },
  };
}
