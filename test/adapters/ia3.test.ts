import { describe, expect, it } from 'vitest';
import { ia3, ia3Plan, usualScaled } from '../../src/adapters/methods/ia3.js';
import { adapterSize } from '../../src/adapters/plan.js';
import { openCheckpoint } from '../../src/checkpoint/open.js';
import { openModel } from '../../src/models/registry.js';
import { oraclePath } from '../fixtures.js';

const open = async (family: string) =>
  openModel(await openCheckpoint(oraclePath('families', family)), { numLabels: 3, head: 'all' });

/** Ends of names: the outputs that are scaled, then the input. */
const usual = {
  bert: [['self.key', 'self.value'], 'output.dense'],
  roberta: [['self.key', 'self.value'], 'output.dense'],
  distilbert: [['k_lin', 'v_lin'], 'ffn.lin2'],
  'deberta-v3': [['key_proj', 'value_proj'], 'output.dense'],
  gpt2: [['c_attn'], 'mlp.c_proj'],
  llama: [['k_proj', 'v_proj'], 'down_proj'],
  mistral: [['k_proj', 'v_proj'], 'down_proj'],
  qwen2: [['k_proj', 'v_proj'], 'down_proj'],
} as const;

describe('the modules that are scaled', () => {
  // TRANSFORMERS_MODELS_TO_IA3_TARGET_MODULES_MAPPING of PEFT 0.21, but for qwen2, where it has q_proj for k_proj, and for
  // attention.output.dense of BERT's relatives, which the end of a name takes in. DistilBERT is not in it.
  it.each(Object.entries(usual))(
    'of %s are keys, values and the input of what ends feed-forward',
    async (family, of) => {
      const model = await open(family);
      const [outputs, input] = of;
      const scaled = usualScaled(model);
      const layers = new Set(model.adaptable.map(({ layer }) => layer)).size;
      const pathsOf = (side: 'input' | 'output') =>
        scaled.filter((one) => one.side === side).map((one) => one.module.path);
      expect(pathsOf('output')).toHaveLength(layers * outputs.length);
      expect(pathsOf('output').every((path) => outputs.some((end) => path.endsWith(`.${end}`)))).toBe(true);
      expect(pathsOf('input')).toHaveLength(layers);
      expect(pathsOf('input').every((path) => path.endsWith(`.${input}`) && !path.includes('attention'))).toBe(true);
    },
  );

  it('have d_k + d_v + d_ff factors a layer (section 3.3)', async () => {
    const model = await open('bert');
    const {
      hidden_size: hidden,
      intermediate_size: inner,
      num_hidden_layers: layers,
    } = model.checkpoint.config as {
      readonly [key: string]: number;
    };
    expect(adapterSize(ia3Plan(usualScaled(model)))).toBe(layers! * (2 * hidden! + inner!));
  });
});

describe('merged', () => {
  const module = { path: 'm', layer: 0, module: 'm', inFeatures: 3, outFeatures: 2 };
  const base = Float32Array.of(1, 2, 3, 4, 5, 6);
  const merged = (side: 'input' | 'output', l: number[]) => {
    const plan = ia3Plan([{ module, side }]);
    const values = () => Float32Array.from(l);
    const [placement] = plan.placements;
    return {
      weight: Array.from(plan.mergedWeight!(placement!, base, values)),
      bias: Array.from(plan.mergedBias!(placement!, Float32Array.of(10, 20), values)),
    };
  };

  it('rows of the weight and the bias are scaled by factors of the output: l ⊙ (W x + b)', () => {
    expect(merged('output', [2, 3])).toEqual({ weight: [2, 4, 6, 12, 15, 18], bias: [20, 60] });
  });

  it('columns are scaled by factors of the input, and the bias stays: W (l ⊙ x) + b', () => {
    expect(merged('input', [2, 3, 5])).toEqual({ weight: [2, 6, 15, 8, 15, 30], bias: [10, 20] });
  });
});

describe('feedforward_modules, as PEFT reads it', () => {
  const { type } = ia3.format;
  const sizes = (feedforward_modules: unknown, module: string) => {
    const { ia3_l } = type.tensors({ feedforward_modules });
    return typeof ia3_l === 'function' ? ia3_l(module) : ia3_l;
  };

  it('is ends of names in a list, or an expression for the whole path', () => {
    const path = 'bert.encoder.layer.0.output.dense';
    expect(sizes(['output.dense'], path)).toEqual([1, 'in']);
    expect(sizes(['.dense'], path)).toEqual([1, 'in']);
    expect(sizes(['key'], path)).toEqual(['out', 1]);
    expect(sizes('.*output\\.dense', path)).toEqual([1, 'in']);
    expect(sizes('output\\.dense', path)).toEqual(['out', 1]);
    expect(sizes(null, path)).toEqual(['out', 1]);
  });

  it('is refused where it is no list of names', () => {
    expect(type.faultOf?.({ feedforward_modules: [1] })).toBe('"feedforward_modules" must be a list of module names');
    expect(type.faultOf?.({ feedforward_modules: {} })).toBe('"feedforward_modules" must be a list of module names');
    expect(type.faultOf?.({ feedforward_modules: ['a'] })).toBeUndefined();
  });
});
