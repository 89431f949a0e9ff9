import { assetName, type Bootenv } from '../model/bootenv.ts';
import type { OfferedBootenv } from '../model/view.ts';
import { ACTIONS, type Stage, type Workflow } from '../model/workflow.ts';
import type { Asset, Assets } from '../store/assets.ts';
import type { Content, ContentProblem } from '../store/content.ts';
import { compileTemplates, TemplateError, type Templates } from './render.ts';

/** Content that was read, checked and compiled; swapped whole when it changes. */
export type Library = {
  content: Content;
  templates: Templates;
  /** The bootenv with what it lacks to be booted now; undefined when there is none of this name. */
  offered(name: string): OfferedBootenv | undefined;
  /** A public file of a bootenv (or of the one it boots) by its short name. */
  asset(bootenv: Bootenv, file: string): Asset | undefined;
  workflow(name: string): Workflow | undefined;
};

/** The scripts that iPXE is given; they have to be there. */
export const IPXE_TEMPLATES = {
  boot: 'ipxe/boot.ipxe.hbs',
  local: 'ipxe/local.ipxe.hbs',
  refused: 'ipxe/refused.ipxe.hbs',
} as const;

/** Join content and assets into a library. Everything wrong is in `problems`; a template that is wrong leaves none of them. */
export function openLibrary(content: Content, assets: Assets): { library?: Library; problems: ContentProblem[] } {
  const problems = [...content.problems];
  let templates: Templates;
  try {
    templates = compileTemplates(content.templates);
  } catch (error) {
    if (!(error instanceof TemplateError)) throw error;
    const problem = error.message.slice(error.message.indexOf(': ') + 2);
    return { problems: [...problems, { file: `templates/${error.template}`, line: error.line, problem }] };
  }
  const missing = Object.values(IPXE_TEMPLATES).filter((name) => !templates.has(name));
  for (const name of missing) problems.push({ file: `templates/${name}`, problem: 'is not there' });
  if (missing.length > 0) return { problems };
  for (const bootenv of content.bootenvs.values()) problems.push(...checkBootenv(bootenv, content, templates));
  for (const workflow of content.workflows.values()) problems.push(...checkWorkflow(workflow, content, templates));

  const library: Library = {
    content,
    templates,
    offered(name) {
      const bootenv = content.bootenvs.get(name);
      if (!bootenv) return undefined;
      const missing = assetPaths(bootenv)
        .map((path) => assets.get(path))
        .find((asset) => 'problem' in asset);
      const hint = bootenv.make ? ` (make it with: ${bootenv.make})` : '';
      return { bootenv, missing: missing && 'problem' in missing ? `${missing.problem}${hint}` : '' };
    },
    asset(bootenv, file) {
      const path = assetPaths(bootenv).find((one) => assetName(one) === file);
      const asset = path === undefined ? undefined : assets.get(path);
      return asset && !('problem' in asset) ? asset : undefined;
    },
    workflow: (name) => content.workflows.get(name),
  };
  return { library, problems };
}

/** Every public file of a bootenv, as `FOLDER/FILE`. */
export function assetPaths(bootenv: Bootenv): string[] {
  const kernels = Object.values(bootenv.arch ?? {}).flatMap((one) => (one ? [one.kernel, ...one.initrds] : []));
  return [...kernels, ...(bootenv.assets ?? [])];
}

