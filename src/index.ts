/**
 * diffora as a library. In memory: {@link loadModel}, {@link loadTask} or {@link taskFromExamples}, {@link selectModules},
 * {@link train}, {@link loadAdapter}. From and to folders, as the command line does: {@link trainToFolder},
 * {@link selectToFolder}, {@link evaluateAdapter}, {@link predictWithAdapter}, {@link mergeAdapter}. Below: the typed tensor
 * {@link graph} and {@link openSession}.
 *
 * Nothing is printed and no signal is listened to: a {@link Reporter} is told of progress, an AbortSignal stops. What cannot
 * work is thrown as a {@link DiffoError}, whose message is for people.
 *
 * @example
 * const model = await loadModel('sentence-transformers/all-MiniLM-L6-v2');
 * const task = await loadTask('reviews.csv');
 * const adapter = await train(model, task, { method: 'diffora' });
 * const [prediction] = await adapter.predict(['Arrived late, works well']);
 * await adapter.save('adapters/reviews');
 * await adapter.close();
 *
 * @packageDocumentation
 */

export {
  type AdapterMethod,
  type AdapterMethodName,
  type AdapterSettingName,
  adapterMethods,
} from './adapters/registry.js';
export type { ResolvedModel } from './checkpoint/resolve.js';
export type { Checkpoint, StoredTensor, TensorDType } from './checkpoint/types.js';
export { type ExampleRow, type TaskFromExamplesOptions, taskFromExamples } from './data/tasks/taskFromExamples.js';
export type { Answer, Example, Generation, LearnedKind, MetricName, Split, SplitName, Task } from './data/types.js';
export { DiffoError, type ExitCode } from './errors.js';
export { type ChatMessage, renderChat } from './generate/chat.js';
export type { FinishReason } from './generate/generate.js';
export type { SamplingOptions } from './generate/sample.js';
/** The typed tensor graph: build, differentiate (again), emit as ONNX. */
export * as graph from './graph/index.js';
export type { Adapter, PredictionInput } from './library/adapter.js';
export { loadAdapter } from './library/loadAdapter.js';
export { type LoadTaskOptions, loadTask } from './library/loadTask.js';
export { selectModules } from './library/selectModules.js';
export type { TrainSettings } from './library/settings.js';
export { type TrainedAdapter, train } from './library/train.js';
export type { TrainStep } from './optimize/training.js';
export type { Measures, Phase, RunningWork, Work } from './progress.js';
export { type EventReporterOptions, eventReporter, type RunEvent } from './report/eventReporter.js';
export { type HeatMapInput, heatMap, type Screen } from './report/heatMap.js';
export type { Figures, Memory } from './report/progress.js';
export { type TerminalReporter, type TerminalReporterOptions, terminalReporter } from './report/terminalReporter.js';
/** Runs an emitted graph in ONNX Runtime. */
export { openSession, type Session, type SessionOptions, type Value } from './runtime/session.js';
export { type Dam, readDam } from './selection/dam.js';
export type { GramReport } from './selection/gram.js';
export type { SelectionMethod, SelectionSettingName } from './selection/method.js';
export { type SelectionName, selectionMethods } from './selection/registry.js';
export type { Encoding, LimitedEncoding, Offset, PlacedTokens, Tokenizer } from './tokenize/index.js';
export type { TaskFile } from './train/adapterFolder.js';
export { type Method, methods, parseTrainConfig, type TrainConfig, type TrainConfigInput } from './train/config.js';
export {
  type AdapterOptions,
  type EvaluateOptions,
  type Evaluation,
  evaluateAdapter,
  type ScoringOptions,
} from './train/evaluate.js';
export { type GeneratedText, type GenerateTextOptions, generateText } from './train/generateText.js';
export { type GramInspection, type GramOptions, inspectGram } from './train/gram.js';
export {
  type AdapterInspection,
  type DamInspection,
  type Inspection,
  inspect,
  type ModelInspection,
  type RunInspection,
  type TargetSummary,
} from './train/inspect.js';
export type { LabelPrediction, Prediction, Scores, SpanPrediction, WrittenPrediction } from './train/kinds/kind.js';
export { type LoadedModel, loadModel, type ProgressOptions } from './train/loadModel.js';
export { type MergeOptions, mergeAdapter } from './train/merge.js';
export { type PredictAdapterOptions, type PredictionOptions, predictWithAdapter } from './train/predict.js';
export { type PredictInput, readPredictInput } from './train/predictInput.js';
export { type ModelPrediction, type PredictModelOptions, predictWithModel } from './train/predictModel.js';
export { type Reporter, silent } from './train/reporter.js';
export { type FinishedRun, type RunOptions, select as selectToFolder, train as trainToFolder } from './train/run.js';
export type { RunRecord } from './train/runFolder.js';
