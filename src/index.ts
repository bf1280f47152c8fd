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
export type { RoundingLoss } from './adapters/roundingLoss.js';
export type { AdapterOptions } from './artifacts/openAdapted.js';
export type { TaskFile } from './artifacts/taskFile.js';
export type { FloatType } from './checkpoint/floatTypes.js';
export type { ResolvedModel } from './checkpoint/resolve.js';
export type { Checkpoint, StoredTensor, TensorDType } from './checkpoint/types.js';
export type { Answer, Example, Split, SplitName } from './data/types.js';
export type { WeightedLoss } from './engine/exampleLosses.js';
export type { TrainStep } from './engine/training.js';
export { DiffoError, type ExitCode } from './errors.js';
export type { ExportedFile } from './export/format.js';
export type { ExportFormatName } from './export/formats.js';
/** The typed tensor graph: build, differentiate (again), emit as ONNX. */
export * as graph from './graph/index.js';
export type { Patience } from './hub/fetch.js';
export { type ChatMessage, renderChat } from './infer/chat.js';
export type { FinishReason } from './infer/generate.js';
export type { SamplingOptions } from './infer/sample.js';
export { type FoundDevice, findDevices } from './jobs/devices.js';
export type { RunEstimate } from './jobs/estimate.js';
export type { TimedPart, TimeEstimate } from './jobs/estimateTime.js';
export { type EvaluateOptions, type Evaluation, evaluateAdapter, type ScoringOptions } from './jobs/evaluate.js';
export { type Exported, type ExportOptions, exportModel, type ScoredFile } from './jobs/export.js';
export { type GeneratedText, type GenerateTextOptions, generateText } from './jobs/generate.js';
export { type GramInspection, type GramOptions, inspectGram } from './jobs/gram.js';
export {
  type AdapterInspection,
  type DamInspection,
  type Inspection,
  inspect,
  type ModelInspection,
  type RunInspection,
  type TargetSummary,
} from './jobs/inspect.js';
export { type Merged, type MergeOptions, mergeAdapter } from './jobs/merge.js';
export { type PredictAdapterOptions, type PredictionOptions, predictWithAdapter } from './jobs/predict.js';
export { type PredictInput, readPredictInput } from './jobs/predictInput.js';
export { type PredictModelOptions, predictWithModel } from './jobs/predictModel.js';
export { type Pushed, type PushOptions, pushToHub } from './jobs/push/push.js';
export type { RunRecord } from './jobs/runFolder.js';
export type { RunOptions } from './jobs/savedRun.js';
export { select as selectToFolder } from './jobs/select.js';
export { type FinishedRun, train as trainToFolder } from './jobs/train.js';
export type { ValidationLoss } from './jobs/trainedRun.js';
export type { Adapter } from './library/adapter.js';
export { estimate } from './library/estimate.js';
export { loadAdapter } from './library/loadAdapter.js';
export { type LoadTaskOptions, loadTask } from './library/loadTask.js';
export { selectModules } from './library/selectModules.js';
export type { TrainSettings } from './library/settings.js';
export { type TrainedAdapter, train } from './library/train.js';
export type { MetricName } from './metrics/names.js';
export type { Scores } from './metrics/scores.js';
export { type LoadedModel, type LoadModelOptions, loadModel } from './models/loading/loadModel.js';
export type {
  MatrixFrame,
  Measures,
  Phase,
  RunningWork,
  SteppedSearch,
  SteppedTraining,
  Work,
} from './progress.js';
export { type EventReporterOptions, eventReporter, type RunEvent } from './report/eventReporter.js';
export { type HeatMapInput, heatMap, type Screen } from './report/heatMap.js';
export type { Figures, Memory } from './report/progress.js';
export { type TerminalReporter, type TerminalReporterOptions, terminalReporter } from './report/terminalReporter.js';
export { type ProgressOptions, type Reporter, silent } from './reporter.js';
export type { ComputeDevice, Precision } from './runtime/devices/computeDevice.js';
export { type OpenDeviceOptions, openDevice } from './runtime/devices/openDevice.js';
/** Runs an emitted graph in ONNX Runtime. */
export type { Device, DeviceTensor, HostTensor, TensorData } from './runtime/deviceTensor.js';
export { type Bindings, openSession, type Session, type SessionOptions, type Value } from './runtime/session.js';
export type { Dam, Sharing } from './selection/dam.js';
export type { GramReport } from './selection/gram.js';
export type { SelectionMethod } from './selection/method.js';
export { readDam } from './selection/readDam.js';
export { type SelectionName, type SelectionSettingName, selectionMethods } from './selection/registry.js';
export type { SharedSetting } from './selection/settings.js';
export { type RunningServer, type ServeOptions, serve } from './serve/serve.js';
export type { ServeSettingsInput } from './serve/settings.js';
export {
  type DataConfig,
  type FlatConfig,
  flatConfig,
  type Method,
  type MethodConfig,
  methods,
  type OptimisationConfig,
  type ParseOptions,
  parseTrainConfig,
  type RunCommand,
  type RunConfig,
  type SelectionConfig,
  type TrainConfig,
  type TrainConfigInput,
} from './settings/config.js';
export type { ChatFacts, TrainOn } from './tasks/chat/chatFormat.js';
export type { Conversation, PlainText } from './tasks/chat/conversation.js';
export type { PredictionInput } from './tasks/inputExample.js';
export type { Generation, Kind, TextVectors } from './tasks/kinds/kind.js';
export type { ModelPrediction } from './tasks/kinds/ownHead.js';
export type * from './tasks/kinds/predictions.js';
export { type KindName, kinds } from './tasks/kinds/registry.js';
export type { JudgedAnswer, JudgedAnswers } from './tasks/preference/judged.js';
export type { Columns, Task } from './tasks/task.js';
export { type TaskFromExamplesOptions, taskFromExamples } from './tasks/taskFromExamples.js';
export type { ExampleRow } from './tasks/taskOfRows.js';
export type { Encoding, LimitedEncoding, Offset, PlacedTokens, Tokenizer } from './tokenize/index.js';
