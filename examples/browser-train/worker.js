// The model lives here, so that the page stays smooth while a step runs.
import { loadModel, taskFromExamples, train } from 'diffora/browser';

const say = (kind, value) => postMessage({ kind, value });
const onNote = (sentence) => say('note', sentence);
let adapter;
let abort;

const work = {
  async train({ url, device, rows, settings }) {
    abort = new AbortController();
    const { signal } = abort;
    await adapter?.close();
    adapter = undefined;
    const onBytes = (bytes) => say('status', `Fetching the model: ${(bytes / 1e6).toFixed(1)} MB`);
    const model = await loadModel({ url, device, signal, onNote, onBytes });
    say('status', `Preparing, on ${model.device}…`);
    adapter = await train(model, taskFromExamples(rows), settings, {
      signal,
      onNote,
      onStep: (step) => say('step', step),
      onSearchStep: (step, total) => say('search', { step: step.step, total, loss: step.trainLoss }),
      onMatrix: (matrix) => say('matrix', matrix),
    });
    const { scores, trainable } = adapter;
    say('trained', { scores, trainable, device: model.device });
  },
  async predict({ text }) {
    const [prediction] = await adapter.predict([text]);
    say('answer', prediction);
  },
  async save() {
    say('files', await adapter.save());
  },
};

addEventListener('message', ({ data: { order, ...rest } }) => {
  if (order === 'stop') return abort?.abort(new Error('Stopped.'));
  return work[order](rest).catch((error) => say('failed', error.message));
});
