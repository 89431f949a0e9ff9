import { assetName } from '../model/bootenv.ts';
import { resolveParams } from '../model/params.ts';
import type { BootView } from '../model/view.ts';
import { type ContextParts, screenReasons, screenText, templateContext } from './context.ts';
import type { BootDecision } from './decide.ts';
import { IPXE_TEMPLATES, type Library } from './library.ts';
import { bootUrl } from './paths.ts';
import { TemplateError } from './render.ts';

/**
 * The iPXE script for what was decided, with the machine's name, what comes next and why for its screen. `token` is what the
 * booted system will talk to us with. Throws TemplateError or AppError when the content is wrong.
 */
export function renderScript(
  library: Library,
  parts: ContextParts,
  boot: BootDecision,
  view: BootView,
  token: string,
): string {
  const screen = { machine: screenText(parts.machine?.name ?? parts.mac), because: screenReasons(boot.because) };
  if (boot.kind === 'local')
    return library.templates.render(IPXE_TEMPLATES.local, { ...templateContext(parts), screen });

  const { bootenv, kernelOf } = boot;
  const origin = `bootenvs/${kernelOf.name}.yaml`;
  const files = kernelOf.arch?.x64;
  if (!files) throw new TemplateError(origin, undefined, 'has no kernel for x64');
  const context = templateContext({
    ...parts,
    bootenv,
    tokens: { run: token },
    params: resolveParams(kernelOf.params ?? [], library.content.params, paramSources(view)),
  });
  const kernelArguments = library.templates.renderText(origin, kernelOf.arguments ?? '', context).trim();
  if (/[\r\n]/.test(kernelArguments)) throw new TemplateError(origin, undefined, 'its arguments have a line break');
  const url = (path: string): string =>
    bootUrl(parts.arrival.url, { kind: 'asset', mac: parts.mac, bootenv: kernelOf.name, file: assetName(path) });
  return library.templates.render(IPXE_TEMPLATES.boot, {
    ...context,
    screen: {
      ...screen,
      next: screenText(bootenv.description || bootenv.name),
      kernel: url(files.kernel),
      initrds: files.initrds.map((path) => ({ name: assetName(path), url: url(path) })),
      arguments: kernelArguments,
    },
  });
}

/** The script that says on the machine's screen why there is nothing to boot, and asks again later. */
export function renderRefusal(library: Library, parts: ContextParts, boot: BootDecision, problem: string): string {
  return library.templates.render(IPXE_TEMPLATES.refused, {
    ...templateContext(parts),
    screen: {
      machine: screenText(parts.machine?.name ?? parts.mac),
      next: screenText(problem),
      because: screenReasons(boot.because),
      again: bootUrl(parts.arrival.url, { kind: 'script', mac: parts.mac }),
    },
  });
}

/** Where a machine's params come from, the strongest first. */
export function paramSources(
  view: Pick<BootView, 'job' | 'machine'>,
): { name: string; values: Record<string, unknown> }[] {
  return [
    ...(view.job ? [{ name: `job ${view.job.id}`, values: view.job.params }] : []),
    ...(view.machine ? [{ name: `machine ${view.machine.name}`, values: view.machine.params }] : []),
  ];
}
