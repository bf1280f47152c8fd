import { cardMetadata, isHubName, linked, type ScoredRows } from './cardMetadata.js';

/** How an adapter is used: what the hub calls it, transformers' class, and a line that uses it. */
export interface CardUse {
  /** The hub's name of what the head is for. */
  readonly pipeline: string;
  /** transformers' class. */
  readonly model: string;
  /** Outputs of its head, where that is to be said. */
  readonly outputs?: number;
  /** A line of Python after which its outputs are known. */
  readonly line: string;
}

export interface ModelCardInput {
  /** Title of the page, such as `cola-diffora`. */
  readonly title: string;
  /** What was done to the model, such as `LoRA`. */
  readonly method: string;
  readonly baseModel: string;
  readonly revision?: string | undefined;
  /** PEFT's name of its format, such as `LORA`; undefined where PEFT does not load the folder. */
  readonly peftType: string | undefined;
  /** Rows of the table of facts. */
  readonly facts: Readonly<Record<string, number>>;
  readonly adaptedModules: readonly string[];
  /** What it was trained on and how, in the caller's words; one paragraph each. */
  readonly paragraphs?: readonly string[];
  readonly use: CardUse;
  /** Names of the classes in order of the logits; empty for regression, which has one output. */
  readonly labels: readonly string[];
  /** Measured scores; a table of exactly these is written. */
  readonly scored?: ScoredRows | undefined;
  /** File of a picture of the matrix that chose the modules. */
  readonly picture?: string | undefined;
  /** Command that repeats the run. */
  readonly repeat?: string | undefined;
  /** What one should know before relying on it, a sentence each. */
  readonly limits?: readonly string[];
}

/** README.md of an adapter folder: metadata that the hub reads, what it is, how to load it. States only what it is given. */
export function modelCard(input: ModelCardInput): string {
  const { baseModel, method, peftType, adaptedModules } = input;
  const peft = peftType !== undefined;
  const frontMatter = cardMetadata({
    title: input.title,
    baseModel,
    library: peft ? 'peft' : 'diffora',
    pipeline: input.use.pipeline,
    // PEFT tags its LoRA, and no other of its formats.
    tags: [
      ...(isHubName(baseModel) ? [`base_model:adapter:${baseModel}`] : []),
      'diffora',
      ...(peftType === 'LORA' ? ['lora'] : []),
      'transformers',
    ],
    scored: input.scored,
  });
  const format = peft
    ? "Its format is PEFT's."
    : 'PEFT has no such method: diffora runs it, and where a plain checkpoint can hold it, `diffora merge` makes one.';
  const python = peft ? `In Python:\n\n${pythonUse(input)}\n\n` : '';
  const sections = [
    `---\n${frontMatter}---`,
    `# ${input.title}`,
    `${method} on ${linked(baseModel)}, made with diffora. ${format}`,
    ...(input.paragraphs ?? []),
    factTable(input.facts),
    ...scoreSection(input.scored),
    `## Use\n\n${python}In Node.js, without Python:\n\n${shell()}`,
    `## Adapted modules\n\n${adaptedModules.map((module) => `- \`${module}\``).join('\n') || 'None.'}`,
    ...(input.picture === undefined
      ? []
      : [`The matrix that chose them:\n\n![What each module of each layer is worth](${input.picture})`]),
    ...(input.repeat === undefined ? [] : [`## The run again\n\n\`\`\`sh\n${input.repeat}\n\`\`\``]),
    ...(input.limits?.length ? [`## Limits\n\n${input.limits.map((one) => `- ${one}`).join('\n')}`] : []),
  ];
  return `${sections.join('\n\n')}\n`;
}

function factTable(facts: Readonly<Record<string, number>>): string {
  const rows = Object.entries(facts).map(([name, value]) => `| ${name} | ${value.toLocaleString('en-US')} |`);
  return `| | |\n|---|---|\n${rows.join('\n')}`;
}

function scoreSection(scored: ScoredRows | undefined): string[] {
  const scores = Object.entries(scored?.scores ?? {});
  if (scored === undefined || scores.length === 0) return [];
  const rows = scores.map(([name, value]) => `| ${name} | ${value} |`).join('\n');
  return [`## Scores\n\n| ${scored.name.replaceAll('|', '\\|')}, ${scored.split} | |\n|---|---|\n${rows}`];
}

function pythonUse({ baseModel, revision: of, labels, use }: ModelCardInput): string {
  const base = JSON.stringify(baseModel);
  const { model, line, outputs: count } = use;
  const revision = of ? `, revision=${JSON.stringify(of)}` : '';
  const outputs = count === undefined ? '' : `, num_labels=${count}`;
  const names = labels.length > 0 ? `\nlabels = ${JSON.stringify(labels)}` : '';
  return [
    '```python',
    'from peft import PeftModel',
    `from transformers import ${model}, AutoTokenizer`,
    '',
    `base = ${model}.from_pretrained(${base}${outputs}${revision})`,
    'model = PeftModel.from_pretrained(base, "path/to/this/folder").eval()',
    `tokenizer = AutoTokenizer.from_pretrained(${base}${revision})${names}`,
    line,
    '```',
  ].join('\n');
}

function shell(): string {
  return ['```sh', 'npx diffora predict --adapter path/to/this/folder --text "a text"', '```'].join('\n');
}
