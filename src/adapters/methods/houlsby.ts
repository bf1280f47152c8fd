import { ops } from '../../graph/index.js';
import type { Model } from '../../models/model.js';
import { type BottleneckSettings, bottleneckFile, bottleneckPlan, bottleneckSettings } from '../bottleneck.js';
import { fitReduction } from '../fit.js';
import { plainFormat } from '../format.js';
import type { MethodOf } from '../method.js';
import type { AdapterPlan } from '../plan.js';

/**
 * Houlsby adapters (arXiv 1902.00751, section 2.1 and figure 2): a bottleneck after the attention and one after the
 * feed-forward sub-layer, each before the residual is added; the layer norms are trained too. GELU, as in the authors'
 * code.
 */
export function houlsbyPlan(settings: BottleneckSettings, model: Model): AdapterPlan {
  return bottleneckPlan(settings, model, {
    method: 'houlsby',
    subLayers: ['attention', 'feedForward'],
    activation: 'gelu',
    replaced: model.norms,
    apply: (y, close, update) => close(ops.add(y, update(y))),
  });
}

export const houlsby = {
  title: 'Houlsby adapters',
  source: 'arXiv 1902.00751',
  places: 'itself',
  trainsEveryLayer: true,
  settings: bottleneckSettings,
  usual: { lr: 5e-4 },
  plan: (settings, _where, model) => houlsbyPlan(settings, model),
  fit: fitReduction(houlsbyPlan),
  solved: ['reduction'],
  format: plainFormat(bottleneckFile, houlsbyPlan),
} satisfies MethodOf<BottleneckSettings>;
