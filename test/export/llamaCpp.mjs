/**
 * Runs GGUF files in llama.cpp by node-llama-cpp, whose native code prints at will and wants a process of its own. On stdin:
 * {library, output, jobs: [{model, lora?, prompts?, special?, count?, rows?}]}; `library` is where node-llama-cpp lies, `output`
 * the file for what comes of it.
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { pathToFileURL } from 'node:url';

const { library, output, jobs } = JSON.parse(await text(process.stdin));
const { getLlama, LlamaLogLevel } = await import(pathToFileURL(join(library, 'dist/index.js')).href);
const llama = await getLlama({
  gpu: false,
  build: 'never',
  skipDownload: true,
  progressLogs: false,
  logLevel: LlamaLogLevel.error,
  maxThreads: 1,
});

const results = [];
for (const job of jobs) {
  const model = await llama.loadModel({ modelPath: job.model, gpuLayers: 0 });
  const context = await model.createContext({
    contextSize: 256,
    threads: 1,
    flashAttention: false,
    // Keys and values are kept in half precision otherwise.
    experimentalKvCacheKeyType: 'F32',
    experimentalKvCacheValueType: 'F32',
    ...(job.lora === undefined ? {} : { lora: { adapters: [{ filePath: job.lora }] } }),
  });
  const sequence = context.getSequence();
  const texts = [];
  for (const prompt of job.prompts ?? []) {
    await sequence.clearHistory();
    const ids = model.tokenize(prompt, job.special === true);
    const tokens = [];
    for await (const token of job.count === 0 ? [] : sequence.evaluate([...ids], { temperature: 0 })) {
      if (model.isEogToken(token)) break;
      tokens.push(token);
      if (tokens.length >= job.count) break;
    }
    texts.push({ ids, tokens });
  }
  const probabilities = [];
  for (const ids of job.rows ?? []) {
    await sequence.clearHistory();
    const options = { temperature: 1, topK: 0, topP: 1, minP: 0 };
    const next = ids.map((id) => [id, { generateNext: { probabilities: true, options } }]);
    const outputs = await sequence.controlledEvaluate(next);
    probabilities.push(
      outputs.map(({ next: { probabilities: all } }) => [...all].sort((a, b) => a[0] - b[0]).map(([, p]) => p)),
    );
  }
  results.push({ texts, probabilities, context: model.trainContextSize });
  await context.dispose();
  await model.dispose();
}
await writeFile(output, JSON.stringify(results));
await llama.dispose();
process.exit(0);
