import { readdirSync } from 'node:fs';
import { expect, it } from 'vitest';
import { openCheckpoint } from '../../src/checkpoint/open.js';
import { headsOf, openModel } from '../../src/models/registry.js';
import { oraclePath } from '../fixtures.js';

const fixtures = readdirSync(oraclePath('families'), { withFileTypes: true }).flatMap((entry) =>
  entry.isDirectory() ? [entry.name] : [],
);

// transformers' names of norms: LayerNorm, sa_layer_norm, output_layer_norm, ln_1, ln_f, input_layernorm, norm.
it.each(fixtures)('%s says of the very tensors that are named as norms that they are norms', async (name) => {
  const checkpoint = await openCheckpoint(oraclePath('families', name));
  const heads = headsOf(checkpoint);
  const taskType = heads.includes('SEQ_CLS') ? 'SEQ_CLS' : heads[0]!;
  const model = openModel(checkpoint, { taskType, numLabels: 2 });
  // That of a pretrained head belongs to no layer.
  const layers = [...model.backbone.keys()].filter((one) => !one.startsWith('head.'));
  const named = layers.filter((one) => /(^|\.)([a-z_]*norm|ln_\w+)\.(weight|bias)$/i.test(one));
  expect(named.length).toBeGreaterThan(2);
  expect(model.norms).toEqual(named);
});
