import type { Checkpoint } from '../checkpoint/types.js';
import { DiffoError } from '../errors.js';
import { furtherModules } from './furtherModules.js';
import type {
  Architecture,
  Family,
  Head,
  HeadPart,
  HeadTensor,
  Model,
  ModelOptions,
  OutputsOf,
  TaskType,
} from './model.js';
import { findTensor, matchTensors } from './weights.js';

/** What the heads of each type give: rows of outputs, and how many a row has where that is not as it is asked for. */
const headTypes: Readonly<Record<TaskType, { readonly of: OutputsOf; readonly outputs?: number | 'vocabulary' }>> = {
  SEQ_CLS: { of: 'sequence' },
  TOKEN_CLS: { of: 'token' },
  QUESTION_ANS: { of: 'token', outputs: 2 },
  CAUSAL_LM: { of: 'nextToken', outputs: 'vocabulary' },
};

/**
 * Puts an architecture and a checkpoint together: every frozen tensor found in the file, the head's tensors listed for
 * training, what is left over named.
 * @throws DiffoError that names what is missing or does not fit
 */
export function openArchitecture(family: Family, checkpoint: Checkpoint, options: ModelOptions): Model {
  const { taskType = 'SEQ_CLS', head: part = 'classifier' } = options;
  const architecture = family.describe(checkpoint);
  const { adaptable, tensors, layers, maxLength, padTokenId, vocabSize, cached, isBuffer = () => false } = architecture;
  const makeHead = architecture.heads[taskType];
  if (makeHead === undefined) {
    const known = Object.keys(architecture.heads).join(', ');
    throw new DiffoError(`${checkpoint.name}: ${family.name} has no ${taskType} head; it has ${known}.`);
  }
  const { of: outputsOf, outputs = options.numLabels } = headTypes[taskType];
  const numLabels = outputs === 'vocabulary' ? vocabSize : outputs;
  const head = makeHead(numLabels);
  const { trained, frozen, modules, part: trainedPart } = splitHead(head, part, architecture, checkpoint);
  const backbone = matchTensors(checkpoint, [...tensors, ...frozen], architecture.spellings);
  const tied = head.tied ?? new Map<string, string>();
  const used = new Set([...backbone.values(), ...trained.flatMap(({ stored }) => (stored ? [stored.name] : []))]);
  return {
    family: family.name,
    checkpoint,
    taskType,
    outputsOf,
    numLabels,
    layers,
    modules: [...new Set(adaptable.map(({ module }) => module))],
    adaptable,
    further: furtherModules([...tensors, ...frozen], adaptable, tied),
    head: trained,
    headPart: trainedPart,
    headModules: modules,
    maxLength,
    padTokenId,
    vocabSize,
    tokenTypes: architecture.tokenTypes,
    backboneParameters: [...tensors, ...frozen].reduce(
      (total, { shape }) => total + shape.reduce((product, size) => product * size, 1),
      0,
    ),
    backbone,
    tied,
    norms: tensors.flatMap(({ name, isNorm }) => (isNorm === true ? [name] : [])),
    unused: [...checkpoint.tensors.keys()].filter((name) => !used.has(name) && !isBuffer(name)),
    architecture: head.architecture,
    logits: (inputs, hooks) => head.logits(inputs, hooks),
    states: (inputs, hooks) => architecture.states(inputs, hooks),
    encoder: architecture.encoder,
    cached: outputsOf === 'nextToken' ? cached : undefined,
  };
}

/** What of a head is trained and what stays as the checkpoint has it. */
function splitHead(head: Head, part: HeadPart, { spellings }: Architecture, checkpoint: Checkpoint) {
  const isTrained = ({ role, tensors }: Head['modules'][number]) => {
    if (part === 'none') return false;
    if (role === 'head' || part === 'all') return true;
    return tensors.some(({ name }) => findTensor(checkpoint, name, spellings) === undefined);
  };
  const trained = head.modules.filter(isTrained);
  const kept = head.modules.filter((module) => !trained.includes(module)).flatMap(({ tensors }) => tensors);
  const whole = trained.length === head.modules.length;
  return {
    part: part === 'none' ? part : whole ? ('all' as const) : ('classifier' as const),
    modules: trained.map(({ path }) => path),
    frozen: [...kept, ...(head.frozen ?? [])],
    trained: trained.flatMap(({ tensors }) =>
      tensors.map(({ name, shape, deviation, start }): HeadTensor => {
        const stored = findTensor(checkpoint, name, spellings);
        return { name, shape, deviation, start, stored: `${stored?.shape}` === `${shape}` ? stored : undefined };
      }),
    ),
  };
}
