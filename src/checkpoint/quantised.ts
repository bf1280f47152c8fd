import { DiffoError } from '../errors.js';
import { isJsonObject } from '../files/jsonText.js';

/** Ways to quantise weights, by `quant_method` of transformers (utils/quantization_config.py), as they call themselves. */
const titles: Readonly<Record<string, string>> = {
  gptq: 'GPTQ',
  awq: 'AWQ',
  bitsandbytes: 'bitsandbytes',
  bitsandbytes_4bit: 'bitsandbytes',
  bitsandbytes_8bit: 'bitsandbytes',
  fp8: 'FP8',
  fbgemm_fp8: 'FP8 (FBGEMM)',
  mxfp4: 'MXFP4',
  'compressed-tensors': 'compressed-tensors',
  torchao: 'torchao',
  quanto: 'Quanto',
  hqq: 'HQQ',
  eetq: 'EETQ',
  aqlm: 'AQLM',
  bitnet: 'BitNet',
};

/**
 * Refuses a checkpoint whose config.json says that its weights are quantised: they are integers with scales beside them,
 * or float tensors that transformers quantises on loading.
 * @throws DiffoError that names the kind, and what to do
 */
export function refuseQuantised(config: Readonly<Record<string, unknown>>, folder: string): void {
  const found = quantisationOf(config);
  if (found === undefined) return;
  throw new DiffoError(
    `${folder}/config.json: ${found.key} says that the weights are quantised by ${found.title}, which is not supported. ` +
      `Take the model that was quantised, or ${found.remedy}.`,
  );
}

function quantisationOf(config: Readonly<Record<string, unknown>>) {
  // mlx-lm writes the same object under both keys.
  const { quantization: mlx, quantization_config: settings, compression_config: compressed } = config;
  const isMlx = (one: unknown) => isJsonObject(one) && 'group_size' in one && 'bits' in one && !('quant_method' in one);
  if (isMlx(mlx) || isMlx(settings)) {
    const key = isMlx(mlx) ? 'quantization' : 'quantization_config';
    return { key, title: 'MLX', remedy: 'undo it in Python: `mlx_lm.convert --dequantize`' };
  }
  const remedy = 'undo it in Python: `m = AutoModel….from_pretrained(folder).dequantize(); m.save_pretrained(out)`';
  if (isJsonObject(settings)) {
    const method = typeof settings.quant_method === 'string' ? settings.quant_method : undefined;
    const title = method === undefined ? 'a method that it does not name' : (titles[method.toLowerCase()] ?? method);
    return { key: 'quantization_config', title, remedy };
  }
  if (isJsonObject(compressed)) return { key: 'compression_config', title: 'compressed-tensors', remedy };
  if (mlx != null) return { key: 'quantization', title: 'a method that it does not name', remedy };
  return undefined;
}
