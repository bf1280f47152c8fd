import { type Counter, type Histogram, type Prometheus, prometheus } from './prometheus.js';

/** Upper bounds in seconds, from a short classification to a long text. */
const seconds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];
const rows = [1, 2, 4, 8, 16, 32, 64];

/** What a server tells of itself. */
export interface ServerMetrics {
  readonly requests: Counter;
  readonly seconds: Histogram;
  /** Rows of each run of a graph. */
  readonly batches: Histogram;
  readonly promptTokens: Counter;
  readonly generatedTokens: Counter;
  text(): string;
}

/** @param underWay requests that wait or are worked on */
export function serverMetrics(underWay: () => number): ServerMetrics {
  const all: Prometheus = prometheus();
  all.gauge('diffora_requests_under_way', 'Requests that wait or are worked on.', underWay);
  all.gauge('process_resident_memory_bytes', 'Resident memory.', () => process.memoryUsage.rss());
  const processor = () => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1e6;
  };
  all.total('process_cpu_seconds_total', 'Processor time, of the whole process.', processor);
  return {
    requests: all.counter('diffora_requests_total', 'Requests, by route and status.'),
    seconds: all.histogram('diffora_request_seconds', 'Time from a request to the end of its answer.', seconds),
    batches: all.histogram('diffora_batch_rows', 'Rows that were run together, by model and work.', rows),
    promptTokens: all.counter('diffora_prompt_tokens_total', 'Tokens that were read, by model.'),
    generatedTokens: all.counter('diffora_generated_tokens_total', 'Tokens that were written, by model.'),
    text: () => all.text(),
  };
}
