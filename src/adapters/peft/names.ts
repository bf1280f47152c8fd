/** File names and the key prefix of PEFT's adapter folders. */
export const ADAPTER_CONFIG_FILE = 'adapter_config.json';
export const ADAPTER_WEIGHTS_FILE = 'adapter_model.safetensors';
export const MODEL_CARD_FILE = 'README.md';

/** What PEFT puts before a module's path: PeftModel.base_model is the LoraModel, its `.model` the transformer. */
export const KEY_PREFIX = 'base_model.model.';
