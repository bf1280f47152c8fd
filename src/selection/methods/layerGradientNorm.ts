import type { SelectionMethod } from '../method.js';
import { allowanceSettings, sharingSettings } from '../settings.js';
import { gradientNorm } from './gradientNorm.js';

const { keep, budget } = allowanceSettings;

/** Whole layers: those whose modules' gradient norms (gradientNorm.ts) have the largest sums. */
export const layerGradientNorm = {
  ...gradientNorm,
  title: 'gradient norm of layers',
  settings: { keep, budget, ...sharingSettings },
  scope: 'layer',
} satisfies SelectionMethod;
