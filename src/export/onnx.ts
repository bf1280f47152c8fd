import { join } from 'node:path';
import { noAdapters } from '../adapters/plan.js';
import { writeSentenceFolder } from '../artifacts/sentenceFolder.js';
import { makeFolders } from '../files/atomic.js';
import type { Pooling } from '../models/pooling.js';
import { silent } from '../reporter.js';
import { outputsAre } from '../tasks/kinds/savedLabels.js';
import type { ExportedFile, ExportFormat } from './format.js';
import { writeConfig, writeGenerationConfig } from './onnx/configs.js';
import { writeModel } from './onnx/file.js';
import { fp16 } from './onnx/fp16.js';
import { fp32 } from './onnx/fp32.js';
import { inferenceGraph } from './onnx/graph.js';
import type { Precision } from './onnx/precision.js';
import { q4 } from './onnx/q4.js';
import { q8 } from './onnx/q8.js';
import { writeTokenizer } from './onnx/tokenizer.js';
import { withFile } from './onnx/withFile.js';

/** Widths of weights, by the names that transformers.js has for them. */
const precisions = { fp32, fp16, q8, q4 } as const satisfies Readonly<Record<string, Precision>>;

/** What transformers.js calls them. */
const poolingNames: Readonly<Record<Pooling, string>> = { mean: 'mean', cls: 'cls', lasttoken: 'last_token' };

/** ONNX, as transformers.js lays a model out: a browser or Node runs it without Python. */
export const onnx: ExportFormat = {
  name: 'onnx',
  description: 'transformers.js, in Node and browsers',
  library: 'transformers.js',
  use: (pipeline, [file]) =>
    [
      '```js',
      "import { pipeline } from '@huggingface/transformers';",
      '',
      `const run = await pipeline('${pipeline}', 'owner/name', { dtype: '${file!.dtype}' });`,
      '```',
    ].join('\n'),
  dtypes: Object.keys(precisions),
  usual: ['fp32', 'q8'],
  markers: ['onnx'],

  async refuse({ opened: { model }, outputs }) {
    if (model.encoderDecoder !== undefined || /EncoderModel$/.test(model.encoder ?? '')) {
      return `${model.family} is a model of two halves, which would be two files, and these are not built. Merge it (diffora merge) for Python.`;
    }
    if (outputs === 'states' || model.outputsOf !== 'nextToken') {
      if (model.encoder !== undefined) return undefined;
      const what = outputs === 'states' ? 'without a head' : `with a ${model.taskType} head`;
      return `transformers.js runs no ${model.family} model ${what}, only for generation. Merge it (diffora merge) for Python, or train the task on an encoder.`;
    }
    return model.cached === undefined ? `${model.family} has no cache to generate with.` : undefined;
  },

  notes({ opened: { model }, task, config }) {
    const are = outputsAre({ config, folder: model.checkpoint.folder });
    const isSequence = model.taskType === 'SEQ_CLS';
    const isScored = isSequence && (are === 'scores' || (model.numLabels === 1 && are !== 'anyLabels'));
    const { vectors } = model;
    const isPair = isSequence && task?.columns.pair !== undefined;
    return [
      ...(vectors === undefined
        ? []
        : [
            `The vectors are those of pipeline('feature-extraction') with { pooling: '${poolingNames[vectors.pooling]}', normalize: ${vectors.normalize} }.`,
          ]),
      ...(isScored
        ? [
            "The pipeline 'text-classification' makes probabilities of scores, 1 of a single one: call the model and read its logits.",
          ]
        : []),
      ...(isPair
        ? ['The texts are pairs, which no pipeline takes: call tokenizer(text, { text_pair }) and the model.']
        : []),
      ...(Array.isArray(task?.thresholds)
        ? [`The pipeline gives scores; the thresholds that were chosen are ${task.thresholds.join(', ')}.`]
        : []),
    ];
  },

  async write(source, folder, { dtypes, reporter = silent, signal }) {
    const graph = inferenceGraph(source);
    const head = new Set(source.opened.model.head.map(({ name }) => name));
    await makeFolders(join(folder, 'onnx'));
    const files: (ExportedFile & { readonly external: boolean })[] = [];
    const phase = reporter.phase('export', dtypes.length);
    for (const dtype of dtypes) {
      const { suffix, apply } = precisions[dtype as keyof typeof precisions];
      const name = `model${suffix}.onnx`;
      const written = await writeModel(join(folder, 'onnx', name), apply(graph, head), { signal });
      files.push({ dtype, file: `onnx/${name}`, ...written });
      phase.update(files.length, {});
    }
    phase.end();
    const beside = files.filter(({ external }) => external).map(({ file }) => file.slice('onnx/'.length));
    await writeConfig(source, folder, beside);
    await writeTokenizer(
      source,
      folder,
      graph.inputs.map(({ name }) => name),
    );
    await writeGenerationConfig(source, folder);
    if (source.task !== undefined) await writeSentenceFolder(folder, source.opened.model, source.task);
    return files.map(({ external: _, ...file }) => file);
  },

  useFile: ({ opened }, file, use) =>
    use({ opened: { ...opened, model: withFile(opened.model, file) }, plan: noAdapters, parameters: [] }),
};
