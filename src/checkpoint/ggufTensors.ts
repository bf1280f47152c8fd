/** Divisors of the rotary frequencies, which LLaMA 3.1 files carry as a tensor. */
export const ropeFactorsName = 'rope_freqs.weight';
