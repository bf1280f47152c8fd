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
import { hiddenSizeOf, vectorHead, withoutPrefix } from './vectorHead.js';
import { findTensor, matchTensors } from './weights.js';

/** What the heads of each type give: rows of outputs, and how many a row has where that is not as it is asked for. */
const headTypes: Readonly<
  Record<TaskType, { readonly of: OutputsOf; readonly outputs?: number | 'vocabulary' | 'hidden' }>
> = {
  SEQ_CLS: { of: 'sequence' },
  TOKEN_CLS: { of: 'token' },
  QUESTION_ANS: { of: 'token', outputs: 2 },
  CAUSAL_LM: { of: 'nextToken', outputs: 'vocabulary' },
  MASKED_LM: { of: 'token', outputs: 'vocabulary' },
  FEATURE_EXTRACTION: { of: 'vector', outputs: 'hidden' },
  SEQ_2_SEQ_LM: { of: 'nextWritten', outputs: 'vocabulary' },
};

/**
 * Puts an architecture and a checkpoint together: every frozen tensor found in the file, the head's tensors listed for
 * training, what is left over named.
 * @throws DiffoError that names what is missing or does not fit
 */
export function openArchitecture(family: Family, given: Checkpoint, options: ModelOptions): Model {
  const checkpoint = family.restated?.(given) ?? given;
  const { taskType = 'SEQ_CLS', head: part = 'classifier' } = options;
  const described = family.describe(checkpoint);
  const { pooling = 'mean', normalize = true } = options.vectors ?? {};
  const vectors = taskType === 'FEATURE_EXTRACTION' ? { pooling, normalize } : undefined;
  const bare = vectors === undefined ? undefined : withoutPrefix({ ...described, ...described.encoderAlone });
  const architecture = bare ?? described;
  const { adaptable, tensors, layers, maxLength, padTokenId, vocabSize, cached, isBuffer = () => false } = architecture;
  const { of: outputsOf, outputs = options.numLabels } = headTypes[taskType];
  const numLabels = outputs === 'vocabulary' ? vocabSize : outputs === 'hidden' ? hiddenSizeOf(architecture) : outputs;
  const head =
    vectors === undefined
      ? headOf(family, checkpoint, described, taskType, numLabels)
      : vectorHead(architecture, vectors);
  const { trained, frozen, modules, part: trainedPart } = splitHead(head, part, architecture, checkpoint);
  const backbone = matchTensors(checkpoint, [...tensors, ...frozen], architecture.spellings);
  const tied = head.tied ?? new Map<string, string>();
  const unread = bare === undefined ? new Map<string, string>() : unreadIn(checkpoint, described, bare);
  const used = new Set([
    ...backbone.values(),
    ...unread.values(),
    ...tied.keys(),
    ...trained.flatMap(({ stored }) => (stored ? [stored.name] : [])),
  ]);
  return {
    family: family.name,
    checkpoint,
    taskType,
    outputsOf,
    numLabels,
    layers,
    layerNames: bare === undefined ? architecture.layerNames : undefined,
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
    unread,
    vectors,
    unused: [...checkpoint.tensors.keys()].filter((name) => !used.has(name) && !isBuffer(name)),
    architecture: head.architecture,
    logits: (inputs, hooks) => head.logits(inputs, hooks),
    states: (inputs, hooks) => architecture.states(inputs, hooks),
    encoder: architecture.encoder,
    cached: outputsOf === 'nextToken' ? cached : undefined,
    encoderDecoder: outputsOf === 'nextWritten' ? described.encoderDecoder : undefined,
  };
}

function headOf(
  family: Family,
  checkpoint: Checkpoint,
  { heads }: Architecture,
  taskType: TaskType,
  numLabels: number,
): Head {
  const makeHead = taskType === 'FEATURE_EXTRACTION' ? undefined : heads[taskType];
  if (makeHead !== undefined) return makeHead(numLabels);
  const known = Object.keys(heads).join(', ');
  const cure =
    heads.SEQ_2_SEQ_LM === undefined
      ? ''
      : ' It writes a text while it reads another: give it rows of both, in columns called source and target.';
  throw new DiffoError(`${checkpoint.name}: ${family.name} has no ${taskType} head; it has ${known}.${cure}`);
}

/** A pooler that the checkpoint was pretrained with: no vector is made with it, and transformers' class without a head has it. */
function unreadIn(
  checkpoint: Checkpoint,
  described: Architecture,
  architecture: Architecture & { readonly prefix: string },
): Map<string, string> {
  const { prefix, spellings } = architecture;
  const modules = described.heads.SEQ_CLS?.(1).modules ?? [];
  const inBackbone = modules.filter(({ role, path }) => role === 'pooler' && prefix !== '' && path.startsWith(prefix));
  return new Map(
    inBackbone.flatMap(({ tensors }) =>
      tensors.flatMap(({ name }) => {
        const bare = name.slice(prefix.length);
        const stored = findTensor(checkpoint, bare, spellings);
        return stored === undefined ? [] : [[bare, stored.name] as const];
      }),
    ),
  );
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
