/**
 * diffora as a library: train, select, score, predict and merge as the command line does, with a {@link Reporter} for
 * progress and an AbortSignal to stop. What cannot work is thrown as a {@link DiffoError} whose message is for people.
 *
 * @example
 * const config = parseTrainConfig({ task: 'reviews.csv', method: 'diffora', keep: 0.5 }, 'my settings');
 * const { record } = await train({ config, output: 'runs/reviews', reporter: silent });
 * const [prediction] = await predictWithAdapter({
 *   adapter: 'runs/reviews',
 *   examples: async () => [{ id: '1', text: 'Arrived late, works well' }],
 *   threads: 2,
 *   reporter: silent,
 * });
 */

export { type AdapterMethod, type AdapterMethodName, adapterMethods } from './adapters/registry.js';
export { openTask } from './data/tasks/openTask.js';
export type { TaskOptions } from './data/tasks/task.js';
export type { Answer, Example, Generation, MetricName, Split, SplitName, Task } from './data/types.js';
export { DiffoError } from './errors.js';
export { type ChatMessage, renderChat } from './generate/chat.js';
export type { FinishReason } from './generate/generate.js';
export type { SamplingOptions } from './generate/sample.js';
/** The typed tensor graph: build, differentiate (again), emit as ONNX. */
export * as graph from './graph/index.js';
export type { Measures, Phase, RunningWork, Work } from './progress.js';
export { type EventReporterOptions, eventReporter, type RunEvent } from './report/eventReporter.js';
export { type HeatMapInput, heatMap, type Screen } from './report/heatMap.js';
export type { Figures, Memory } from './report/progress.js';
export { type TerminalReporter, terminalReporter } from './report/terminalReporter.js';
/** Runs an emitted graph in ONNX Runtime. */
export { openSession, type Session, type SessionOptions, type Value } from './runtime/session.js';
export { type Dam, readDam } from './selection/dam.js';
export type { GramReport } from './selection/gram.js';
export type { SelectionMethod } from './selection/method.js';
export { type SelectionName, selectionMethods } from './selection/registry.js';
export type { TaskFile } from './train/adapterFolder.js';
export { type Method, methods, parseTrainConfig, type TrainConfig, type TrainConfigInput } from './train/config.js';
export { type AdapterOptions, type EvaluateOptions, type Evaluation, evaluateAdapter } from './train/evaluate.js';
export { type GeneratedText, type GenerateTextOptions, generateText } from './train/generateText.js';
export { type GramInspection, type GramOptions, inspectGram } from './train/gram.js';
export {
  type AdapterInspection,
  type DamInspection,
  type Inspection,
  inspect,
  type ModelInspection,
  type RunInspection,
} from './train/inspect.js';
export type { LabelPrediction, Prediction, Scores, SpanPrediction, WrittenPrediction } from './train/kinds/kind.js';
export { type MergeOptions, mergeAdapter } from './train/merge.js';
export { type PredictAdapterOptions, predictWithAdapter } from './train/predict.js';
export { type PredictInput, readPredictInput } from './train/predictInput.js';
export { type ModelPrediction, type PredictModelOptions, predictWithModel } from './train/predictModel.js';
export { type Reporter, silent } from './train/reporter.js';
export { type RunOptions, select, train } from './train/run.js';
export type { RunRecord } from './train/runFolder.js';
