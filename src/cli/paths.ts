/** Where the API has a machine. */
export function machinePath(name: string): string {
  return `/api/v1/machines/${encodeURIComponent(name)}`;
}

/** `?a=1&b=2` of what is there, '' for nothing. */
export function queryOf(wanted: Readonly<Record<string, string | number | undefined>>): string {
  const query = new URLSearchParams(
    Object.entries(wanted).flatMap(([name, value]): [string, string][] =>
      value === undefined ? [] : [[name, String(value)]],
    ),
  ).toString();
  return query === '' ? '' : `?${query}`;
}
