/**
 * diffora in a tab: `diffora/browser`. {@link loadModel} from a URL or from files, {@link taskFromExamples}, {@link train},
 * predict, save. The engine is that of Node; graphs are run by onnxruntime-web, in WebAssembly or by WebGPU.
 *
 * @example
 * const model = await loadModel({ url: 'https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2/resolve/main/' });
 * const task = taskFromExamples([{ text: 'Arrived late, works well', label: 'good' }, …]);
 * const adapter = await train(model, task, { epochs: 2 });
 * const [prediction] = await adapter.predict(['Broke on the first day']);
 * download(await adapter.save(), 'adapter.zip');
 *
 * @packageDocumentation
 */

export type { TrainStep } from '../engine/training.js';
export { DiffoError } from '../errors.js';
export type { Scores } from '../metrics/scores.js';
export type { MatrixFrame, SteppedSearch } from '../progress.js';
export type { OnnxRuntimeWeb, WebDeviceName } from '../runtime/onnxWeb.js';
export type { PredictionInput } from '../tasks/inputExample.js';
export type { LabelPrediction } from '../tasks/kinds/kind.js';
export type { Task } from '../tasks/task.js';
export type { ExampleRow } from '../tasks/taskOfRows.js';
export type { BrowserAdapter } from './adapter.js';
export { download } from './download.js';
export { type BrowserModel, type LoadModelOptions, loadModel } from './loadModel.js';
export type { NamedFile } from './modelFiles.js';
export { clearCache } from './rangeCache.js';
export type { TrainSettings } from './settings.js';
export { type TaskFromExamplesOptions, taskFromExamples } from './task.js';
export { type TrainedAdapter, type TrainOptions, train } from './train.js';
