import { DiffoError } from '../../errors.js';
import type { TaskType } from '../../models/model.js';
import { rankOf } from './ranks.js';
import { type Sizes, sharedSizes, tensorSizes } from './type.js';
import type { PeftAdapter } from './types.js';

/** What PEFT adds to `modules_to_save` of every adapter of a type, whichever of them the model has. */
export const usualHeads: Readonly<Record<TaskType, readonly string[]>> = {
  SEQ_CLS: ['classifier', 'score'],
  TOKEN_CLS: ['classifier', 'score'],
  QUESTION_ANS: ['qa_outputs'],
  CAUSAL_LM: [],
  MASKED_LM: [],
  FEATURE_EXTRACTION: [],
  SEQ_2_SEQ_LM: [],
};

const SHOWN_ROWS = 12;

/** A line of the table that says what does not fit. */
export interface Misfit {
  readonly fault: 'missing' | 'left over' | 'wrong shape';
  /** The tensor's or module's name, with what is wrong where the fault does not say it. */
  readonly what: string;
}

/**
 * True when the tensor belongs to a module that an entry of `modules_to_save` names: as PEFT has it, any whose path ends so,
 * at a dot or not.
 */
export function isSavedBy(entry: string, tensor: string): boolean {
  const parts = tensor.split('.');
  return parts.some((_, i) => i > 0 && parts.slice(0, i).join('.').endsWith(entry));
}

/** Entries of `modules_to_save` whose tensors are there. */
export function entriesInUse(modulesToSave: readonly string[], saved: readonly string[]): string[] {
  return modulesToSave.filter((entry) => saved.some((tensor) => isSavedBy(entry, tensor)));
}

/** Finds saved tensors that no entry covers, and entries without tensors. */
export function checkSaved(
  { taskType, modulesToSave }: Pick<PeftAdapter, 'taskType' | 'modulesToSave'>,
  saved: readonly string[],
): Misfit[] {
  const heads = usualHeads[taskType];
  const used = entriesInUse(modulesToSave, saved);
  const idle = modulesToSave.filter((entry) => !used.includes(entry) && !heads.includes(entry));
  const misfits: Misfit[] = [
    ...saved
      .filter((tensor) => !modulesToSave.some((entry) => isSavedBy(entry, tensor)))
      .map((what): Misfit => ({ fault: 'left over', what })),
    ...idle.map((entry): Misfit => ({ fault: 'missing', what: `${entry}.* of modules_to_save` })),
  ];
  // PEFT creates the head's copy at loading in any case, and would leave it at the base model's random values.
  if (heads.length > 0 && !heads.some((head) => saved.some((tensor) => isSavedBy(head, tensor)))) {
    misfits.push({ fault: 'missing', what: `${heads[0]}.* (the head of a ${taskType} adapter)` });
  }
  return misfits;
}

/** Finds tensors whose shapes do not fit the rank, each other, or the method. */
export function checkShapes(
  adapter: Pick<PeftAdapter, 'type' | 'modules' | 'shared' | 'rank' | 'rankPattern' | 'fields'>,
): Misfit[] {
  const misfit = (name: string, shape: readonly number[], expected: Sizes | undefined): Misfit[] => {
    if (expected === undefined)
      return [{ fault: 'left over', what: `${name}, which ${adapter.type.name} does not have` }];
    const fits =
      shape.length === expected.length &&
      expected.every((size, axis) => (typeof size === 'number' ? shape[axis] === size : shape[axis]! > 0));
    return fits ? [] : [{ fault: 'wrong shape', what: `${name} is [${shape}], expected [${expected.join(', ')}]` }];
  };
  const ofModules = [...adapter.modules].flatMap(([module, tensors]) => {
    const { embeddingTensors = {} } = adapter.type;
    const isEmbedding = Object.keys(tensors).every((suffix) => Object.hasOwn(embeddingTensors, suffix));
    const sizes = tensorSizes(adapter, module, rankOf(adapter, module), isEmbedding);
    return Object.entries(tensors).flatMap(([suffix, { shape }]) =>
      misfit(`${module}.${suffix.replace(/\.weight$/, '')}`, shape, sizes[suffix]),
    );
  });
  const sizes = sharedSizes(adapter);
  return [...ofModules, ...adapter.shared.flatMap(({ name, shape }) => misfit(name, shape, sizes[name]))];
}

/** Checks an adapter that is to be written. */
export function checkAdapter(adapter: PeftAdapter, where: string): void {
  if (adapter.modules.size === 0) {
    throw new DiffoError(`${where}: PEFT refuses an adapter without adapted modules. Give one a pair of zeros.`);
  }
  const listed = new Set(adapter.targetModules);
  const overlap = [...adapter.modules.keys()].filter((module) =>
    adapter.modulesToSave.some((entry) => isSavedBy(entry, `${module}.`)),
  );
  if (overlap.length > 0) {
    throw new DiffoError(
      `${where}: ${overlap[0]} is both adapted and in modules_to_save, which PEFT refuses. Take it out of one.`,
    );
  }
  report(where, [
    ...[...listed]
      .filter((module) => !adapter.modules.has(module))
      .map((module): Misfit => ({ fault: 'missing', what: `the tensors of ${module}` })),
    ...[...adapter.modules.keys()]
      .filter((module) => !listed.has(module))
      .map((module): Misfit => ({ fault: 'left over', what: `${module}, which target_modules does not name` })),
    ...checkShapes(adapter),
    ...checkSaved(
      adapter,
      adapter.saved.map((tensor) => tensor.name),
    ),
  ]);
}

/**
 * Throws one error with a table of everything that does not fit; does nothing when all fits.
 * @param matched what did fit, for the last line
 */
export function report(where: string, misfits: readonly Misfit[], matched = ''): void {
  if (misfits.length === 0) return;
  const rows = misfits.slice(0, SHOWN_ROWS).map(({ fault, what }) => `  ${fault.padEnd(11)}  ${what}`);
  if (misfits.length > SHOWN_ROWS) rows.push(`  … and ${misfits.length - SHOWN_ROWS} more`);
  if (matched !== '') rows.push(`  ${'matched'.padEnd(11)}  ${matched}`);
  const count = misfits.length === 1 ? 'one entry does' : `${misfits.length} entries do`;
  throw new DiffoError(
    `${where}: configuration and tensors of the adapter do not match, ${count} not fit. Save the adapter again.\n${rows.join('\n')}`,
  );
}
