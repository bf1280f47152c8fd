import { env, pipeline, TextStreamer } from '@huggingface/transformers';
// Served with the page, in the place of a download from elsewhere.
import mjs from 'onnxruntime-web/ort-wasm-simd-threaded.asyncify.mjs?url';
import wasm from 'onnxruntime-web/ort-wasm-simd-threaded.asyncify.wasm?url';

env.allowRemoteModels = false;
env.allowLocalModels = true;
env.localModelPath = new URL('models/', document.baseURI).pathname;
env.backends.onnx.wasm.wasmPaths = { mjs, wasm };

/** `?device=webgpu` computes on the graphics card; `classifier` and `chat` name folders of public/models, with a width each; `tokens` is the most to write. */
const asked = new URLSearchParams(location.search);
const device = asked.get('device') ?? 'wasm';
const tokens = Number(asked.get('tokens') ?? 64);
const classifier = { folder: asked.get('classifier') ?? 'classifier', dtype: asked.get('classifier-dtype') ?? 'q8' };
const chat = { folder: asked.get('chat') ?? 'chat', dtype: asked.get('chat-dtype') ?? 'q4' };
document.querySelector('#device').textContent = `Computed by ${device}.`;

/** Says in a form what went wrong. */
function fail(form, error) {
  form.querySelector('output').textContent = String(error);
  form.dataset.state = 'failed';
}

/** Lets a form answer with a model; `answer` says what it makes of the text there. */
function open(form, model, answer) {
  const [output, button] = [form.querySelector('output'), form.querySelector('button')];
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    button.disabled = true;
    output.textContent = '';
    form.dataset.state = 'busy';
    const show = (text) => {
      output.textContent += text;
    };
    try {
      await answer(model, form.elements.text.value, show);
      form.dataset.state = 'done';
    } catch (error) {
      fail(form, error);
    }
    button.disabled = false;
  });
  output.textContent = 'Ready.';
  form.dataset.state = 'ready';
  button.disabled = false;
}

const classify = async (model, text, show) => {
  const labels = await model(text, { top_k: null });
  show(labels.map(({ label, score }) => `${label} ${score.toFixed(4)}`).join('\n'));
};

const write = async (model, text, show) => {
  const isChat = Boolean(model.tokenizer.chat_template);
  const streamer = new TextStreamer(model.tokenizer, {
    skip_prompt: true,
    skip_special_tokens: true,
    callback_function: show,
  });
  await model(isChat ? [{ role: 'user', content: text }] : text, {
    max_new_tokens: tokens,
    do_sample: false,
    streamer,
  });
};

const parts = [
  { form: document.querySelector('#classify'), task: 'text-classification', ...classifier, answer: classify },
  { form: document.querySelector('#write'), task: 'text-generation', ...chat, answer: write },
];
// One after the other, and all before the first is used: ONNX Runtime for the web does one thing at a time.
const loaded = [];
for (const { form, task, folder, dtype, answer } of parts) {
  try {
    const model = await pipeline(task, folder, { device, dtype });
    loaded.push(() => open(form, model, answer));
  } catch (error) {
    fail(form, error);
  }
}
for (const start of loaded) start();
