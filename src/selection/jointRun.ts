import { loraPlan } from '../adapters/methods/lora.js';
import type { AdapterPlan } from '../adapters/plan.js';
import { adapterParameters, type Parameter } from '../engine/parameters.js';
import { trainParameters } from '../engine/training.js';
import { freshHead, type SelectionContext } from './method.js';

/** A short run of LoRA on all modules over the training half, which methods look at before they choose. */
export async function jointRun(
  context: SelectionContext,
): Promise<{ readonly plan: AdapterPlan; readonly parameters: readonly Parameter[] }> {
  const { model, objective, halves, settings, signal, warn } = context;
  const { rank, alpha, loraDropout, headWeightDecay } = settings;
  const plan = loraPlan({ rank, alpha, loraDropout }, { own: model.adaptable, shared: [] });
  const parameters = [
    ...(await adapterParameters(plan, model, settings.seed)),
    ...(await freshHead(context, { headWeightDecay })),
  ];
  const stage = context.stage?.('joint run');
  const phase = context.phase('joint run', settings.steps, stage?.found?.step);
  await trainParameters(model, plan, parameters, halves.train, {
    name: 'joint run',
    objective,
    steps: () => settings.steps,
    batchSize: settings.batchSize,
    gradientCheckpointing: settings.gradientCheckpointing,
    seed: settings.seed,
    learningRate: settings.lr,
    weightDecay: settings.weightDecay,
    warmupRatio: settings.warmupRatio,
    schedule: settings.schedule,
    maxGradNorm: settings.maxGradNorm,
    maxSkippedSteps: settings.maxSkippedSteps,
    dropoutRate: settings.dropoutRate,
    threads: settings.threads,
    shared: context.shared,
    agree: context.agree,
    signal,
    warn,
    stage,
    onStep: ({ step, loss }, { examples, tokens }) => phase.update(step + 1, { loss, examples, tokens }),
  });
  phase.end();
  return { plan, parameters };
}
