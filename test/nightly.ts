/** Tests that are slow by nature have a longer form: `npm run test:nightly`. */
export const nightly = process.env.DIFFORA_NIGHTLY === '1';
