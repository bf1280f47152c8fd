import type { SentenceFiles } from '../../checkpoint/sentenceTransformers.js';
import { DiffoError } from '../../errors.js';
import type { ModelOptions } from '../model.js';
import { type Pooling, poolings, type VectorOptions } from '../pooling.js';

/**
 * How a model makes vectors of texts: as is asked, else as its folder says, else the mean of all tokens at length 1.
 * @throws DiffoError for a pooling or a module of the folder that is not built
 */
export function vectorOptions(
  name: string,
  asked: ModelOptions['vectors'],
  { poolings: stated = ['mean'], normalize = true, others = [] }: Partial<SentenceFiles> = {},
): VectorOptions {
  if (others.length > 0) {
    throw new DiffoError(
      `${name} goes on after pooling with ${others.join(' and ')}, which is not built here. Take a model without.`,
    );
  }
  return { pooling: asked?.pooling ?? poolingOf(name, stated), normalize: asked?.normalize ?? normalize };
}

function poolingOf(name: string, stated: readonly string[]): Pooling {
  const found = stated.length === 1 ? poolings.find((one) => one === stated[0]) : undefined;
  if (found !== undefined) return found;
  throw new DiffoError(
    `${name} pools by ${stated.join(' and ') || 'nothing'}. Set "pooling" of the task to one of ${poolings.join(', ')}.`,
  );
}