function checkBootenv(bootenv: Bootenv, content: Content, templates: Templates): ContentProblem[] {
  const file = `bootenvs/${bootenv.name}.yaml`;
  const problems: ContentProblem[] = [];
  const declared = new Set(bootenv.params ?? []);
  for (const param of declared)
    if (!content.params[param])
      problems.push({ file, field: 'params', problem: `${param} is not declared in workflows/params.yaml` });
  const used = Object.entries(bootenv.files ?? {}).map(([name, template]) => ({ field: `files.${name}`, template }));
  if (bootenv.task) used.push({ field: 'task', template: bootenv.task });
  for (const { field, template } of used) {
    if (!templates.has(template)) problems.push({ file, field, problem: `there is no templates/${template}` });
    for (const param of templates.paramsOf(template))
      if (!declared.has(param))
        problems.push({ file, field: 'params', problem: `lacks ${param}, which templates/${template} uses` });
  }
  problems.push(...checkArguments(bootenv, declared, templates));
  if (bootenv.boots !== undefined && !content.bootenvs.get(bootenv.boots)?.arch)
    problems.push({ file, field: 'boots', problem: `there is no bootenv ${bootenv.boots} with a kernel` });
  if (bootenv.kind === 'image' && !bootenv.task) problems.push({ file, field: 'task', problem: 'an image needs one' });
  if ((bootenv.kind === 'installer' || bootenv.kind === 'scout') && !bootenv.arch)
    problems.push({ file, field: 'arch', problem: `a bootenv of kind ${bootenv.kind} needs a kernel` });
  const names = assetPaths(bootenv).map(assetName);
  for (const name of names)
    if (names.indexOf(name) !== names.lastIndexOf(name))
      problems.push({ file, problem: `has two files named ${name}` });
  return problems;
}

/** Its arguments are a template too: what is wrong with them is told now, not on a machine's screen. */
function checkArguments(bootenv: Bootenv, declared: ReadonlySet<string>, templates: Templates): ContentProblem[] {
  const file = `bootenvs/${bootenv.name}.yaml`;
  try {
    return [...templates.paramsOfText(file, bootenv.arguments ?? '')]
      .filter((param) => !declared.has(param))
      .map((param) => ({ file, field: 'params', problem: `lacks ${param}, which its arguments use` }));
  } catch (error) {
    if (!(error instanceof TemplateError)) throw error;
    return [{ file, field: 'arguments', problem: error.message.slice(error.message.indexOf(': ') + 2) }];
  }
}

function checkWorkflow(workflow: Workflow, content: Content, templates: Templates): ContentProblem[] {
  const file = `workflows/${workflow.name}.yaml`;
  return workflow.stages.flatMap((stage, index): ContentProblem[] => {
    const unknown = (stage.do ?? []).filter((action) => !ACTIONS.includes(action));
    return [
      ...(stage.bootenv !== '$bootenv' && !content.bootenvs.has(stage.bootenv)
        ? [{ file, field: `stages.${index}.bootenv`, problem: `there is no bootenv ${stage.bootenv}` }]
        : []),
      ...checkStageTask(stage, content, templates).map(({ field, problem }) => ({
        file,
        field: `stages.${index}.${field}`,
        problem,
      })),
      ...unknown.map((action) => ({ file, field: `stages.${index}.do`, problem: `there is no action ${action}` })),
    ];
  });
}

/** A stage's task is run by the scout, and waited for. */
function checkStageTask(stage: Stage, content: Content, templates: Templates): { field: string; problem: string }[] {
  const { task } = stage;
  if (task === undefined)
    return stage.until === 'task-done' ? [{ field: 'until', problem: 'waits for a task, and there is none' }] : [];
  if (!templates.has(task)) return [{ field: 'task', problem: `there is no templates/${task}` }];
  const undeclared = [...templates.paramsOf(task)].filter((param) => !content.params[param]);
  return [
    ...(stage.until !== 'task-done'
      ? [{ field: 'until', problem: `is ${stage.until}, and a task ends with task-done` }]
      : []),
    ...(content.bootenvs.get(stage.bootenv)?.kind !== 'scout'
      ? [{ field: 'bootenv', problem: `is ${stage.bootenv}, and tasks are run by the scout` }]
      : []),
    ...undeclared.map((param) => ({
      field: 'task',
      problem: `uses ${param}, which is not declared in workflows/params.yaml`,
    })),
  ];
}
