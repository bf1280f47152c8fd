import { describe, expect, it } from 'vitest';
import { labelNames } from '../../../src/tasks/kinds/savedLabels.js';

const of = (config: Record<string, unknown>) => labelNames({ config, folder: 'model' });

// As transformers 5.24's PreTrainedConfig: PreTrainedConfig.from_dict(config).id2label.
describe('names of the outputs', () => {
  it('are those of id2label, or numbered', () => {
    expect(of({ id2label: { 1: 'b', 0: 'a' }, num_labels: 2 })).toEqual(['a', 'b']);
    expect(of({ num_labels: 3 })).toEqual(['LABEL_0', 'LABEL_1', 'LABEL_2']);
    expect(of({})).toEqual(['LABEL_0', 'LABEL_1']);
  });

  it('are numbered where num_labels says another number than id2label', () => {
    expect(of({ id2label: { 0: 'a', 1: 'b', 2: 'c' }, num_labels: 2 })).toEqual(['LABEL_0', 'LABEL_1']);
  });

  it('stand without a gap', () => {
    expect(() => of({ id2label: { 0: 'a', 2: 'c' } })).toThrow(/without a gap/);
  });
});
