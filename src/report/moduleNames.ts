/** Words of module paths that have a usual short form. */
const shortWords: Readonly<Record<string, string>> = {
  attention: 'attn',
  self_attn: 'attn',
  output: 'out',
  SelfAttention: 'self',
  EncDecAttention: 'cross',
};

const longestWord = 8;

/**
 * Short titles for columns of the Differential Adaptation Matrix, each different: `attention.self.query` → `query`,
 * `attention.output.dense` → `attn.out`, `intermediate.dense` → `interm.`, `output.dense` → `output`.
 *
 * The last part of a path that is not `dense` stands for the module. Where several modules end in the same, the
 * shortest path keeps it and the others get their first part before it; where that does not tell them apart either,
 * the full paths stay.
 */
export function shortModuleNames(modules: readonly string[]): string[] {
  const parts = modules.map((module) =>
    module === 'dense' ? [module] : module.split('.').filter((part) => part !== 'dense'),
  );
  const short = parts.map((path) => {
    const rivals = parts.filter((other) => other.at(-1) === path.at(-1));
    const isShortest = rivals.every((other) => other === path || other.length > path.length);
    return isShortest ? shortened(path.at(-1)!) : path.map((part) => shortWords[part] ?? shortened(part)).join('.');
  });
  return new Set(short).size === modules.length ? short : [...modules];
}

function shortened(word: string): string {
  return word.length > longestWord ? `${word.slice(0, 6)}.` : word;
}
