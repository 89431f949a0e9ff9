import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * Base URL of the Debian archive that this host installs its own packages from (`http://host/debian`, no slash at its
 * end), read from apt's configuration at run time; undefined when it has none for `codename`.
 */
export async function hostAptMirror(codename = 'bookworm', folder = '/etc/apt'): Promise<string | undefined> {
  const parts = await readdir(join(folder, 'sources.list.d')).catch(() => []);
  // sources.list(5): other names than these are ignored.
  const names = parts.filter((name) => /^[A-Za-z0-9_.-]+\.(list|sources)$/.test(name)).sort();
  for (const file of ['sources.list', ...names.map((name) => join('sources.list.d', name))]) {
    const text = await readFile(join(folder, file), 'utf8').catch(() => '');
    const mirror = chooseAptMirror(file, text, codename);
    if (mirror !== undefined) return mirror;
  }
  return undefined;
}

/** The first archive in one file of apt's that has binary packages of the suite's component main, by http or https. */
export function chooseAptMirror(file: string, text: string, codename: string): string | undefined {
  const sources = file.endsWith('.sources') ? readDeb822(text) : readOneLine(text);
  const source = sources.find(
    ({ types, suites, components }) =>
      types.includes('deb') && suites.includes(codename) && components.includes('main'),
  );
  return source?.uris.find((uri) => /^https?:\/\//.test(uri))?.replace(/\/+$/, '');
}

type AptSource = { types: string[]; uris: string[]; suites: string[]; components: string[] };

/** `deb [option=value ...] URI SUITE COMPONENT...` */
function readOneLine(text: string): AptSource[] {
  return text.split('\n').flatMap((line) => {
    const match = /^\s*(deb|deb-src)\s+(?:\[[^\]]*\]\s*)?(\S+)\s+(\S+)\s+([^#]*)/.exec(line);
    if (!match) return [];
    const [, type = '', uri = '', suite = '', components = ''] = match;
    return [{ types: [type], uris: [uri], suites: [suite], components: words(components) }];
  });
}

/** Paragraphs of `Field: value`, a value going on in lines that begin with a blank. */
function readDeb822(text: string): AptSource[] {
  const lines = text.split(/\r?\n/).filter((line) => !line.startsWith('#'));
  return lines
    .join('\n')
    .split(/\n[ \t]*\n/)
    .flatMap((paragraph) => {
      const fields = new Map<string, string>();
      for (const match of paragraph.matchAll(/^([^\s:]+):(.*(?:\n[ \t].*)*)/gm)) {
        fields.set((match[1] ?? '').toLowerCase(), match[2] ?? '');
      }
      if (/^\s*(no|false|without|off|disable)\s*$/i.test(fields.get('enabled') ?? '')) return [];
      const field = (name: string) => words(fields.get(name) ?? '');
      return [{ types: field('types'), uris: field('uris'), suites: field('suites'), components: field('components') }];
    });
}

const words = (text: string): string[] => text.split(/\s+/).filter((word) => word !== '');
