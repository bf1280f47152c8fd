import { stringify } from 'yaml';
import type { PeftAdapter } from './types.js';

export interface ModelCardInput {
  readonly adapter: PeftAdapter;
  /** Title of the page, such as `cola-diffora`. */
  readonly title: string;
  /** What it was trained on and how, in the caller's words; one paragraph each. */
  readonly paragraphs?: readonly string[];
  /** Names of the classes in order of the logits; empty for regression, which has one output. */
  readonly labels: readonly string[];
  /** Measured scores by name, such as `MCC (dev, 1,043 sentences)`; a table of exactly these is written. */
  readonly scores?: Readonly<Record<string, number>>;
  /** More tags than base_model, lora, diffora and transformers. */
  readonly tags?: readonly string[];
}

/** README.md of an adapter folder: metadata that the hub reads, what it is, how to load it. States only what it is given. */
export function modelCard(input: ModelCardInput): string {
  const { adapter } = input;
  const frontMatter = stringify({
    base_model: adapter.baseModel,
    library_name: 'peft',
    pipeline_tag: 'text-classification',
    tags: [
      ...new Set([`base_model:adapter:${adapter.baseModel}`, 'diffora', 'lora', 'transformers', ...(input.tags ?? [])]),
    ],
  });
  const sections = [
    `---\n${frontMatter}---`,
    `# ${input.title}`,
    `A LoRA adapter for ${linked(adapter.baseModel)}, made with diffora. Its format is PEFT's.`,
    ...(input.paragraphs ?? []),
    facts(adapter),
    ...(input.scores && Object.keys(input.scores).length > 0 ? [`## Scores\n\n${scoreTable(input.scores)}`] : []),
    `## Use\n\nIn Python:\n\n${python(input)}\n\nIn Node.js, without Python:\n\n${shell()}`,
    `## Adapted modules\n\n${adapter.targetModules.map((module) => `- \`${module}\``).join('\n') || 'None: only the head was trained.'}`,
  ];
  return `${sections.join('\n\n')}\n`;
}

/** A hub name as a link; a local path is none. */
function linked(baseModel: string): string {
  const isHubName = /^[\w-][\w.-]*(\/[\w-][\w.-]*)?$/.test(baseModel);
  return isHubName ? `[${baseModel}](https://huggingface.co/${baseModel})` : `\`${baseModel}\``;
}

function facts(adapter: PeftAdapter): string {
  const size = (shape: readonly number[]) => shape.reduce((product, one) => product * one, 1);
  const low = [...adapter.lora.values()].reduce((sum, { A, B }) => sum + size(A.shape) + size(B.shape), 0);
  const head = adapter.saved.reduce((sum, tensor) => sum + size(tensor.shape), 0);
  const rows = [
    ['rank', adapter.rank],
    ['alpha', adapter.alpha],
    ['adapted modules', adapter.targetModules.length],
    ['parameters in low-rank matrices', low],
    ['parameters in the head', head],
  ];
  return `| | |\n|---|---|\n${rows.map(([name, value]) => `| ${name} | ${value!.toLocaleString('en-US')} |`).join('\n')}`;
}

function scoreTable(scores: Readonly<Record<string, number>>): string {
  return `| score | value |\n|---|---|\n${Object.entries(scores)
    .map(([name, value]) => `| ${name.replaceAll('|', '\\|')} | ${value} |`)
    .join('\n')}`;
}

function python({ adapter, labels }: ModelCardInput): string {
  const base = JSON.stringify(adapter.baseModel);
  const revision = adapter.revision ? `, revision=${JSON.stringify(adapter.revision)}` : '';
  const names = labels.length > 0 ? `\nlabels = ${JSON.stringify(labels)}` : '';
  return [
    '```python',
    'from peft import PeftModel',
    'from transformers import AutoModelForSequenceClassification, AutoTokenizer',
    '',
    `base = AutoModelForSequenceClassification.from_pretrained(${base}, num_labels=${labels.length || 1}${revision})`,
    'model = PeftModel.from_pretrained(base, "path/to/this/folder").eval()',
    `tokenizer = AutoTokenizer.from_pretrained(${base}${revision})${names}`,
    'logits = model(**tokenizer("a text", return_tensors="pt")).logits',
    '```',
  ].join('\n');
}

function shell(): string {
  return ['```sh', 'npx diffora predict --adapter path/to/this/folder --text "a text"', '```'].join('\n');
}
