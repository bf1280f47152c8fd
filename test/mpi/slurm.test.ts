import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkpointsOf } from '../../src/artifacts/checkpoints/format.js';
import { savedSteps } from '../../src/artifacts/checkpoints/read.js';
import { diffora, quickRun, temporaryFolder, writeReviews } from '../cli/run.js';
import { built, startProgram } from '../cli/started.js';
import { bytesOf } from '../jobs/resumed.js';
import { nightly } from '../nightly.js';
import { until } from '../until.js';
import { processesOf } from './launchers.js';

const programs = ['munged', 'slurmctld', 'slurmd', 'srun', 'mpirun.mpich'];
const isThere = process.getuid?.() === 0 && programs.every((one) => spawnSync('which', [one]).status === 0);

// Slow by nature, and it wants Slurm: of Debian slurmctld, slurmd, slurm-client and munge, and for Open MPI libpmix-dev.
describe.skipIf(!nightly || !isThere)('Slurm on one node', () => {
  const daemons: ChildProcess[] = [];
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let environment: NodeJS.ProcessEnv;

  beforeAll(async () => {
    folder = await temporaryFolder();
    await writeReviews(folder.path('reviews.csv'));
    await mkdir(folder.path('munge'), { mode: 0o755 });
    for (const name of ['state', 'spool']) await mkdir(folder.path(name));
    await writeFile(folder.path('munge', 'key'), randomBytes(128), { mode: 0o400 });
    const socket = folder.path('munge', 'socket');
    const host = hostname().split('.')[0]!;
    const settings = {
      ...{ ClusterName: 'one', SlurmctldHost: `${host}(127.0.0.1)`, SlurmUser: 'root', SlurmdUser: 'root' },
      ...{ AuthType: 'auth/munge', AuthInfo: `socket=${socket}`, CredType: 'cred/munge' },
      ...{ StateSaveLocation: folder.path('state'), SlurmdSpoolDir: folder.path('spool') },
      ...{ SlurmctldPidFile: folder.path('slurmctld.pid'), SlurmdPidFile: folder.path('slurmd.pid') },
      ...{ SlurmctldLogFile: folder.path('slurmctld.log'), SlurmdLogFile: folder.path('slurmd.log') },
      ...{ SlurmctldPort: 36817, SlurmdPort: 36818, ProctrackType: 'proctrack/linuxproc', TaskPlugin: 'task/none' },
      ...{ SelectType: 'select/cons_tres', SelectTypeParameters: 'CR_CPU', ReturnToService: 2 },
    };
    const lines = [
      ...Object.entries(settings).map(([key, value]) => `${key}=${value}`),
      `NodeName=${host} NodeAddr=127.0.0.1 CPUs=2 State=UNKNOWN`,
      `PartitionName=p Nodes=${host} Default=YES MaxTime=INFINITE State=UP`,
    ];
    await writeFile(folder.path('slurm.conf'), `${lines.join('\n')}\n`);
    environment = { ...process.env, SLURM_CONF: folder.path('slurm.conf') };
    const start = (program: string, ...args: readonly string[]) =>
      daemons.push(spawn(program, args, { env: environment, stdio: 'ignore' }));
    const beside = ['pid', 'log', 'seed'].map((one) => `--${one}-file=${folder.path('munge', one)}`);
    start(
      'munged',
      '--foreground',
      '--force',
      `--socket=${socket}`,
      `--key-file=${folder.path('munge', 'key')}`,
      ...beside,
    );
    start('slurmctld', '-D');
    start('slurmd', '-D');
    await until(() =>
      spawnSync('sinfo', ['-h', '-o', '%t'], { env: environment, encoding: 'utf8' }).stdout.startsWith('idle'),
    );
  });
  afterAll(async () => {
    for (const one of daemons.toReversed()) {
      if (one.kill('SIGTERM')) await once(one, 'exit');
    }
    await folder?.remove();
  });

  const byPmix = spawnSync('ldconfig', ['-p'], { encoding: 'utf8' }).stdout?.includes('libpmix.so ') === true;
  it.each([['MPICH', 'pmi2'], ...(byPmix ? [['Open MPI', 'pmix']] : [])])(
    'starts ranks of %s by srun --mpi=%s, with the bits of one process with --accumulate 2',
    async (_, by) => {
      const flags = quickRun(folder.path('reviews.csv'), '--method', 'lora');
      const [alone, ranks] = [folder.path(`alone ${by}`), folder.path(`ranks ${by}`)];
      const one = await diffora('train', ...flags, '--accumulate', '2', '--output', alone);
      expect(one.code, one.stderr).toBe(0);
      const command = [process.execPath, built('dist', 'cli', 'main.js'), 'train', ...flags, '--output', ranks];
      const srun = startProgram('srun', [`--mpi=${by}`, '-n', '2', '--overcommit', ...command], { env: environment });
      const { code, stderr } = await srun.ended;
      expect(code, stderr).toBe(0);
      expect(JSON.parse(await readFile(`${ranks}/run.json`, 'utf8'))).toMatchObject({ ranks: 2 });
      expect(await bytesOf(ranks)).toEqual(await bytesOf(alone));
    },
  );

  it('leaves the others to find that a rank is gone: they say so, and end', async () => {
    const output = folder.path('killed');
    const flags = quickRun(folder.path('reviews.csv'), '--method', 'lora', '--epochs', '200', '--save-steps', '5');
    const command = [process.execPath, built('dist', 'cli', 'main.js'), 'train', ...flags, '--output', output];
    const srun = startProgram('srun', ['--mpi=pmi2', '-n', '2', '--overcommit', ...command], { env: environment });
    await until(async () => (await savedSteps(checkpointsOf(output))).length > 1, srun.ended);
    const at = performance.now();
    process.kill(processesOf(output).get(1)!, 'SIGKILL');
    const { code, stderr } = await srun.ended;
    expect(performance.now() - at).toBeLessThan(30_000);
    expect(code).not.toBe(0);
    expect(stderr).toMatch(
      /Rank 1 \(process \d+ on \S+\) has ended before its work was done, .* --resume goes on from it\./,
    );
  });
});
