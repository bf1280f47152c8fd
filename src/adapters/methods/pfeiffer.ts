import { ops } from '../../graph/index.js';
import type { Model } from '../../models/model.js';
import { type BottleneckSettings, bottleneckFile, bottleneckPlan, bottleneckSettings } from '../bottleneck.js';
import { fitReduction } from '../fit.js';
import { plainFormat } from '../format.js';
import type { MethodOf } from '../method.js';
import type { AdapterPlan } from '../plan.js';

/**
 * Pfeiffer adapters (AdapterFusion, arXiv 2005.00247, appendix A; AdapterHub's `seq_bn`): one bottleneck a layer, after
 * the feed-forward sub-layer. It reads the sub-layer's output with residual and norm, its result is added to the
 * output before them, and the layer's own norm closes again. ReLU.
 */
export function pfeifferPlan(settings: BottleneckSettings, model: Model): AdapterPlan {
  return bottleneckPlan(settings, model, {
    method: 'pfeiffer',
    subLayers: ['feedForward'],
    activation: 'relu',
    replaced: [],
    apply: (y, close, update) => close(ops.add(y, update(close(y)))),
  });
}

export const pfeiffer = {
  title: 'Pfeiffer adapters',
  source: 'arXiv 2005.00247',
  places: 'itself',
  trainsEveryLayer: true,
  settings: bottleneckSettings,
  usual: { lr: 5e-4 },
  plan: (settings, _where, model) => pfeifferPlan(settings, model),
  fit: fitReduction(pfeifferPlan),
  solved: ['reduction'],
  format: plainFormat(bottleneckFile, pfeifferPlan),
} satisfies MethodOf<BottleneckSettings>;
