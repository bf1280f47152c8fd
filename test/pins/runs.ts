/**
 * What every run is given first; a flag that a run gives again wins. Small enough for half a minute at the most, and one
 * thread, since their number changes the order of sums.
 */
export const commonFlags =
  '--model sentence-transformers/all-MiniLM-L6-v2 --max-train-samples 64 --max-eval-samples 32 --max-length 48 --batch-size 8 --max-steps 6 --threads 1 --quiet';

/**
 * The one causal model that everyone has: a LLaMA of two layers with weights of chance, quantised, and a tokenizer of
 * bytes. The path is relative, since the adapter's configuration holds it.
 */
const llama = '--model test/fixtures/oracle/checkpoints/tiny.gguf --max-length 64 --max-eval-samples 8';

/**
 * Runs by name, as flags of `diffora train`. Together: every method, every way to choose modules, every kind of task, and
 * every setting that goes its own way through search or training. Whatever is numerically different stands in one of them.
 */
export const runs = {
  head: '--task cola --method head --class-weights balanced --head classifier',
  full: '--task rte --method full --gradient-checkpointing --schedule cosine --max-steps 4',
  bitfit: '--task sst2 --method bitfit --label-smoothing 0.1 --dropout model',
  houlsby: '--task mrpc --method houlsby --accumulate 2 --max-grad-norm 0.5',
  pfeiffer: '--task stsb --method pfeiffer --reduction 8 --schedule constant',
  lora: '--task mrpc --method lora --bias all --lora-dropout 0.1 --eval-steps 2 --keep-best --lr 5e-3',
  rslora: '--task cola --method rslora --select random --keep 0.5 --scope global',
  loraplus: '--task rte --method loraplus --select uniform --budget 100000 --bias lora_only',
  pissa: '--task stsb --method pissa --rank 4 --select gradient-norm --scope column',
  dora: '--task mrpc --method dora --select gram --head-lr 1e-3 --head-weight-decay 0.1',
  adalora:
    '--task cola --method adalora --rank 4 --adalora-tinit 1 --adalora-tfinal 2 --adalora-delta-t 1 --accumulate 4 --max-steps 8',
  vera: '--task rte --method vera --rank 64 --validation-share 0.25 --eval-steps 3',
  ia3: '--task sst2 --method ia3 --dropout model --eval-steps 3',
  diffora:
    '--task mrpc --method diffora --search-team 1 --dam-init zero --search-steps 4 --dropout 0.1 --class-weights equivalent=1,not_equivalent=2',
  'second-order':
    '--task cola --method diffora --search-order second --relax sigmoid --dam-optimizer adam --start search --dam-init zero --search-steps 3',
  gumbel:
    '--task rte --method diffora --relax gumbel --share column --search-seeds 2 --search-team 1 --dam-init zero --search-steps 3',
  budget:
    '--task sst2 --method diffora --relax budget --budget 150000 --dam-optimizer gradient --dam-init gradient-norm --entropy-weight 0.1 --search-team 1 --search-steps 4',
  usual: '--task sst2 --method diffora --keep 0.34',
  team: '--task rte --method diffora --search-team 2 --dam-init zero --search-steps 3 --max-steps 3',
  priced:
    '--task cola --method diffora --scope global --keep 0.3 --price time --price-weight 10 --search-team 1 --dam-init zero --search-steps 4 --cache-prefix memory',
  inverted:
    '--task stsb --method lora --select inverted --gradient-checkpointing --accumulate 2 --search-team 1 --dam-init zero --search-steps 4',
  'output-norm': '--task cola --method lora --select output-norm --keep 0.3 --search-steps 4',
  'leave-one-out': '--task mrpc --method dora --select leave-one-out --search-steps 4 --max-steps 4',
  'top-layers': '--task rte --method dora --select top-layers --max-steps 4',
  'layer-gradient-norm': '--task sst2 --method lora --select layer-gradient-norm --keep 0.34 --max-steps 4',
  page: '--task cola --method lora --select page --scope global --keep 0.01',
  fisher: '--task stsb --method rslora --select fisher --budget 60000',
  plop: '--task mrpc --method lora --select plop --scope column --keep 0.5',
  list: '--task rte --method lora --select list --targets query,value,layer.0.output.dense --ranks value=2 --alphas query=4',
  parameters:
    '--task cola --method lora --parameters 60000 --label-smoothing 0.1 --no-keep-best --eval-steps 2 --early-stopping 1',
  'span-lora': '--task squad --method lora --targets query,value --max-length 64 --stride 16',
  'span-diffora':
    '--task squad --method diffora --search-team 1 --dam-init zero --search-steps 3 --max-length 96 --accumulate 2 --max-steps 4',
  'language-diffora': `--task gsm8k ${llama} --method diffora --search-team 1 --dam-init zero --search-steps 4`,
  'language-dora': `--task openbookqa ${llama} --method dora --accumulate 2 --gradient-checkpointing`,
  'language-full': `--task boolq ${llama} --method full --metrics accuracy --eval-steps 3`,
} as const satisfies Readonly<Record<string, string>>;

/** A run that is killed as soon as a checkpoint of `step` is there, and resumed: the bytes of `like`. */
export interface BrokenRun {
  readonly like: keyof typeof runs;
  /** Steps of all stages, those of the search first. */
  readonly step: number;
}

/** Broken off within the search, and within training. */
export const brokenRuns = {
  'diffora-resumed': { like: 'diffora', step: 2 },
  'adalora-resumed': { like: 'adalora', step: 4 },
} as const satisfies Readonly<Record<string, BrokenRun>>;
