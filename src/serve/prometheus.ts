/** Labels of a series. */
export type Labels = Readonly<Record<string, string>>;

/** A number that only rises, for each set of labels. */
export interface Counter {
  add(labels: Labels, value?: number): void;
}

/** How many values lie below each of some bounds, and their sum, for each set of labels. */
export interface Histogram {
  observe(labels: Labels, value: number): void;
}

/** Numbers of a running program in Prometheus' text form (exposition format 0.0.4). */
export interface Prometheus {
  counter(name: string, help: string): Counter;
  /** @param bounds upper bounds of its buckets, ascending */
  histogram(name: string, help: string, bounds: readonly number[]): Histogram;
  /** A number that goes up and down. @param read is asked whenever the numbers are */
  gauge(name: string, help: string, read: () => number): void;
  /** A number that only rises and is counted elsewhere. */
  total(name: string, help: string, read: () => number): void;
  text(): string;
}

/** A series as it is written: its name with labels, and the number. */
type Line = readonly [name: string, labels: Labels, value: number];

export function prometheus(): Prometheus {
  const families: (() => string)[] = [];
  const family = (name: string, help: string, type: string, lines: () => Line[]) => {
    families.push(() => {
      const all = lines().map(([series, labels, value]) => `${series}${labelText(labels)} ${value}\n`);
      return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${all.join('')}`;
    });
  };
  return {
    counter(name, help) {
      const values = new Map<string, { readonly labels: Labels; value: number }>();
      family(name, help, 'counter', () => [...values.values()].map(({ labels, value }): Line => [name, labels, value]));
      return {
        add(labels, value = 1) {
          const series = entry(values, labels, () => ({ labels, value: 0 }));
          series.value += value;
        },
      };
    },
    histogram(name, help, bounds) {
      interface Series {
        readonly labels: Labels;
        readonly counts: number[];
        sum: number;
      }
      const values = new Map<string, Series>();
      family(name, help, 'histogram', () =>
        [...values.values()].flatMap(({ labels, counts, sum }): Line[] => {
          const buckets = [...bounds.map(String), '+Inf'];
          const upTo = (i: number) => counts.slice(0, i + 1).reduce((total, count) => total + count, 0);
          return [
            ...buckets.map((le, i): Line => [`${name}_bucket`, { ...labels, le }, upTo(i)]),
            [`${name}_sum`, labels, sum],
            [`${name}_count`, labels, upTo(bounds.length)],
          ];
        }),
      );
      return {
        observe(labels, value) {
          const series = entry(values, labels, () => ({ labels, counts: [...bounds, 0].map(() => 0), sum: 0 }));
          const bucket = bounds.findIndex((bound) => value <= bound);
          series.counts[bucket < 0 ? bounds.length : bucket]!++;
          series.sum += value;
        },
      };
    },
    gauge: (name, help, read) => family(name, help, 'gauge', () => [[name, {}, read()]]),
    total: (name, help, read) => family(name, help, 'counter', () => [[name, {}, read()]]),
    text: () => families.map((one) => one()).join(''),
  };
}

function entry<T>(values: Map<string, T>, labels: Labels, make: () => T): T {
  const key = JSON.stringify(labels);
  const known = values.get(key) ?? make();
  values.set(key, known);
  return known;
}

function labelText(labels: Labels): string {
  const escaped = (value: string) => value.replace(/[\\"\n]/g, (one) => (one === '\n' ? '\\n' : `\\${one}`));
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escaped(value)}"`);
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
}
