/** What Ollama is told of a model (its docs, modelfile.md): where it lies, and that texts are continued where no chat is known. */
export function modelfile(file: string, hasChatTemplate: boolean): string {
  // Of a chat template that a GGUF brings, Ollama makes its own.
  const template = hasChatTemplate ? [] : ['TEMPLATE """{{ .Prompt }}"""'];
  return `${[`FROM ./${file}`, ...template].join('\n')}\n`;
}

/** The same of an adapter, whose base has to be a GGUF file too. */
export function adapterModelfile(file: string, base: string): string {
  return `# The base model as GGUF: diffora export --model '${base}' --format gguf --output base\nFROM ./base/model-f16.gguf\nADAPTER ./${file}\n`;
}
