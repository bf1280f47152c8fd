/**
 * Serves an adapter over HTTP on this machine: POST a JSON list of texts, get a list of predictions.
 *
 *     npx tsx examples/programs/server.ts ADAPTER [port]
 *     curl -d '["Arrived late, works well"]' http://127.0.0.1:8080
 */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';
import { DiffoError, loadAdapter } from 'diffora';

const [folder, port = '8080'] = process.argv.slice(2);
if (folder === undefined) throw new Error('Give an adapter folder.');
const adapter = await loadAdapter(folder, { model: process.env.DIFFORA_EXAMPLE_MODEL });

const server = createServer(async (request, response) => {
  const stop = new AbortController();
  response.on('close', () => stop.abort());
  const answer = (status: number, body: unknown) => {
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  };
  try {
    const texts = await json(request);
    const isList = Array.isArray(texts) && texts.every((text) => typeof text === 'string');
    if (!isList) return answer(400, { error: 'POST a JSON list of texts.' });
    answer(200, await adapter.predict(texts, { signal: stop.signal }));
  } catch (error) {
    const isInput = error instanceof SyntaxError || error instanceof DiffoError;
    if (!response.destroyed) answer(isInput ? 400 : 500, { error: error instanceof Error ? error.message : 'failed' });
  }
});
server.listen(Number(port), '127.0.0.1');
await once(server, 'listening');
console.log(`http://127.0.0.1:${(server.address() as AddressInfo).port} predicts ${adapter.task.name}`);

await Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')]);
server.close();
await adapter.close();
console.log('closed');
